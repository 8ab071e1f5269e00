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

struct arguments {
    const char *name;
    bool quiet;
};

/* The value of an option that has one, at argv[*i] or behind it. */
static const char *option_value(int argc, char **argv, int *i)
{
    return *i + 1 < argc ? argv[++*i] : NULL;
}

/* -1: go on, else the exit status. */
static int parse(const struct verb *self, int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value;

        if (strcmp(word, "-q") == 0 || strcmp(word, "--quiet") == 0) {
            a->quiet = true;
        } else if (strcmp(word, "-e") == 0) {
            value = option_value(argc, argv, &i);
            if (!value || attach_set_escape(value) < 0)
                return verb_usage_error(self, "-e: ^X or one character is needed");
        } else if (strcmp(word, "-n") == 0 || strcmp(word, "--num") == 0) {
            value = option_value(argc, argv, &i);
            if (!value || strcmp(value, "0") != 0)
                return verb_usage_error(self, "there is only console 0");
        } else if (strcmp(word, "-t") == 0) {
            value = option_value(argc, argv, &i);
            if (!value || (strcmp(value, "pv") != 0 && strcmp(value, "serial") != 0))
                return verb_usage_error(self, "a console's type is pv or serial");
        } else if (word[0] == '-' || a->name) {
            return verb_usage_error(self, "unexpected argument '%s'", word);
        } else {
            a->name = word;
        }
    }
    return a->name ? -1 : verb_usage_error(self, "no domain given");
}

static int run_console(const struct verb *self, int argc, char **argv)
{
    struct arguments a = {0};
    struct registry_entry entry;
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 1, 8);

    if (rc < 0)
        rc = parse(self, argc, argv, &a);
    if (rc >= 0)
        return rc;
    rc = domains_find(a.name, &entry, &err);
    if (rc < 0 && a.quiet)
        return XM_FAILED;
    if (rc == 0)
        rc = join(&entry, a.quiet, &err);
    return rc < 0 ? verb_error(&err) : XM_OK;
}

const struct verb verb_console = {
    .name = "console",
    .arguments = "[-q] [-e <Escape>] <Domain>",
    .summary = "Join a domain's console; Ctrl-] leaves it.",
    .details = "  -q, --quiet   no messages of our own; just fail if there is no such domain\n"
               "  -e ESCAPE     what leaves it: ^X for Ctrl-X, or one character\n"
               "  -n 0          which console: there is only this one\n"
               "  -t TYPE       the same: pv, or serial for a fully virtualized guest\n",
    .run = run_console,
};
