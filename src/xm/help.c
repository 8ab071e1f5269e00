/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * help.c - xm help.
 */
#include <stdio.h>
#include <string.h>

#include "xm/verbs.h"

static void print_all(bool in_full)
{
    printf("Usage: xm <subcommand> [args]\n\n"
           "Runs Xen guests on this machine. Subcommands:\n\n");
    for (size_t i = 0; verbs[i]; i++) {
        printf(" %-14s %s\n", verbs[i]->name, verbs[i]->summary);
        if (in_full && verbs[i]->arguments[0])
            printf(" %-14s   %s\n", "", verbs[i]->arguments);
    }
    printf("\n<Domain> is a domain's name, id or uuid. 'xm help <subcommand>' tells more; xm "
           "--version "
           "tells the version.\n");
}

static int run_help(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    const struct verb *v;

    if (argc == 2 && argv[1][0] != '-') {
        v = verbs_find(argv[1], &err);
        if (!v)
            return verb_error(&err);
        verb_print_usage(v);
        return XM_OK;
    }
    print_all(argc == 2 && (strcmp(argv[1], "--long") == 0 || strcmp(argv[1], "-l") == 0));
    return XM_OK;
}

const struct verb verb_help = {
    .name = "help",
    .arguments = "[--long | subcommand]",
    .summary = "Show this list, or how a subcommand is used.",
    .details = "  --long   the list with all arguments\n",
    .run = run_help,
};
