/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cputime.c - see cputime.h.
 */
#define _GNU_SOURCE
#include "domain/cputime.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Ticks of a process if it belongs to session `sid`, own children that were reaped included. */
static uint64_t process_ticks(int proc_fd, const char *pid, int sid)
{
    unsigned long utime, stime;
    long cutime, cstime;
    char path[300], text[1024];
    const char *after_name;
    CLEANUP_CLOSE int fd = -1;
    ssize_t n;
    int session;

    snprintf(path, sizeof(path), "%s/stat", pid);
    fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    after_name = strrchr(text, ')');
    if (!after_name ||
        sscanf(after_name + 1, " %*c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
               &session, &utime, &stime, &cutime, &cstime) != 5)
        return 0;
    return session == sid ? utime + stime + (uint64_t)cutime + (uint64_t)cstime : 0;
}

uint64_t cputime_session_ns(void)
{
    DIR *dir = opendir("/proc");
    int sid = getsid(0);
    uint64_t ticks = 0;
    const struct dirent *de;

    if (!dir)
        return 0;
    while ((de = readdir(dir)))
        if (isdigit((unsigned char)de->d_name[0]))
            ticks += process_ticks(dirfd(dir), de->d_name, sid);
    closedir(dir);
    return ticks * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
}
