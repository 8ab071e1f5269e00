/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * files.c - see files.h.
 */
#define _GNU_SOURCE
#include "domain/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/console_log.h"
#include "base/hostfile.h"
#include "domain/bootloader.h"
#include "domain/dump.h"

#define SYMBOLS "System.map-"

/* Beside the lock file lies the record of what we were started from (N.config), and what a
 * successor was (N.sxp). */
static const char *const beside[] = {"config", "sxp"};

static char symbols[PATHS_MAX]; /* how such a file's path begins, "" = none */

/* Symbols lie beside the kernel, by its version. */
static bool may_use(const char *path, enum hostfile_right right)
{
    const size_t n = strlen(symbols);

    if (right == HOSTFILE_READ && n > 0 && strncmp(path, symbols, n) == 0 && !strchr(path + n, '/'))
        return true;
    return bootloader_may(path, right);
}

static void fix_symbols(const char *kernel)
{
    const char *slash = strrchr(kernel, '/');
    int n = snprintf(symbols, sizeof(symbols), "%.*s" SYMBOLS,
                     slash ? (int)(slash - kernel) + 1 : 0, kernel);

    if (!kernel[0] || n >= (int)sizeof(symbols))
        symbols[0] = '\0';
}

static void name_beside(char to[static PATHS_MAX], const char *lock, const char *what)
{
    const char *suffix = strrchr(lock, '.');

    if (!suffix ||
        snprintf(to, PATHS_MAX, "%.*s.%s", (int)(suffix - lock), lock, what) >= PATHS_MAX)
        to[0] = '\0';
}

void files_console_socket(char to[static PATHS_MAX], const struct domain_options *o)
{
    const char *dot = strrchr(o->socket_path, '.');

    to[0] = '\0';
    if (dot && strcmp(dot, ".sock") == 0)
        snprintf(to, PATHS_MAX, "%.*s.console", (int)(dot - o->socket_path), o->socket_path);
}

int files_fix(const struct domain_options *o, struct err *err)
{
    char path[PATHS_MAX];
    int rc = hostfile_allow(o->kernel, HOSTFILE_READ, err);

    if (rc == 0)
        rc = hostfile_allow(o->ramdisk, HOSTFILE_READ, err);
    if (rc == 0)
        rc = hostfile_allow(o->socket_path, HOSTFILE_REMOVE, err);
    files_console_socket(path, o);
    if (rc == 0)
        rc = hostfile_allow(path, HOSTFILE_REMOVE, err);
    if (rc == 0)
        rc = hostfile_allow(o->lock_path, HOSTFILE_REMOVE, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(beside); i++) {
        name_beside(path, o->lock_path, beside[i]);
        rc = hostfile_allow(path, HOSTFILE_REMOVE, err);
    }
    if (rc == 0)
        rc = hostfile_allow(o->status_path, HOSTFILE_REPLACE, err);
    fix_symbols(o->kernel);
    hostfile_allow_rule(may_use);
    console_log_fix(o->console_path, o->console_log_keep);
    dump_fix(o);
    return rc;
}

int files_write_status(const struct domain_options *o, const char *line)
{
    return o->status_path[0] ? hostfile_replace(o->status_path, line) : 0;
}

void files_remove(const struct domain_options *o)
{
    const char *lock = o->lock_path;
    char path[PATHS_MAX];

    if (o->socket_path[0])
        (void)hostfile_remove(o->socket_path);
    for (size_t i = 0; lock[0] && i < ARRAY_SIZE(beside); i++) {
        name_beside(path, lock, beside[i]);
        if (path[0])
            (void)hostfile_remove(path);
    }
    /* The lock file last: it is what says that there is a domain. */
    if (lock[0])
        (void)hostfile_remove(lock);
}
