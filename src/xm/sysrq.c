/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sysrq.c - xm sysrq: a magic system request key for a guest's kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "toolstack/domains.h"
#include "xm/store.h"
#include "xm/verbs.h"

static int run_sysrq(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct xs_client *xs = NULL;
    struct err err = {0};
    char path[64];
    int rc = verb_check_arguments(self, argc, argv, 2, 2);

    if (rc >= 0)
        return rc;
    if (strlen(argv[2]) != 1)
        return verb_usage_error(self, "'%s' is not one letter", argv[2]);
    rc = domains_find(argv[1], &entry, &err);
    if (rc == 0)
        rc = store_open(&xs, &err);
    if (rc == 0) {
        snprintf(path, sizeof(path), "/local/domain/%u/control/sysrq", entry.domid);
        rc = xs_write(xs, XS_NO_TX, path, argv[2], 1);
        if (rc < 0)
            err_set(&err, -rc, "cannot send the key to domain %s: %s", entry.name, strerror(-rc));
    }
    xs_close(xs);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_sysrq = {
    .name = "sysrq",
    .arguments = "<Domain> <Letter>",
    .summary = "Send a system request key to a domain's kernel.",
    .details = "",
    .run = run_sysrq,
};
