/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kcache.c - see kcache.h. File layout: one page of header, then the content, so that the
 * mapping hands out page-aligned data. What is in a file is this file's business, where it lies
 * that of kcache_dir.c, which the launcher runs.
 */
#define _GNU_SOURCE
#include "builder/kcache.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "builder/checksum.h"
#include "builder/kcache_dir.h"

#define KCACHE_MAGIC "xenolith kernel\n"

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

/* Map and verify an entry that is open. */
static bool map_entry(struct kcache_hit *hit, int fd, const struct kcache_key *key)
{
    const struct entry_header *header;
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= (off_t)PAGE_SIZE)
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
    int fd = kcache_dir_ask(KCACHE_OPEN, key);
    bool ok;

    *hit = (struct kcache_hit){0};
    ok = fd >= 0 && map_entry(hit, fd, key);
    if (!ok) {
        kcache_release(hit);
        if (fd >= 0)
            (void)kcache_dir_ask(KCACHE_FORGET, key);
    }
    if (fd >= 0)
        close(fd);
    return ok;
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
    return io_write_all(fd, &first, sizeof(first)) == 0 && io_write_all(fd, data, size) == 0;
}

void kcache_store(const struct kcache_key *key, const void *data, size_t size)
{
    int fd = kcache_dir_ask(KCACHE_CREATE, key);

    if (fd < 0)
        return;
    (void)kcache_dir_ask(write_entry(fd, key, data, size) ? KCACHE_KEEP : KCACHE_DROP, key);
    close(fd);
}

void kcache_freeze(void)
{
    const struct kcache_key none = {0};

    (void)kcache_dir_ask(KCACHE_FREEZE, &none);
}

void kcache_release(struct kcache_hit *hit)
{
    if (hit->map)
        munmap(hit->map, hit->map_size);
    *hit = (struct kcache_hit){0};
}
