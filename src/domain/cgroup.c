/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cgroup.c - see cgroup.h. A process cannot remove the group that it is in: empty ones are removed
 * by the next domain that makes one.
 */
#define _GNU_SOURCE
#include "domain/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PREFIX "xenolith-"
#define PERIOD_US 100000u
#define XEN_WEIGHT 256u /* everybody's */
#define CGROUP_WEIGHT 100u
#define MAX_WEIGHT 10000u

static int put(const char *dir, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = -1;
    char path[PATHS_MAX + 64];
    const ssize_t len = (ssize_t)strlen(text);

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write(fd, text, (size_t)len) == len ? 0 : -errno;
}

static ssize_t get(const char *dir, const char *name, char *buf, size_t size)
{
    CLEANUP_CLOSE int fd = -1;
    char path[PATHS_MAX + 64];
    ssize_t n;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, buf, size - 1);
    buf[n < 0 ? 0 : n] = '\0';
    return n < 0 ? -errno : n;
}

/* Is `word` one of the words of a list? */
static bool has_word(const char *list, const char *word)
{
    const size_t len = strlen(word);

    for (const char *p = list; (p = strstr(p, word)); p += len)
        if ((p == list || p[-1] == ' ') && (p[len] == '\0' || p[len] == ' ' || p[len] == '\n'))
            return true;
    return false;
}

void cgroup_own(char buf[static PATHS_MAX])
{
    char text[4096];
    const char *line;

    buf[0] = '\0';
    if (get("/proc/self", "cgroup", text, sizeof(text)) < 0)
        return;
    line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (line)
        snprintf(buf, PATHS_MAX, "%.*s", (int)strcspn(strstr(line, "::") + 2, "\n"),
                 strstr(line, "::") + 2);
}

/* Where the new group goes: the root's children, or beside the own one. */
static int find_parent(char parent[static PATHS_MAX], const char *mount, const char *own,
                       struct err *err)
{
    const char *slash = strrchr(own, '/');
    char text[512];

    if (!slash || get(mount, "cgroup.controllers", text, sizeof(text)) < 0)
        return err_set(err, ENOTSUP, "this host has no control groups of version 2 at %s", mount);
    snprintf(parent, PATHS_MAX, "%s%.*s", mount, (int)(slash - own), own);
    if (get(parent, "cgroup.subtree_control", text, sizeof(text)) < 0)
        return err_set(err, ENOTSUP, "%s cannot be read", parent);
    if (!has_word(text, "cpu") && put(parent, "cgroup.subtree_control", "+cpu") < 0)
        return err_set(err, ENOTSUP, "control group %s has no cpu controller for us", parent);
    return 0;
}

static void remove_empty(const char *parent)
{
    DIR *dir = opendir(parent);
    const struct dirent *de;

    while (dir && (de = readdir(dir)))
        if (strncmp(de->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            unlinkat(dirfd(dir), de->d_name, AT_REMOVEDIR) < 0)
            errno = 0; /* somebody lives there */
    if (dir)
        closedir(dir);
}

int cgroup_make(struct cgroup *ret, const char *mount, const char *own, const char *name,
                struct err *err)
{
    char parent[PATHS_MAX];
    int rc = find_parent(parent, mount, own, err);

    ret->path[0] = '\0';
    if (rc < 0)
        return rc;
    remove_empty(parent);
    if (snprintf(ret->path, sizeof(ret->path), "%s/" PREFIX "%s", parent, name) >=
            (int)sizeof(ret->path) ||
        (mkdir(ret->path, 0755) < 0 && errno != EEXIST)) {
        rc = err_set(err, errno, "cannot make a control group in %s: %s", parent, strerror(errno));
        ret->path[0] = '\0';
    }
    return rc;
}

int cgroup_add(const struct cgroup *g, pid_t pid)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", pid);
    return put(g->path, "cgroup.procs", text);
}

int cgroup_set(const struct cgroup *g, unsigned int weight, unsigned int cap)
{
    unsigned int w = weight * CGROUP_WEIGHT / XEN_WEIGHT;
    char text[32];
    int rc;

    snprintf(text, sizeof(text), "%u", w < 1 ? 1 : w > MAX_WEIGHT ? MAX_WEIGHT : w);
    rc = put(g->path, "cpu.weight", text);
    if (rc < 0)
        return rc;
    if (cap)
        snprintf(text, sizeof(text), "%u %u", cap * (PERIOD_US / 100), PERIOD_US);
    else
        snprintf(text, sizeof(text), "max %u", PERIOD_US);
    return put(g->path, "cpu.max", text);
}
