/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * elf_writer.c - see elf_writer.h. Everything is appended; notes must be the last thing that
 * is appended.
 */
#include "elf_writer.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *append(struct elf_writer *w, size_t size)
{
    uint8_t *p = w->data + w->size;

    if (size > sizeof(w->data) - w->size)
        abort();
    memset(p, 0, size);
    w->size += size;
    return p;
}

Elf64_Ehdr *elf_writer_header(struct elf_writer *w)
{
    return (Elf64_Ehdr *)w->data;
}

Elf64_Phdr *elf_writer_segment(struct elf_writer *w, unsigned int i)
{
    return (Elf64_Phdr *)(w->data + sizeof(Elf64_Ehdr)) + i;
}

void elf_writer_start(struct elf_writer *w, gva_t entry, unsigned int segments)
{
    Elf64_Ehdr *header;

    w->size = 0;
    header = (Elf64_Ehdr *)append(w, sizeof(*header));
    memcpy(header->e_ident, ELFMAG, SELFMAG);
    header->e_ident[EI_CLASS] = ELFCLASS64;
    header->e_ident[EI_DATA] = ELFDATA2LSB;
    header->e_ident[EI_VERSION] = EV_CURRENT;
    header->e_type = ET_EXEC;
    header->e_machine = EM_X86_64;
    header->e_entry = entry;
    header->e_phoff = sizeof(*header);
    header->e_phentsize = sizeof(Elf64_Phdr);
    header->e_phnum = (Elf64_Half)segments;
    append(w, segments * sizeof(Elf64_Phdr));
}

void elf_writer_load(struct elf_writer *w, unsigned int i, uint64_t paddr, uint64_t filesz,
                     uint64_t memsz, uint8_t fill)
{
    *elf_writer_segment(w, i) = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_offset = w->size,
        .p_paddr = paddr,
        .p_filesz = filesz,
        .p_memsz = memsz,
    };
    memset(append(w, filesz), fill, filesz);
}

void elf_writer_notes(struct elf_writer *w, unsigned int i)
{
    append(w, -w->size & 3);
    *elf_writer_segment(w, i) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = w->size};
}

void elf_writer_note(struct elf_writer *w, unsigned int i, uint32_t type, const void *desc,
                     uint32_t size)
{
    Elf64_Nhdr *note = (Elf64_Nhdr *)append(w, sizeof(*note));

    *note = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = size, .n_type = type};
    memcpy(append(w, 4), "Xen", 4);
    memcpy(append(w, (size + 3) & ~3u), desc, size);
    elf_writer_segment(w, i)->p_filesz = w->size - elf_writer_segment(w, i)->p_offset;
}

void elf_writer_note_text(struct elf_writer *w, unsigned int i, uint32_t type, const char *text)
{
    elf_writer_note(w, i, type, text, (uint32_t)strlen(text) + 1);
}

void elf_writer_note_number(struct elf_writer *w, unsigned int i, uint32_t type, uint64_t value)
{
    elf_writer_note(w, i, type, &value, sizeof(value));
}

void elf_writer_section(struct elf_writer *w, const char *name, uint32_t type, const void *content,
                        size_t size)
{
    size_t strings_size = strlen(name) + 2;
    size_t content_at = w->size, strings_at;
    Elf64_Shdr sections[3] = {0};

    memcpy(append(w, size), content, size);
    strings_at = w->size;
    memcpy(append(w, strings_size) + 1, name, strings_size - 1);
    sections[1] =
        (Elf64_Shdr){.sh_name = 1, .sh_type = type, .sh_offset = content_at, .sh_size = size};
    sections[2] =
        (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = strings_at, .sh_size = strings_size};
    elf_writer_header(w)->e_shoff = w->size;
    elf_writer_header(w)->e_shentsize = sizeof(Elf64_Shdr);
    elf_writer_header(w)->e_shnum = 3;
    elf_writer_header(w)->e_shstrndx = 2;
    memcpy(append(w, sizeof(sections)), sections, sizeof(sections));
}
