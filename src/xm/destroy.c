/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * destroy.c - xm destroy: end a domain at once.
 */
#include <errno.h>
#include <string.h>

#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 15000

static int run_destroy(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct err err = {0};
    json_t *answer = NULL;
    int rc = verb_check_arguments(self, argc, argv, 1, 1);

    if (rc >= 0)
        return rc;
    if (strcmp(argv[1], "Domain-0") == 0 || strcmp(argv[1], "0") == 0) {
        err_set(&err, EPERM, "Cannot destroy privileged domain 0");
        return verb_error(&err);
    }
    rc = domains_find(argv[1], &entry, &err);
    if (rc == 0)
        rc = client_call(entry.domid, json_pack("{s:s}", "verb", "destroy"), TIMEOUT_MS, &answer,
                         &err);
    json_decref(answer);
    /* Gone is gone, whoever did it. */
    return rc == 0 || rc == -ECONNRESET ? XM_OK : verb_error(&err);
}

const struct verb verb_destroy = {
    .name = "destroy",
    .arguments = "<Domain>",
    .summary = "End a domain at once, as if its power were cut.",
    .details = "",
    .run = run_destroy,
};
