/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console.c - xm console: join a running domain's console.
 */
#include <string.h>

#include "base/cleanup.h"
#include "xm/attach.h"
#include "toolstack/client.h"
#include "toolstack/domains.h"
#include "toolstack/registry.h"
#include "xm/verbs.h"

#define TIMEOUT_MS 5000

static int join(const struct registry_entry *entry, bool quiet, struct err *err)
{
    CLEANUP_CLOSE int fd = registry_connect(entry->domid, err);
    json_t *answer = NULL;
    int rc = fd < 0 ? fd : client_send(fd, "console", err);

    if (rc == 0)
        rc = client_receive(fd, TIMEOUT_MS, &answer, err);
    json_decref(answer);
    if (rc < 0)
        return rc;
    if (!quiet)
        attach_hint(entry->name);
    attach_console(fd);
    return 0;
}

static int run_console(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry;
    struct err err = {0};
    const char *name = NULL;
    bool quiet = false;
    int rc = verb_check_arguments(self, argc, argv, 1, 2);

    if (rc >= 0)
        return rc;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-q") == 0 || strcmp(argv[i], "--quiet") == 0)
            quiet = true;
        else if (argv[i][0] == '-' || name)
            return verb_usage_error(self, "unexpected argument '%s'", argv[i]);
        else
            name = argv[i];
    }
    if (!name)
        return verb_usage_error(self, "no domain given");
    rc = domains_find(name, &entry, &err);
    if (rc < 0 && quiet)
        return XM_FAILED;
    if (rc == 0)
        rc = join(&entry, quiet, &err);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_console = {
    .name = "console",
    .arguments = "[-q] <Domain>",
    .summary = "Join a domain's console; Ctrl-] leaves it.",
    .details = "  -q, --quiet   no messages of our own; just fail if there is no such domain\n",
    .run = run_console,
};
