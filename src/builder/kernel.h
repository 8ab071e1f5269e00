/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kernel.h - a kernel file as an ELF image in memory, whatever it was packed in: plain ELF,
 * compressed ELF (NetBSD and Mini-OS come gzip'ed), or a Linux bzImage with a payload of any
 * format of decompress.h. The content is hostile.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"
#include "builder/decompress.h"
#include "builder/kcache.h"

#define KERNEL_FILE_MAX (1ull << 30) /* bytes of the file itself */

struct kernel {
    const uint8_t *elf; /* not yet known to be ELF: elf_image_open() says */
    size_t elf_size;
    const char *format; /* "xz", ..., "none"; static storage */
    bool is_bzimage;
    bool from_cache;
    char version[128]; /* what a bzImage says of itself ("6.1.0-55-amd64 ..."), or "" */

    /* Whatever elf points into; private to kernel.c. */
    void *file;
    size_t file_size;
    struct decompressed unpacked;
    struct kcache_hit hit;
};

/* Read and unpack `path`. use_cache: look for, and leave, the unpacked form in kcache.h's
 * place; pass false for files that are temporary copies. The caller releases *k with
 * kernel_done(). 0, or -errno with a sentence that names the file. */
int kernel_load(struct kernel *k, const char *path, bool use_cache, struct err *err) MUST_CHECK;
void kernel_done(struct kernel *k); /* accepts a zeroed struct */
