/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_load.h - copies the kernel's segments and the initrd into a domain's memory.
 */
#pragma once

#include "base/err.h"
#include "builder/elf_image.h"
#include "builder/pv_layout.h"
#include "engine/ram.h"

/* Bytes from pfn 0 that the kernel's segments cover: [*start, *end). p_paddr counts, not
 * p_vaddr (Linux's per-CPU segment has the latter 0). Checks all segments: inside the file, no
 * wrap, no overlap. 0 or -ENOEXEC with a sentence without file name. */
int pv_load_extent(uint64_t *start, uint64_t *end, const struct elf_image *elf,
                   uint64_t paddr_offset, struct err *err) MUST_CHECK;

/* Copy the segments. Only after pv_load_extent(), into memory that reaches to *end and is
 * zero: what a segment has beyond its file bytes is not touched. */
void pv_load_kernel(struct ram *ram, const struct elf_image *elf, uint64_t paddr_offset);

struct initrd {
    const char *path; /* borrowed; NULL: none */
    int fd;
    uint64_t size;
};

/* Open `path` (NULL: none, size 0). The caller closes with pv_load_initrd_done(). */
int pv_load_initrd_open(struct initrd *initrd, const char *path, struct err *err) MUST_CHECK;
/* Read all of it to page `pfn`; ram must have that many pages from there. */
int pv_load_initrd_read(struct ram *ram, pfn_t pfn, const struct initrd *initrd,
                        struct err *err) MUST_CHECK;
void pv_load_initrd_done(struct initrd *initrd);
