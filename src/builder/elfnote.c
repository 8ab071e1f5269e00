/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * elfnote.c - see elfnote.h. Note numbers: xen/elfnote.h; feature names and bits:
 * xen/features.h. The note walk never leaves the range that it is given, and a note that
 * claims more than the rest of its range ends the walk.
 */
#include "builder/elfnote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/elfnote.h>
#include <xen/features.h>

/* Of any owner. Kernels carry about twenty; a crafted file of 1 GiB could hold 80 million, and
 * name them in 65534 segments. */
#define MAX_NOTES 4096

static const struct feature {
    const char *name;
    unsigned int bit;
} features[] = {
    {"writable_page_tables", XENFEAT_writable_page_tables},
    {"writable_descriptor_tables", XENFEAT_writable_descriptor_tables},
    {"auto_translated_physmap", XENFEAT_auto_translated_physmap},
    {"supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel},
    {"pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb},
    {"mmu_pt_update_preserve_ad", XENFEAT_mmu_pt_update_preserve_ad},
    {"highmem_assist", XENFEAT_highmem_assist},
    {"gnttab_map_avail_bits", XENFEAT_gnttab_map_avail_bits},
    {"dom0", XENFEAT_dom0},
};

/* What a PV domU may insist on. Writable page tables are provided by the assist, although
 * XENVER_get_features does not show the bit. */
#define FEATURES_PROVIDED                                                                          \
    (1u << XENFEAT_writable_page_tables | 1u << XENFEAT_pae_pgdir_above_4gb |                      \
     1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_highmem_assist |                      \
     1u << XENFEAT_gnttab_map_avail_bits)

/* Which of the defaults have been overridden, while parsing. */
struct seen {
    unsigned int walked; /* notes of any owner */
    unsigned int notes;  /* Xen's */
    bool pvh_entry;
    bool paddr_offset;
};

/* Copy text that need not end in NUL; non-printable bytes become '?', as it is shown to
 * people. */
static void copy_text(char *to, size_t to_size, const uint8_t *from, size_t size)
{
    size_t n = 0;

    while (n < size && n + 1 < to_size && from[n]) {
        to[n] = from[n] >= ' ' && from[n] < 0x7f ? (char)from[n] : '?';
        n++;
    }
    to[n] = 0;
}

static void add_feature(struct xen_notes *notes, const uint8_t *word, size_t len)
{
    bool required = len && word[0] == '!';
    size_t i;

    if (required) {
        word++;
        len--;
    }
    for (i = 0; i < ARRAY_SIZE(features); i++) {
        if (strlen(features[i].name) == len && memcmp(features[i].name, word, len) == 0) {
            notes->features_supported |= 1u << features[i].bit;
            if (required)
                notes->features_required |= 1u << features[i].bit;
            return;
        }
    }
    if (required && !notes->unknown_required[0] && len)
        copy_text(notes->unknown_required, sizeof(notes->unknown_required), word, len);
}

static void parse_features(struct xen_notes *notes, const uint8_t *text, size_t size)
{
    size_t start = 0, i;

    for (i = 0; i <= size; i++) {
        if (i == size || text[i] == '|' || text[i] == 0) {
            add_feature(notes, text + start, i - start);
            start = i + 1;
            if (i < size && text[i] == 0)
                return;
        }
    }
}

/* Descriptor of 4 or 8 bytes; anything else is no number. */
static bool note_number(uint64_t *value, const uint8_t *desc, uint32_t size)
{
    uint32_t word;

    if (size == 8) {
        memcpy(value, desc, 8);
    } else if (size == 4) {
        memcpy(&word, desc, 4);
        *value = word;
    } else {
        return false;
    }
    return true;
}

static bool is_yes(const uint8_t *desc, size_t size)
{
    return size >= 3 && memcmp(desc, "yes", 3) == 0;
}

static void take_text_note(struct xen_notes *n, uint32_t type, const uint8_t *desc, size_t size)
{
    switch (type) {
    case XEN_ELFNOTE_XEN_VERSION:
        copy_text(n->xen_version, sizeof(n->xen_version), desc, size);
        break;
    case XEN_ELFNOTE_GUEST_OS:
        copy_text(n->guest_os, sizeof(n->guest_os), desc, size);
        break;
    case XEN_ELFNOTE_GUEST_VERSION:
        copy_text(n->guest_version, sizeof(n->guest_version), desc, size);
        break;
    case XEN_ELFNOTE_LOADER:
        copy_text(n->loader, sizeof(n->loader), desc, size);
        break;
    case XEN_ELFNOTE_FEATURES:
        parse_features(n, desc, size);
        break;
    case XEN_ELFNOTE_BSD_SYMTAB:
        n->bsd_symtab = is_yes(desc, size);
        break;
    }
}

static void take_number_note(struct xen_notes *n, struct seen *seen, uint32_t type, uint64_t value)
{
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        n->entry = value;
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        n->has_hypercall_page = true;
        n->hypercall_page = value;
        break;
    case XEN_ELFNOTE_VIRT_BASE:
        n->virt_base = value;
        break;
    case XEN_ELFNOTE_PADDR_OFFSET:
        n->paddr_offset = value;
        seen->paddr_offset = true;
        break;
    case XEN_ELFNOTE_SUSPEND_CANCEL:
        n->suspend_cancel = value != 0;
        break;
    case XEN_ELFNOTE_INIT_P2M:
        n->has_init_p2m = true;
        n->init_p2m = value;
        break;
    case XEN_ELFNOTE_MOD_START_PFN:
        n->mod_start_pfn = value != 0;
        break;
    case XEN_ELFNOTE_PHYS32_ENTRY:
        seen->pvh_entry = true;
        break;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        n->features_supported |= (uint32_t)value;
        break;
    }
}

/* Walk one block of notes; names and descriptors are padded to 4 bytes. */
static void walk_notes(struct xen_notes *notes, struct seen *seen, const uint8_t *p, size_t size)
{
    Elf64_Nhdr note;
    uint64_t name_size, desc_size, value;

    while (size >= sizeof(note) && seen->walked++ < MAX_NOTES) {
        memcpy(&note, p, sizeof(note));
        p += sizeof(note);
        size -= sizeof(note);
        name_size = ((uint64_t)note.n_namesz + 3) & ~3ull;
        desc_size = ((uint64_t)note.n_descsz + 3) & ~3ull;
        if (name_size > size || note.n_descsz > size - name_size)
            return;
        if (note.n_namesz == 4 && memcmp(p, "Xen", 4) == 0) {
            seen->notes++;
            take_text_note(notes, note.n_type, p + name_size, note.n_descsz);
            if (note_number(&value, p + name_size, note.n_descsz))
                take_number_note(notes, seen, note.n_type, value);
        }
        if (name_size + desc_size > size)
            return; /* the padding of the last descriptor may be missing */
        p += name_size + desc_size;
        size -= name_size + desc_size;
    }
}

static void notes_of_segments(struct xen_notes *notes, struct seen *seen,
                              const struct elf_image *image)
{
    unsigned int i;

    for (i = 0; i < image->nr_segments; i++) {
        Elf64_Phdr segment = elf_image_segment(image, i);
        const uint8_t *p = elf_image_range(image, segment.p_offset, segment.p_filesz);

        if (segment.p_type == PT_NOTE && p)
            walk_notes(notes, seen, p, segment.p_filesz);
    }
}

static void notes_of_sections(struct xen_notes *notes, struct seen *seen,
                              const struct elf_image *image)
{
    unsigned int i;

    for (i = 0; i < image->nr_sections; i++) {
        Elf64_Shdr section = elf_image_section(image, i);
        const uint8_t *p = elf_image_range(image, section.sh_offset, section.sh_size);

        if (section.sh_type == SHT_NOTE && p)
            walk_notes(notes, seen, p, section.sh_size);
    }
}

/* One KEY=VALUE of the old string form. */
static void take_string_item(struct xen_notes *n, struct seen *seen, const char *key,
                             const char *value)
{
    static const struct {
        const char *key;
        uint32_t note;
    } keys[] = {
        {"GUEST_OS", XEN_ELFNOTE_GUEST_OS},
        {"GUEST_VER", XEN_ELFNOTE_GUEST_VERSION},
        {"XEN_VER", XEN_ELFNOTE_XEN_VERSION},
        {"LOADER", XEN_ELFNOTE_LOADER},
        {"FEATURES", XEN_ELFNOTE_FEATURES},
        {"BSD_SYMTAB", XEN_ELFNOTE_BSD_SYMTAB},
        {"VIRT_BASE", XEN_ELFNOTE_VIRT_BASE},
        {"VIRT_ENTRY", XEN_ELFNOTE_ENTRY},
        {"ELF_PADDR_OFFSET", XEN_ELFNOTE_PADDR_OFFSET},
        {"HYPERCALL_PAGE", XEN_ELFNOTE_HYPERCALL_PAGE},
    };

    size_t i;

    for (i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strcmp(keys[i].key, key) != 0)
            continue;
        take_text_note(n, keys[i].note, (const uint8_t *)value, strlen(value));
        take_number_note(n, seen, keys[i].note, strtoull(value, NULL, 0));
        seen->notes++;
    }
}

static void parse_string_form(struct xen_notes *n, struct seen *seen, const uint8_t *p, size_t size)
{
    char text[1024];
    char *item, *next, *value;

    size = strnlen((const char *)p, size < sizeof(text) ? size : sizeof(text) - 1);
    memcpy(text, p, size);
    text[size] = 0;
    for (item = text; item; item = next) {
        next = strchr(item, ',');
        if (next)
            *next++ = 0;
        value = strchr(item, '=');
        if (value) {
            *value++ = 0;
            take_string_item(n, seen, item, value);
        }
    }
    /* In this form the hypercall page is a page number counted from VIRT_BASE. */
    if (n->has_hypercall_page)
        n->hypercall_page = n->virt_base + (n->hypercall_page << PAGE_SHIFT);
    if (!seen->paddr_offset)
        n->paddr_offset = n->virt_base;
}

static void find_string_form(struct xen_notes *notes, struct seen *seen,
                             const struct elf_image *image)
{
    unsigned int i;

    for (i = 0; i < image->nr_sections; i++) {
        Elf64_Shdr section = elf_image_section(image, i);
        const uint8_t *p = elf_image_range(image, section.sh_offset, section.sh_size);

        if (p && elf_image_section_is(image, i, "__xen_guest")) {
            parse_string_form(notes, seen, p, section.sh_size);
            return;
        }
    }
}

static int check_features(const struct xen_notes *notes, struct err *err)
{
    uint32_t missing = notes->features_required & ~FEATURES_PROVIDED;
    size_t i;

    if (notes->unknown_required[0])
        return err_set(err, ENOEXEC,
                       "the kernel requires the Xen feature \"%s\", which is not known here",
                       notes->unknown_required);
    for (i = 0; i < ARRAY_SIZE(features); i++)
        if (missing & 1u << features[i].bit)
            return err_set(err, ENOEXEC,
                           "the kernel requires the Xen feature \"%s\", which a PV guest "
                           "cannot have%s",
                           features[i].name,
                           features[i].bit == XENFEAT_dom0 ? ": it was built to run as dom0 only"
                                                           : "");
    return 0;
}

static int check(const struct xen_notes *notes, const struct seen *seen, struct err *err)
{
    if (seen->pvh_entry && !notes->loader[0] && !notes->xen_version[0])
        return err_set(err, ENOEXEC,
                       "not a Xen PV kernel: its Xen notes offer PVH only; use a kernel built "
                       "with CONFIG_XEN_PV=y");
    if (strncmp(notes->loader, "generic", 7) != 0 && strncmp(notes->guest_os, "linux", 5) != 0)
        return err_set(err, ENOEXEC,
                       "the kernel's Xen notes name the loader \"%s\" and the guest OS \"%s\"; "
                       "only the loader \"generic\" is supported",
                       notes->loader, notes->guest_os);
    if (strncmp(notes->xen_version, "xen-3.0", 7) != 0)
        return err_set(err, ENOEXEC,
                       "the kernel was built for the Xen interface \"%s\", not for \"xen-3.0\"",
                       notes->xen_version);
    return check_features(notes, err);
}

int elfnote_parse(struct xen_notes *notes, const struct elf_image *image, struct err *err)
{
    struct seen seen = {0};

    *notes = (struct xen_notes){.entry = image->header.e_entry};
    notes_of_segments(notes, &seen, image);
    if (!seen.notes)
        notes_of_sections(notes, &seen, image);
    if (!seen.notes)
        find_string_form(notes, &seen, image);
    if (!seen.notes)
        return err_set(err, ENOEXEC,
                       "not a Xen PV kernel: it has no Xen notes; use a kernel built with "
                       "CONFIG_XEN_PV=y, or builder=\"hvm\" for a guest without Xen support");
    return check(notes, &seen, err);
}
