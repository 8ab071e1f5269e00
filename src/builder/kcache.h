/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kcache.h - unpacked kernels on disk, because unpacking one takes half a second.
 *
 * Lives in $XDG_CACHE_HOME/xenolith, else /var/cache/xenolith for root, else
 * $HOME/.cache/xenolith. An entry belongs to one state of one file (path, device, inode, size,
 * both times, checksum of the content) and carries a checksum of its own content. Only
 * directories and files that are ours and that nobody else may write are believed. The cache
 * is an optimisation: every failure looks like a miss, and nothing is reported.
 */
#pragma once

#include <sys/stat.h>

#include "base/types.h"

#define KCACHE_ENTRIES 8 /* the least recently used above that are removed */

struct kcache_key {
    uint64_t path_hash;
    uint64_t dev, inode, size;
    int64_t mtime_ns, ctime_ns;
    uint64_t content_hash;
};

struct kcache_hit {
    const uint8_t *data; /* unpacked kernel, read-only */
    size_t size;
    void *map; /* whole mapping; release with kcache_release() */
    size_t map_size;
};

/* Describe the file `path` (as fstat() saw it) with the given content. */
void kcache_key_init(struct kcache_key *key, const char *path, const struct stat *st,
                     const void *content, size_t size);

/* True and *hit filled if the unpacked form is cached. */
bool kcache_lookup(struct kcache_hit *hit, const struct kcache_key *key);

/* Remember the unpacked form; atomic, so that concurrent starters cannot see half an entry. */
void kcache_store(const struct kcache_key *key, const void *data, size_t size);

/* A guest is going to run: what its domain's process says of kernels is no longer believed. For
 * ever. */
void kcache_freeze(void);

/* launcher_service: all that touches the directory. */
struct launcher_request;
struct launcher_reply;
int kcache_service(const struct launcher_request *request, struct launcher_reply *reply);

void kcache_release(struct kcache_hit *hit); /* accepts a zeroed struct */
