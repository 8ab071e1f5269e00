/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kcache_dir.c - see kcache_dir.h. An entry is written under a name of its own and gets its place
 * when it is whole.
 */
#define _GNU_SOURCE
#include "builder/kcache_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/launcher.h"
#include "builder/checksum.h"

#define SUFFIX ".elf"
#define NAME_SIZE 64

struct request {
    enum kcache_verb verb;
    struct kcache_key key;
};

static bool frozen; /* in the launcher */

static bool is_private(const struct stat *st)
{
    return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* Where the cache is; `create` makes the last two levels. */
static int open_dir(bool create)
{
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char parent[512], path[560];
    struct stat st;
    int fd, n;

    if (xdg && xdg[0] == '/')
        n = snprintf(parent, sizeof(parent), "%s", xdg);
    else if (geteuid() == 0)
        n = snprintf(parent, sizeof(parent), "/var/cache");
    else if (home && home[0] == '/')
        n = snprintf(parent, sizeof(parent), "%s/.cache", home);
    else
        return -1;
    if (n < 0 || (size_t)n >= sizeof(parent))
        return -1;
    snprintf(path, sizeof(path), "%s/xenolith", parent);
    if (create) {
        mkdir(parent, 0700);
        mkdir(path, 0700);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !is_private(&st))) {
        close(fd);
        return -1;
    }
    return fd;
}

static void entry_name(char name[NAME_SIZE], const struct kcache_key *key)
{
    snprintf(name, NAME_SIZE, "kernel-%016llx" SUFFIX,
             (unsigned long long)checksum64(key, sizeof(*key)));
}

/* Names that this file made: entries, and temporary files that a crash left behind. */
static bool is_ours(const char *name)
{
    return strncmp(name, "kernel-", 7) == 0 || strncmp(name, "tmp-", 4) == 0;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Remove the least recently used file while there are more than KCACHE_ENTRIES. */
static bool evict_one(DIR *d)
{
    char oldest[256] = "";
    struct timespec oldest_time = {0};
    unsigned int count = 0;
    struct dirent *e;
    struct stat st;

    rewinddir(d);
    while ((e = readdir(d))) {
        if (!is_ours(e->d_name) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (!count++ || is_before(&st.st_mtim, &oldest_time)) {
            oldest_time = st.st_mtim;
            snprintf(oldest, sizeof(oldest), "%s", e->d_name);
        }
    }
    return count > KCACHE_ENTRIES && unlinkat(dirfd(d), oldest, 0) == 0;
}

static void evict(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while (evict_one(d))
        ;
    closedir(d);
}

static int open_entry(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) != 0 || !is_private(&st))) {
        close(fd);
        return -EPERM;
    }
    if (fd < 0)
        return -errno;
    futimens(fd, NULL); /* recently used */
    return fd;
}

static int create(int dir, const char *tmp)
{
    int fd;

    unlinkat(dir, tmp, 0);
    fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int keep(int dir, const char *tmp, const char *name)
{
    if (renameat(dir, tmp, dir, name) < 0) {
        unlinkat(dir, tmp, 0);
        return -EIO;
    }
    evict(dir);
    return 0;
}

/* *ret_fd: of what is opened. 0 or -errno. */
static int serve(int dir, const struct request *r, int *ret_fd)
{
    char name[NAME_SIZE], tmp[NAME_SIZE];

    entry_name(name, &r->key);
    snprintf(tmp, sizeof(tmp), "tmp-%d", (int)getpid());
    switch (r->verb) {
    case KCACHE_OPEN:
        *ret_fd = open_entry(dir, name);
        return *ret_fd < 0 ? *ret_fd : 0;
    case KCACHE_FORGET:
        return unlinkat(dir, name, 0) < 0 ? -errno : 0;
    case KCACHE_CREATE:
        *ret_fd = frozen ? -EPERM : create(dir, tmp);
        return *ret_fd < 0 ? *ret_fd : 0;
    case KCACHE_KEEP:
        return frozen ? -EPERM : keep(dir, tmp, name);
    case KCACHE_DROP:
        return unlinkat(dir, tmp, 0) < 0 ? -errno : 0;
    case KCACHE_FREEZE:
        break;
    }
    return -EINVAL;
}

int kcache_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct request r;
    int dir, rc;

    if (request->size != sizeof(r))
        return -EINVAL;
    memcpy(&r, request->data, sizeof(r));
    if (r.verb == KCACHE_FREEZE) {
        frozen = true;
        return 0;
    }
    dir = open_dir(r.verb == KCACHE_CREATE);
    if (dir < 0)
        return -ENOENT;
    rc = serve(dir, &r, &reply->fd);
    close(dir);
    return rc;
}

int kcache_dir_ask(enum kcache_verb verb, const struct kcache_key *key)
{
    struct launcher_reply reply;
    struct request r;
    int rc;

    memset(&r, 0, sizeof(r));
    r.verb = verb;
    r.key = *key;
    rc = launcher_ask(kcache_service, &(struct launcher_request){&r, sizeof(r), NULL, 0}, &reply);
    return rc < 0 ? rc : reply.fd >= 0 ? reply.fd : 0;
}
