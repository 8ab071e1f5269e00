/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_log.c - see console_log.h.
 */
#define _GNU_SOURCE
#include "backend/console_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

struct console_log {
    int fd;                  /* -1 = off */
    uint64_t size, max_size; /* max_size 0: it is never rotated */
    unsigned int keep;
    char *path;
};

static int open_file(struct console_log *log)
{
    struct stat st;

    log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (log->fd < 0)
        return -errno;
    log->size = fstat(log->fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return 0;
}

int console_log_open(struct console_log **ret, const char *path, uint64_t max_size,
                     unsigned int keep, struct err *err)
{
    struct console_log *log = calloc(1, sizeof(*log));
    int rc;

    if (!log)
        return err_set(err, ENOMEM, "out of memory");
    log->fd = -1;
    log->max_size = max_size;
    log->keep = keep;
    log->path = strdup(path);
    rc = log->path ? 0 : -ENOMEM;
    if (rc == 0 && path[0])
        rc = open_file(log);
    if (rc < 0) {
        console_log_close(log);
        return err_set(err, -rc, "cannot open console log %s: %s", path, strerror(-rc));
    }
    *ret = log;
    return 0;
}

void console_log_close(struct console_log *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        close(log->fd);
    free(log->path);
    free(log);
}

static void rotate(struct console_log *log)
{
    char *from = NULL, *to = NULL;

    for (unsigned int i = log->keep; i >= 1; i--) {
        int n =
            i > 1 ? asprintf(&from, "%s.%u", log->path, i - 1) : asprintf(&from, "%s", log->path);

        if (n < 0)
            return;
        if (asprintf(&to, "%s.%u", log->path, i) >= 0) {
            if (rename(from, to) < 0 && errno != ENOENT) {
                log_msg(LOG_WARN, "backend", "cannot rename %s: %s; it grows on", from,
                        strerror(errno));
                log->max_size = 0;
            }
            free(to);
        }
        free(from);
    }
    if (log->keep == 0 && ftruncate(log->fd, 0) < 0)
        log->max_size = 0;
    close(log->fd);
    if (open_file(log) < 0)
        log_msg(LOG_WARN, "backend", "console log %s ends: %s", log->path, strerror(errno));
}

void console_log_write(struct console_log *log, const void *buf, size_t n)
{
    int rc;

    if (log->fd < 0)
        return;
    if (log->max_size > 0 && log->size > 0 && log->size + n > log->max_size)
        rotate(log);
    if (log->fd < 0)
        return;
    rc = io_write_all(log->fd, buf, n);
    if (rc < 0) {
        log_msg(LOG_WARN, "backend", "console log %s ends: %s", log->path, strerror(-rc));
        close(log->fd);
        log->fd = -1;
    }
    log->size += n;
}
