/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * elf_image.h - checked access to an x86-64 ELF file that lies in memory.
 *
 * The file is hostile: it may come out of a guest's disk. elf_image_open() proves once that
 * the header and both tables lie inside the file; every header is then handed out as a copy
 * (the tables need not be aligned), and file ranges only through elf_image_range().
 */
#pragma once

#include <elf.h>

#include "base/err.h"
#include "base/types.h"

struct elf_image {
    const uint8_t *data; /* borrowed */
    size_t size;
    Elf64_Ehdr header;
    unsigned int nr_segments;
    unsigned int nr_sections; /* 0 when the section table is absent or unusable */
};

/* Check `data` and fill *image, which borrows it. -ENOEXEC with a sentence: not ELF, 32-bit,
 * another machine, truncated. The sentence has no file name: callers wrap it. */
int elf_image_open(struct elf_image *image, const uint8_t *data, size_t size,
                   struct err *err) MUST_CHECK;

/* Program header / section header number i, which must be below nr_segments/nr_sections. */
Elf64_Phdr elf_image_segment(const struct elf_image *image, unsigned int i);
Elf64_Shdr elf_image_section(const struct elf_image *image, unsigned int i);

/* The bytes [offset, offset + size) of the file, or NULL if they are not all there. */
const uint8_t *elf_image_range(const struct elf_image *image, uint64_t offset, uint64_t size);

/* True if section i has the given name. */
bool elf_image_section_is(const struct elf_image *image, unsigned int i, const char *name);
