/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * elf_writer.h - makes small ELF kernels for the builder's tests. Errors abort the test.
 */
#pragma once

#include <elf.h>

#include "base/types.h"

#define ELF_WRITER_MAX (256u << 10)

struct elf_writer {
    uint8_t data[ELF_WRITER_MAX];
    size_t size;
};

/* Empty ELF64 x86-64 file with `segments` zeroed program headers. */
void elf_writer_start(struct elf_writer *w, gva_t entry, unsigned int segments);
Elf64_Ehdr *elf_writer_header(struct elf_writer *w);
Elf64_Phdr *elf_writer_segment(struct elf_writer *w, unsigned int i);
/* Make segment i a PT_LOAD of `filesz` bytes of value `fill` at p_paddr; p_vaddr is 0. */
void elf_writer_load(struct elf_writer *w, unsigned int i, uint64_t paddr, uint64_t filesz,
                     uint64_t memsz, uint8_t fill);
/* Make segment i the PT_NOTE segment; notes follow by elf_writer_note_*(). */
void elf_writer_notes(struct elf_writer *w, unsigned int i);
void elf_writer_note(struct elf_writer *w, unsigned int i, uint32_t type, const void *desc,
                     uint32_t size);
void elf_writer_note_text(struct elf_writer *w, unsigned int i, uint32_t type, const char *text);
void elf_writer_note_number(struct elf_writer *w, unsigned int i, uint32_t type, uint64_t value);
/* Append content and a section table: null, one section `name` of `type` with the content, and
 * .shstrtab. */
void elf_writer_section(struct elf_writer *w, const char *name, uint32_t type, const void *content,
                        size_t size);
