/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.c - see guest.h.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "xen/elfnote.h"

static char directory[64];

void guest_ram_init(struct ram *ram, uint64_t nr_pages)
{
    size_t bytes;

    *ram = (struct ram){.fd = -1, .m2p_fd = -1, .nr_pages = nr_pages, .max_pages = nr_pages};
    ram->shared_info = nr_pages;
    ram->grant_first = nr_pages + 1;
    ram->nr_frames = nr_pages + 2;
    bytes = ram->nr_frames * PAGE_SIZE;
    ram->base = mmap(NULL, bytes + PAGE_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(ram->base, MAP_FAILED);
    assert_int_equal(mprotect(ram->base + bytes, PAGE_SIZE, PROT_NONE), 0);
}

void guest_ram_done(struct ram *ram)
{
    munmap(ram->base, (ram->nr_frames + 1) * PAGE_SIZE);
}

void sample_kernel(struct elf_writer *w, unsigned int options)
{
    elf_writer_start(w, SAMPLE_BASE + SAMPLE_START, 3);
    elf_writer_load(w, 0, SAMPLE_START, 0x2800, 0x2800, 0x11);
    elf_writer_load(w, 1, SAMPLE_START + 0x4000, 0x123, 0x5000, 0x22);
    elf_writer_notes(w, 2);
    if (options & SAMPLE_LEAVE_NOTES)
        return;
    elf_writer_note_text(w, 2, XEN_ELFNOTE_GUEST_OS, "sample");
    elf_writer_note_text(w, 2, XEN_ELFNOTE_GUEST_VERSION, "7");
    elf_writer_note_text(w, 2, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    elf_writer_note_text(w, 2, XEN_ELFNOTE_LOADER, "generic");
    elf_writer_note_number(w, 2, XEN_ELFNOTE_VIRT_BASE, SAMPLE_BASE);
    elf_writer_note_number(w, 2, XEN_ELFNOTE_ENTRY, SAMPLE_BASE + SAMPLE_START + 0x10);
    if (options & SAMPLE_WITH_P2M)
        elf_writer_note_number(w, 2, XEN_ELFNOTE_INIT_P2M, SAMPLE_P2M);
    if (options & SAMPLE_WITH_PFN)
        elf_writer_note_number(w, 2, XEN_ELFNOTE_MOD_START_PFN, 1);
    if (options & SAMPLE_WITH_PAGE)
        elf_writer_note_number(w, 2, XEN_ELFNOTE_HYPERCALL_PAGE, SAMPLE_BASE + SAMPLE_HYPERCALLS);
}

const char *guest_file(const char *name, const void *data, size_t size)
{
    static char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    return path;
}

uint64_t guest_walk(const struct ram *ram, mfn_t cr3, gva_t va)
{
    uint64_t entry = cr3 << PAGE_SHIFT;
    int level;

    for (level = 4; level >= 1; level--) {
        const uint64_t *table = (const uint64_t *)(ram->base + (entry & 0xffffffffff000ull));

        entry = table[va >> (12 + 9 * (level - 1)) & 511];
        if (!(entry & 1))
            return 0;
        assert_true((entry & 0xffffffffff000ull) >> PAGE_SHIFT < ram->nr_pages);
        if (level > 1)
            assert_int_equal(entry & 0xfff, 0x67); /* P RW U A D */
    }
    return entry;
}

void *guest_pointer(const struct ram *ram, mfn_t cr3, gva_t va)
{
    uint64_t entry = guest_walk(ram, cr3, va);

    assert_true(entry & 1);
    return ram->base + (entry & 0xffffffffff000ull) + (va & (PAGE_SIZE - 1));
}

int guest_group_setup(void **state)
{
    snprintf(directory, sizeof(directory), "/tmp/xenolith-builder-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    return setenv("XDG_CACHE_HOME", directory, 1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int guest_group_teardown(void **state)
{
    return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
