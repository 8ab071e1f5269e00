/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trigger.c - xm trigger: press a button of a domain's machine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 10000

static const char *const events[] = {"nmi", "reset", "init", "s3resume", "power", "sleep"};

static bool is_event(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(events); i++)
        if (strcmp(events[i], name) == 0)
            return true;
    return false;
}

static int run_trigger(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry = {0};
    struct err err = {0};
    json_t *answer = NULL;
    char *end = NULL;
    long vcpu = 0;
    int rc = verb_check_arguments(self, argc, argv, 2, 3);

    if (rc >= 0)
        return rc;
    if (argc > 3)
        vcpu = strtol(argv[3], &end, 10);
    if (end && (end == argv[3] || *end || vcpu < 0))
        return verb_usage_error(self, "'%s' is not the number of a VCPU", argv[3]);
    if (!is_event(argv[2]))
        return verb_usage_error(self, "unknown trigger '%s'", argv[2]);
    if (domains_is_host(argv[1]))
        rc = err_set(&err, EPERM, "Domain-0 is this host: it takes no triggers");
    else
        rc = domains_find(argv[1], &entry, &err);
    if (rc == 0)
        rc = client_call(entry.domid,
                         json_pack("{s:s, s:s, s:I}", "verb", "trigger", "event", argv[2], "vcpu",
                                   (json_int_t)vcpu),
                         TIMEOUT_MS, &answer, &err);
    json_decref(answer);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_trigger = {
    .name = "trigger",
    .arguments = "<Domain> <nmi|reset|init|s3resume|power|sleep> [VCPU]",
    .summary = "Send a trigger to a domain.",
    .details = "Paravirtualized guests know nmi (of one VCPU) and reset.\n",
    .run = run_trigger,
};
