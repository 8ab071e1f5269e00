/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ram.h - a domain's memory as the domain process sees it: one sparse memfd.
 *
 * Frames [0, max_pages) are ordinary RAM, followed by special frames that the guest may map
 * but that are not in its p2m (shared_info, grant table, grant status), followed by the
 * engine's private frames, which no guest-supplied number may reach. The m2p table is a
 * second memfd; the guest (through V) can write it, so nothing here believes its content.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"
#include "engine/soft/m2p_layout.h"

#define RAM_GRANT_FRAMES 64
#define RAM_STATUS_FRAMES 64
#define RAM_PATCH_FRAMES 1024

struct ram {
    int fd;
    int m2p_fd;
    uint8_t *base;      /* linear map of all frames */
    uint64_t *m2p;      /* nr_frames entries */
    uint64_t nr_pages;  /* given at start: memory= */
    uint64_t max_pages; /* maxmem= */
    uint64_t limit;     /* so many may be the guest's at a time: max_pages, or less */
    uint64_t nr_frames; /* everything that a guest may name */
    mfn_t shared_info;
    mfn_t grant_first, status_first;
    mfn_t patch_first;
    uint64_t *allocated; /* bitmap over [0, max_pages): frame is the guest's */
    /* Copy of it for the vCPU processes, in the m2p memfd from ram_bitmap_offset() on.
     * They can write it, so it is never read here. */
    uint64_t *allocated_copy;
    uint64_t nr_allocated;
    struct engine *engine; /* hears of ram_written(); NULL = no vCPU runs */
    uint64_t first_free;   /* no free frame below this one */
};

/* Make the memory of a domain: all pages zero, m2p identity for [0, nr_pages), invalid
 * elsewhere. 0 or -errno. */
int ram_init(struct ram *ram, uint64_t nr_pages, uint64_t max_pages, struct err *err);
void ram_done(struct ram *ram); /* accepts a zeroed struct */

/* Host pointer to a frame, or NULL if the guest has no frame of that number (unallocated
 * RAM included). */
void *ram_frame(const struct ram *ram, mfn_t mfn);

/* Give a frame to the guest (zeroed) / take one back (its memory returns to the host).
 * ram_alloc returns INVALID_MFN when as many as the limit are in use. ram_free: -EINVAL if it is
 * not the guest's. */
mfn_t ram_alloc(struct ram *ram);
/* 2^order consecutive frames, naturally aligned, zeroed; first frame or INVALID_MFN. */
mfn_t ram_alloc_order(struct ram *ram, unsigned int order);
/* Is this RAM frame (not a special frame) the guest's at present? */
bool ram_is_allocated(const struct ram *ram, mfn_t mfn);
int ram_free(struct ram *ram, mfn_t mfn);
/* Take a frame back and give one for it, zeroed, another one if there is one. The limit does not
 * matter: the guest has no more than before. INVALID_MFN only if `old` is not the guest's. */
mfn_t ram_exchange(struct ram *ram, mfn_t old);
/* Which of 64 * n frames are the guest's, a bit each, from word `first` of the bitmap on; their
 * content stays. For a memory that nobody uses yet. -EINVAL if there are no such frames. */
int ram_take_frames(struct ram *ram, uint64_t first, const uint64_t *words, uint64_t n) MUST_CHECK;

/* This process has changed what is in a frame that the guest may name. */
void ram_written(const struct ram *ram, mfn_t mfn);

/* Walk the guest's page tables under root `cr3` (frame number) and copy. For hypercall
 * arguments in the domain process. 0 or -EFAULT. Kernel rights, i.e. present and, for
 * writes, RW at every level. */
int ram_copy_from_guest(const struct ram *ram, mfn_t cr3, void *to, gva_t from, size_t size);
int ram_copy_to_guest(const struct ram *ram, mfn_t cr3, gva_t to, const void *from, size_t size);

/* The level-1 entry that maps va under root `cr3`, present or not; NULL if a table above it is
 * missing. The guest may change it at any time. */
uint64_t *ram_l1_entry(const struct ram *ram, mfn_t cr3, gva_t va);
