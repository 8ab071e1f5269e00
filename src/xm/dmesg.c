/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * dmesg.c - xm dmesg: what a hypervisor would have printed, here kept per domain.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "toolstack/registry.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 5000

static int show(domid_t domid, bool clear, struct err *err)
{
    json_t *answer = NULL;
    int rc = client_call(domid, json_pack("{s:s, s:b}", "verb", "dmesg", "clear", clear),
                         TIMEOUT_MS, &answer, err);

    if (rc == 0)
        fputs(json_get_string(answer, "text", ""), stdout);
    json_decref(answer);
    return rc;
}

static int show_all(bool clear, struct err *err)
{
    CLEANUP_FREE struct registry_entry *entries = NULL;
    size_t count = 0;
    int rc = registry_list(&entries, &count, err);

    for (size_t i = 0; i < count; i++) {
        struct err ignored = {0};

        if (show(entries[i].domid, clear, &ignored) < 0)
            fprintf(stderr, "Warning: domain %u: %s\n", entries[i].domid, ignored.msg);
    }
    return rc;
}

static int run_dmesg(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct err err = {0};
    const char *name = NULL;
    bool clear = false;
    int rc = verb_check_arguments(self, argc, argv, 0, 2);

    if (rc >= 0)
        return rc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--clear") == 0)
            clear = true;
        else if (argv[i][0] == '-' || name)
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            name = argv[i];
    }
    if (!name) {
        rc = show_all(clear, &err);
    } else {
        rc = domains_find(name, &entry, &err);
        if (rc == 0)
            rc = show(entry.domid, clear, &err);
    }
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_dmesg = {
    .name = "dmesg",
    .arguments = "[-c] [Domain]",
    .summary = "Show the hypervisor's messages about all domains or one.",
    .details = "  -c, --clear   forget them afterwards\n",
    .run = run_dmesg,
};
