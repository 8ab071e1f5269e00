/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * elf_image.c - see elf_image.h.
 */
#include "builder/elf_image.h"

#include <errno.h>
#include <string.h>

const uint8_t *elf_image_range(const struct elf_image *image, uint64_t offset, uint64_t size)
{
    if (offset > image->size || size > image->size - offset)
        return NULL;
    return image->data + offset;
}

static int check_ident(const struct elf_image *image, struct err *err)
{
    const unsigned char *ident = image->header.e_ident;

    if (memcmp(ident, ELFMAG, SELFMAG) != 0)
        return err_set(err, ENOEXEC,
                       "not a kernel: neither an ELF file nor a Linux bzImage nor one of "
                       "those compressed with gzip");
    if (ident[EI_CLASS] == ELFCLASS32)
        return err_set(err, ENOEXEC,
                       "32-bit kernel; only 64-bit PV kernels are supported, use the amd64 "
                       "(x86_64) build of it");
    if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
        return err_set(err, ENOEXEC, "damaged ELF header (class %u, data encoding %u)",
                       ident[EI_CLASS], ident[EI_DATA]);
    return 0;
}

int elf_image_open(struct elf_image *image, const uint8_t *data, size_t size, struct err *err)
{
    Elf64_Ehdr *header = &image->header;
    int rc;

    *image = (struct elf_image){.data = data, .size = size};
    memcpy(header, data, size < sizeof(*header) ? size : sizeof(*header));
    rc = check_ident(image, err);
    if (rc)
        return rc;
    if (size < sizeof(*header))
        return err_set(err, ENOEXEC, "truncated: the file ends within the ELF header");
    if (header->e_machine != EM_X86_64)
        return err_set(err, ENOEXEC, "ELF file for machine %u, not for x86-64 (%u)",
                       header->e_machine, EM_X86_64);
    if (header->e_phnum == 0 || header->e_phnum == PN_XNUM ||
        header->e_phentsize != sizeof(Elf64_Phdr))
        return err_set(err, ENOEXEC,
                       "ELF file without usable program headers (%u of %u bytes): an object "
                       "file or module, not a kernel",
                       header->e_phnum, header->e_phentsize);
    if (!elf_image_range(image, header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf64_Phdr)))
        return err_set(err, ENOEXEC, "truncated: the program headers lie behind the end of file");
    image->nr_segments = header->e_phnum;
    /* Sections are only a fallback for notes, so a stripped or damaged table is no error. */
    if (header->e_shentsize == sizeof(Elf64_Shdr) &&
        elf_image_range(image, header->e_shoff, (uint64_t)header->e_shnum * sizeof(Elf64_Shdr)))
        image->nr_sections = header->e_shnum;
    return 0;
}

Elf64_Phdr elf_image_segment(const struct elf_image *image, unsigned int i)
{
    Elf64_Phdr segment;

    memcpy(&segment, image->data + image->header.e_phoff + i * sizeof(segment), sizeof(segment));
    return segment;
}

Elf64_Shdr elf_image_section(const struct elf_image *image, unsigned int i)
{
    Elf64_Shdr section;

    memcpy(&section, image->data + image->header.e_shoff + i * sizeof(section), sizeof(section));
    return section;
}

bool elf_image_section_is(const struct elf_image *image, unsigned int i, const char *name)
{
    size_t len = strlen(name) + 1;
    Elf64_Shdr strings;
    const uint8_t *found;
    uint32_t offset;

    if (image->header.e_shstrndx >= image->nr_sections)
        return false;
    strings = elf_image_section(image, image->header.e_shstrndx);
    offset = elf_image_section(image, i).sh_name;
    if (offset > strings.sh_size || len > strings.sh_size - offset ||
        !elf_image_range(image, strings.sh_offset, strings.sh_size))
        return false;
    found = elf_image_range(image, strings.sh_offset + offset, len);
    return found && memcmp(found, name, len) == 0;
}
