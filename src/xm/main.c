/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - xm, the command that users of Xen know. Finds the verb and runs it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "xm/verbs.h"

int main(int argc, char **argv)
{
    struct err err = {0};
    const struct verb *v;

    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        char *help[] = {(char *)"help", NULL};

        verb_help.run(&verb_help, 1, help);
        return XM_FAILED;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("xenolith xm %s\n", XENOLITH_VERSION);
        return XM_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return verb_help.run(&verb_help, 1, argv + 1);
    v = verbs_find(argv[1], &err);
    if (!v) {
        verb_error(&err);
        fprintf(stderr, "'xm help' lists the subcommands.\n");
        return XM_FAILED;
    }
    return v->run(v, argc - 1, argv + 1);
}
