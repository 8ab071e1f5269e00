/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * reset.c - xm reset: end a domain at once and start it again from what it was started from.
 */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "config/domain_sxp.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/session.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 15000

/* What it was started from, under the name and uuid that it has now. */
static int load(struct config *c, const struct registry_entry *entry, const json_t *record,
                struct err *err)
{
    const char *sxp = json_get_string(record, "sxp", "");

    if (!sxp[0])
        return err_set(err, ENOENT, "what domain %s was started from is not known", entry->name);
    if (domain_sxp_load_text(c, entry->name, sxp, strlen(sxp), err) < 0)
        return -err->code;
    return config_set(c, "name", value_string(config_arena(c), entry->name, strlen(entry->name)),
                      entry->name, err);
}

static int end(domid_t domid, struct err *err)
{
    json_t *answer = NULL;
    int rc = client_call(domid, json_pack("{s:s}", "verb", "destroy"), TIMEOUT_MS, &answer, err);

    json_decref(answer);
    return rc == -ECONNRESET ? 0 : rc;
}

static int run_reset(const struct verb *self, int argc, char **argv)
{
    struct session_options o = {.quiet = true};
    struct registry_entry entry;
    struct err err = {0};
    struct config *c;
    json_t *record;
    int rc = verb_check_arguments(self, argc, argv, 1, 1);

    if (rc >= 0)
        return rc;
    if (domains_is_host(argv[1]))
        rc = err_set(&err, EPERM, "Cannot reset privileged domain 0");
    else
        rc = domains_find(argv[1], &entry, &err);
    if (rc < 0)
        return verb_error(&err);
    record = registry_record(entry.domid);
    o.managed = json_get_bool(record, "managed", false);
    c = config_new();
    rc = load(c, &entry, record, &err);
    json_decref(record);
    if (rc == 0)
        rc = end(entry.domid, &err);
    rc = rc < 0 ? verb_error(&err) : session_start(c, &o);
    config_free(c);
    return rc;
}

const struct verb verb_reset = {
    .name = "reset",
    .arguments = "<Domain>",
    .summary = "End a domain at once and start it again.",
    .details = "",
    .run = run_reset,
};
