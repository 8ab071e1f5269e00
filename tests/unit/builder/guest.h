/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.h - what the builder's tests share: a stand-in for a domain's memory, a sample kernel,
 * and a page walk through what was built.
 */
#pragma once

#include "builder/pv_build.h"
#include "elf_writer.h"
#include "engine/ram.h"

#define SAMPLE_BASE 0xffffffff80000000ull /* VIRT_BASE */
#define SAMPLE_START 0x100000ull          /* physical address of the first segment */
#define SAMPLE_HYPERCALLS 0x101000ull     /* hypercall page, in the first segment */
#define SAMPLE_P2M 0x8000000000ull        /* INIT_P2M */

enum sample_option {
    SAMPLE_WITH_P2M = 1,    /* INIT_P2M note */
    SAMPLE_WITH_PFN = 2,    /* MOD_START_PFN note */
    SAMPLE_WITH_PAGE = 4,   /* HYPERCALL_PAGE note */
    SAMPLE_LEAVE_NOTES = 8, /* no notes at all */
};

/* Zeroed memory with an inaccessible page right behind the last special frame. */
void guest_ram_init(struct ram *ram, uint64_t nr_pages);
void guest_ram_done(struct ram *ram);

/* Two segments (the second with bss), notes in segment 2, as `options` say. More notes may be
 * added with elf_writer_note_*(w, 2, ...). */
void sample_kernel(struct elf_writer *w, unsigned int options);

/* Write `size` bytes to a new file in the test's temporary directory; static storage. */
const char *guest_file(const char *name, const void *data, size_t size);

/* Leaf entry for va in the tables under cr3, or 0. */
uint64_t guest_walk(const struct ram *ram, mfn_t cr3, gva_t va);
/* Host pointer for va; fails the test if it is not mapped. */
void *guest_pointer(const struct ram *ram, mfn_t cr3, gva_t va);

/* Make a temporary directory and point the kernel cache into it; remove it all. cmocka group
 * fixtures. */
int guest_group_setup(void **state);
int guest_group_teardown(void **state);
