/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_log.c - see console_log.h.
 */
#define _GNU_SOURCE
#include "backend/console_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/launcher.h"
#include "base/log.h"

/* A request to the launcher. */
struct rotation {
    unsigned int keep;
    char path[PATH_MAX];
};

struct console_log {
    int fd;                  /* -1 = off */
    uint64_t size, max_size; /* max_size 0: it is never rotated */
    unsigned int keep;
    char *path;
};

/* Fixed before the launcher is made: the log of a process that may not say which. */
static const char *fixed_path;
static unsigned int fixed_keep;

void console_log_fix(const char *path, unsigned int keep)
{
    fixed_path = path;
    fixed_keep = keep;
}

static int open_path(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);

    return fd < 0 ? -errno : fd;
}

static int use_file(struct console_log *log, int fd)
{
    struct stat st;

    log->fd = fd < 0 ? -1 : fd;
    if (fd < 0)
        return fd;
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
        rc = use_file(log, open_path(path));
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

/* PATH.1 is the newest of `keep` old ones. 0 or -errno. */
static int make_room(const char *path, unsigned int keep)
{
    char from[PATH_MAX], to[PATH_MAX];

    if (strlen(path) + 16 > sizeof(from))
        return -ENAMETOOLONG;
    for (unsigned int i = keep; i >= 1; i--) {
        snprintf(to, sizeof(to), "%s.%u", path, i);
        snprintf(from, sizeof(from), i > 1 ? "%s.%u" : "%s", path, i - 1);
        if (rename(from, to) < 0 && errno != ENOENT)
            return -errno;
    }
    return keep == 0 && truncate(path, 0) < 0 ? -errno : 0;
}

int console_log_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct rotation r;
    int rc;

    if (request->size != sizeof(r))
        return -EINVAL;
    memcpy(&r, request->data, sizeof(r));
    r.path[sizeof(r.path) - 1] = '\0';
    rc = fixed_path ? make_room(fixed_path, fixed_keep) : make_room(r.path, r.keep);
    reply->fd = open_path(fixed_path ? fixed_path : r.path);
    return reply->fd < 0 ? reply->fd : rc;
}

static void rotate(struct console_log *log)
{
    struct launcher_reply reply;
    struct rotation r = {.keep = log->keep};
    int rc;

    snprintf(r.path, sizeof(r.path), "%s", log->path);
    rc = launcher_ask(console_log_service, &(struct launcher_request){&r, sizeof(r), NULL, 0},
                      &reply);
    if (rc < 0) {
        log_msg(LOG_WARN, "backend", "%s cannot be rotated: %s; it grows on", log->path,
                strerror(-rc));
        log->max_size = 0;
    }
    if (reply.fd < 0)
        return;
    close(log->fd);
    (void)use_file(log, reply.fd);
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
