/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kcache.c - see kcache.h. File layout: one page of header, then the content, so that the
 * mapping hands out page-aligned data.
 */
#define _GNU_SOURCE
#include "builder/kcache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "builder/checksum.h"

#define KCACHE_MAGIC "xenolith kernel\n"
#define KCACHE_SUFFIX ".elf"
#define NAME_SIZE 64

struct entry_header {
    char magic[16];
    struct kcache_key key;
    uint64_t size;
    uint64_t checksum;
};

static int64_t timespec_ns(const struct timespec *t)
{
    return (int64_t)((uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec);
}

void kcache_key_init(struct kcache_key *key, const char *path, const struct stat *st,
                     const void *content, size_t size)
{
    *key = (struct kcache_key){
        .path_hash = checksum64(path, strlen(path)),
        .dev = st->st_dev,
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = timespec_ns(&st->st_mtim),
        .ctime_ns = timespec_ns(&st->st_ctim),
        .content_hash = checksum64(content, size),
    };
}

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
    snprintf(name, NAME_SIZE, "kernel-%016llx" KCACHE_SUFFIX,
             (unsigned long long)checksum64(key, sizeof(*key)));
}

/* Map and verify an entry that is open. */
static bool map_entry(struct kcache_hit *hit, int fd, const struct kcache_key *key)
{
    const struct entry_header *header;
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !is_private(&st) ||
        st.st_size <= (off_t)PAGE_SIZE)
        return false;
    hit->map_size = (size_t)st.st_size;
    hit->map = mmap(NULL, hit->map_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (hit->map == MAP_FAILED) {
        hit->map = NULL;
        return false;
    }
    header = hit->map;
    hit->data = (const uint8_t *)hit->map + PAGE_SIZE;
    hit->size = hit->map_size - PAGE_SIZE;
    return memcmp(header->magic, KCACHE_MAGIC, sizeof(header->magic)) == 0 &&
           memcmp(&header->key, key, sizeof(*key)) == 0 && header->size == hit->size &&
           header->checksum == checksum64(hit->data, hit->size);
}

bool kcache_lookup(struct kcache_hit *hit, const struct kcache_key *key)
{
    char name[NAME_SIZE];
    int dir, fd;
    bool ok;

    *hit = (struct kcache_hit){0};
    dir = open_dir(false);
    if (dir < 0)
        return false;
    entry_name(name, key);
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ok = fd >= 0 && map_entry(hit, fd, key);
    if (fd >= 0) {
        futimens(fd, NULL); /* recently used */
        close(fd);
    }
    if (!ok) {
        kcache_release(hit);
        if (fd >= 0)
            unlinkat(dir, name, 0);
    }
    close(dir);
    return ok;
}

static bool write_all(int fd, const void *data, size_t size)
{
    const uint8_t *p = data;
    ssize_t n;

    while (size) {
        n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool write_entry(int fd, const struct kcache_key *key, const void *data, size_t size)
{
    union {
        struct entry_header header;
        uint8_t page[PAGE_SIZE];
    } first = {.page = {0}};

    memcpy(first.header.magic, KCACHE_MAGIC, sizeof(first.header.magic));
    first.header.key = *key;
    first.header.size = size;
    first.header.checksum = checksum64(data, size);
    return write_all(fd, &first, sizeof(first)) && write_all(fd, data, size);
}

/* Names that this file made: entries, and temporary files that a crash left behind. */
static bool is_ours(const char *name)
{
    return strncmp(name, "kernel-", 7) == 0 || strncmp(name, "tmp-", 4) == 0;
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
        if (!count++ || timespec_ns(&st.st_mtim) < timespec_ns(&oldest_time)) {
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

void kcache_store(const struct kcache_key *key, const void *data, size_t size)
{
    char name[NAME_SIZE], tmp[NAME_SIZE];
    int dir = open_dir(true);
    int fd;

    if (dir < 0)
        return;
    entry_name(name, key);
    snprintf(tmp, sizeof(tmp), "tmp-%d", (int)getpid());
    unlinkat(dir, tmp, 0);
    fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (!write_entry(fd, key, data, size) || renameat(dir, tmp, dir, name) != 0)
            unlinkat(dir, tmp, 0);
        close(fd);
        evict(dir);
    }
    close(dir);
}

void kcache_release(struct kcache_hit *hit)
{
    if (hit->map)
        munmap(hit->map, hit->map_size);
    *hit = (struct kcache_hit){0};
}
