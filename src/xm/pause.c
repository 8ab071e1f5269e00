/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pause.c - xm pause, xm unpause: stop a domain's vCPUs and let them go on.
 */
#include <errno.h>

#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 5000

static int run_pause(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct err err = {0};
    json_t *answer = NULL;
    int rc = verb_check_arguments(self, argc, argv, 1, 1);

    if (rc >= 0)
        return rc;
    if (domains_is_host(argv[1])) {
        err_set(&err, EPERM, "Cannot %s privileged domain 0", self->name);
        return verb_error(&err);
    }
    rc = domains_find(argv[1], &entry, &err);
    if (rc == 0)
        rc = client_call(entry.domid, json_pack("{s:s}", "verb", self->name), TIMEOUT_MS, &answer,
                         &err);
    json_decref(answer);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_pause = {
    .name = "pause",
    .arguments = "<Domain>",
    .summary = "Let a domain stand still; it keeps its memory.",
    .details = "",
    .run = run_pause,
};

const struct verb verb_unpause = {
    .name = "unpause",
    .arguments = "<Domain>",
    .summary = "Let a paused domain go on.",
    .details = "",
    .run = run_pause,
};
