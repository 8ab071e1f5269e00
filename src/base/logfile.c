/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * logfile.c - see logfile.h.
 */
#define _GNU_SOURCE
#include "base/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/paths.h"

static int append_to(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd < 0 ? -errno : fd;
}

static void rotate(const char *path, unsigned int old)
{
    char from[PATHS_MAX + 16], to[PATHS_MAX + 16];

    for (unsigned int i = old; i > 0; i--) {
        snprintf(to, sizeof(to), "%s.%u", path, i);
        snprintf(from, sizeof(from), "%s.%u", path, i - 1);
        if (rename(i == 1 ? path : from, to) < 0 && errno != ENOENT)
            return;
    }
}

int logfile_open(const char *path, off_t max, unsigned int old)
{
    CLEANUP_CLOSE int fd = append_to(path);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > max) {
        rotate(path, old);
        return append_to(path);
    }
    return STEAL_FD(fd);
}
