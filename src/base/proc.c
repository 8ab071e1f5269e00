/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * proc.c - see proc.h. All of it is the host kernel's word but the name of a process, which is
 * its own.
 */
#define _GNU_SOURCE
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NS_PER_S 1000000000ull

/* A small file, as a string. 0 or -errno. */
static int read_text(const char *path, char *buf, size_t size)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

    if (n < 0)
        return -errno;
    buf[n] = '\0';
    return 0;
}

/* The first number of the line that begins with `key`, which has its line feed. 0 or -errno. */
static int read_number(const char *path, const char *key, long *ret)
{
    char text[1024];
    const char *line;
    int rc = read_text(path, text, sizeof(text));

    if (rc < 0)
        return rc;
    line = strstr(text, key);
    if (!line)
        return -EPROTO;
    *ret = strtol(line + strlen(key), NULL, 10);
    return 0;
}

#define STAT_MAX 1024

/* What /proc has of a process or thread behind its name, which may be anything: from the third
 * field on. *ret is in `text`. 0 or -errno. */
static int read_stat(pid_t pid, char text[static STAT_MAX], const char **ret)
{
    char path[64];
    int rc;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    rc = read_text(path, text, STAT_MAX);
    if (rc < 0)
        return rc;
    *ret = strrchr(text, ')');
    if (!*ret)
        return -EPROTO;
    ++*ret;
    return 0;
}

pid_t proc_pid(int pidfd)
{
    char path[64];
    long pid;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    return read_number(path, "\nPid:", &pid) < 0 ? -1 : (pid_t)pid;
}

unsigned int proc_children(pid_t pid, pid_t *ret, unsigned int max)
{
    char path[64], text[4096];
    unsigned int n = 0;
    char *p = text, *end;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    if (read_text(path, text, sizeof(text)) < 0)
        return 0;
    for (long child = strtol(p, &end, 10); end != p; child = strtol(p, &end, 10)) {
        if (n < max)
            ret[n] = (pid_t)child;
        n++;
        p = end;
    }
    return n;
}

bool proc_has_thread(pid_t pid, pid_t thread)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, thread);
    return stat(path, &st) == 0;
}

int proc_usage(pid_t pid, struct proc_usage *ret)
{
    const uint64_t tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    unsigned long utime, stime;
    long cutime, cstime;
    char text[STAT_MAX];
    const char *fields;
    int rc = read_stat(pid, text, &fields);

    if (rc < 0)
        return rc;
    /* Fields 14 to 17, 19 and 39. */
    if (sscanf(fields,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %d %*d %*d %*u "
               "%*u %*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d",
               &utime, &stime, &cutime, &cstime, &ret->nice, &ret->cpu) != 6)
        return -EPROTO;
    ret->ns = (utime + stime) * tick;
    ret->reaped_ns = (uint64_t)(cutime + cstime) * tick;
    return 0;
}

int proc_user(pid_t pid, uid_t *ret)
{
    char path[64];
    long uid;
    int rc;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    rc = read_number(path, "\nUid:", &uid);
    if (rc == 0)
        *ret = (uid_t)uid;
    return rc;
}

uint64_t proc_start_time(pid_t pid)
{
    unsigned long long start;
    char text[STAT_MAX];
    const char *fields;

    if (read_stat(pid, text, &fields) < 0)
        return 0;
    /* Field 22. */
    if (sscanf(fields,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
               "%*d %*d %*d %llu",
               &start) != 1)
        return 0;
    return start;
}
