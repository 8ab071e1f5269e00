/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * walk.h - software walk of the guest's page tables, and what is known of each frame: by this
 * vCPU, and by all vCPUs of the domain together.
 */
#pragma once

#include "cpu/env.h"
#include "engine/soft/run.h"

#define PTE_P 1ull
#define PTE_RW 2ull
#define PTE_US 4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_PS 0x80ull
#define PTE_NX (1ull << 63)
#define PTE_FRAME(e) ((0x000ffffffffff000ull & (e)) >> 12)

/* What this vCPU knows about a frame; vcpu_frame_flags[mfn]. */
#define FRAME_CODE 1        /* translated kernel code: no writable mapping in V */
#define FRAME_PT 2          /* recognised level-1 table, see ptwr.h */
#define FRAME_PATCHED 4     /* stubs run a patched copy of it: no writable mapping in V or S */
#define FRAME_RO 8          /* read-only by its entry, where the vTLB has it in a writable run */
#define FRAME_LOOKED_AT 128 /* there is nothing in it for patch_look_at() */
extern uint8_t *vcpu_frame_flags;

/* What all vCPUs know of a frame; shared_frames[mfn], changed by atomic operations. Besides, the
 * level that it is pinned at (run.h). */
#define FRAMES_GUARDED 0x100u /* no vCPU has mapped it writable since they were all told */
#define FRAMES_SEALED 0x200u  /* a table of the kernel's that none may map writable: seal.h */
#define FRAMES_TOLD 0x400u    /* ... and all have heard of it */
#define FRAMES_UPPER 0x800u   /* ... and it is above level 1 */
extern uint16_t *shared_frames;

/* Has any vCPU derived something from the frame's content? Then it is mapped writable nowhere. */
static inline bool frame_is_watched(mfn_t mfn)
{
    return shared_frames[mfn] & FRAMES_WATCHERS;
}

/* Bit per RAM frame: it is the guest's at present. The domain process writes it. */
extern const uint64_t *vcpu_allocated;

/* Is there such a frame, which the guest may map and name? */
bool frame_exists(mfn_t mfn);

struct walk {
    uint64_t *entry; /* the leaf entry, in V's linear map */
    uint64_t pte;    /* its value as read, frame checked to exist */
    mfn_t table;     /* frame that holds it */
    mfn_t upper[2];  /* level-3 and level-2 tables on the way */
    bool upper_rw;   /* RW at every level above the leaf */
    bool upper_exec; /* NX clear at every level above the leaf */
    bool writable;   /* RW at every level */
    bool exec;       /* NX clear at every level */
};

/* Find the leaf entry for va under `root`. Returns 0, or -1 with *error = the #PF error bits
 * P/W/I for `access` (U is added by the personality); where that has P, *ret is filled as
 * well. Does not set A/D. Knows nothing of FRAME_PT. */
int walk(mfn_t root, gva_t va, enum access access, struct walk *ret, uint32_t *error);

/* A walk to read va, one of several in a row between which no guest code of this vCPU's runs: pages
 * of one level-1 table need only one walk. *region is WALK_NO_REGION before the first. 0 or -1. */
#define WALK_NO_REGION (~(gva_t)0)
int walk_series(mfn_t root, gva_t va, struct walk *ret, gva_t *region);

/* Set bits (A and D) in an entry as the hardware would: only while it still is `*pte` but for
 * these. *pte follows. False: another vCPU has changed the entry. */
bool pte_set_bits(uint64_t *entry, uint64_t *pte, uint64_t bits);

/* walk() for present, permitted accesses with A (and D for writes) set atomically. */
int walk_access(mfn_t root, gva_t va, enum access access, struct walk *ret, uint32_t *error);

/* Host address of a frame in V's linear map; no check: mfn < shared->nr_frames. */
void *ram_linear(mfn_t mfn);
