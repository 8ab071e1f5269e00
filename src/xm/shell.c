/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * shell.c - xm shell: a prompt for subcommands. Each is a process of its own, as from a shell, so
 * that none can end or change the next.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xm/verbs.h"

#define MAX_WORDS 64

extern char **environ;

/* Cut the next word off *at, in place; quotes keep blanks together. NULL: there is none. */
static char *next_word(char **at)
{
    char *p = *at + strspn(*at, " \t\n"), *to = p, *word = p;
    char quote = '\0';

    if (!*p)
        return NULL;
    for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
        if (quote ? *p == quote : *p == '\'' || *p == '"')
            quote = quote ? '\0' : *p;
        else
            *to++ = *p;
    }
    *at = *p ? p + 1 : p;
    *to = '\0';
    return word;
}

static int run_words(char **argv)
{
    int status = 0, rc;
    pid_t pid;

    rc = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
    if (rc) {
        fprintf(stderr, "Error: cannot run '%s': %s\n", argv[1], strerror(rc));
        return XM_FAILED;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : XM_FAILED;
}

static void prompt(void)
{
    printf("%s> ", verb_program());
    fflush(stdout);
}

static int run_shell(const struct verb *self, int argc, char **argv)
{
    int rc = verb_check_arguments(self, argc, argv, 0, 0);
    CLEANUP_FREE char *line = NULL;
    size_t size = 0;
    int status = XM_OK;

    if (rc >= 0)
        return rc;
    for (prompt(); getline(&line, &size, stdin) > 0; prompt()) {
        char *words[MAX_WORDS + 2] = {(char *)verb_program()}, *at = line;
        size_t n = 1;

        while (n <= MAX_WORDS && (words[n] = next_word(&at)))
            n++;
        words[n] = NULL;
        if (n == 1)
            continue;
        if (strcmp(words[1], "quit") == 0 || strcmp(words[1], "exit") == 0)
            return status;
        status = run_words(words);
    }
    putchar('\n');
    return status;
}

const struct verb verb_shell = {
    .name = "shell",
    .arguments = "",
    .summary = "Take subcommands from a prompt.",
    .details = "quit, exit or the end of the input leaves it.\n",
    .run = run_shell,
};
