/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - xm, the command that users of Xen know, and xl, its successor's name: the same
 * commands, with xl's spellings where they differ. Finds the verb and runs it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "xm/verbs.h"

const char *verb_program(void)
{
    return verb_is_xl() ? "xl" : "xm";
}

bool verb_is_xl(void)
{
    return strcmp(program_invocation_short_name, "xl") == 0;
}

static bool dry_run;

bool verb_is_dry_run(void)
{
    return dry_run;
}

static int no_verb(const char *name, const struct err *err)
{
    const struct refused_verb *refused = refused_find(name);

    if (refused)
        return refused_run(refused);
    if (verb_is_xl()) {
        fprintf(stderr, "command not implemented\n");
        return XM_FAILED;
    }
    verb_error(err);
    verbs_print(stderr, false);
    return XM_FAILED;
}

/* xl's options before the verb. Only -N means something here. */
static int skip_xl_options(int argc, char **argv)
{
    int i = 1;

    while (verb_is_xl() && i < argc && argv[i][0] == '-' && argv[i][1] &&
           strspn(argv[i] + 1, "vftTN") == strlen(argv[i] + 1)) {
        dry_run |= strchr(argv[i], 'N') != NULL;
        i++;
    }
    return i;
}

static int run(int argc, char **argv)
{
    const char *name = verbs_current_name(argv[0]);
    struct err err = {0};
    const struct verb *v = verbs_find(name, &err);

    if (!v)
        return no_verb(name, &err);
    if (dry_run && v != &verb_create) {
        fprintf(stderr, "command does not implement -N (dryrun) option\n");
        return XM_FAILED;
    }
    return v->run(v, argc, argv);
}

int main(int argc, char **argv)
{
    int first = skip_xl_options(argc, argv);

    signal(SIGPIPE, SIG_IGN);
    if (first >= argc) {
        char *help[] = {(char *)"help", NULL};

        verb_help.run(&verb_help, 1, help);
        return XM_FAILED;
    }
    if (strcmp(argv[first], "--version") == 0 || strcmp(argv[first], "-V") == 0) {
        printf("xenolith %s %s\n", verb_program(), XENOLITH_VERSION);
        return XM_OK;
    }
    if (strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0)
        return verb_help.run(&verb_help, 1, argv + first);
    return run(argc - first, argv + first);
}
