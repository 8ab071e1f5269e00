/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vtlb.h - the guest kernel's translations as this process's own mappings: guest address g
 * is mapped at g + KERNEL_OFFSET, filled on the first fault, at most one entry per run of
 * contiguous frames in one page table. Plus a small software TLB for accesses by C code and
 * for kernel accesses to user pointers.
 */
#pragma once

#include "engine/soft/vcpu/walk.h"

#define USER_END 0x800000000000ull /* of the user half */

struct soft_tlb_entry {
    uint64_t tag_read;  /* page address; ~0 = invalid */
    uint64_t tag_write; /* same, if writes are allowed */
    uint64_t delta;     /* host = guest address + delta */
    uint64_t pad;
};

#define SOFT_TLB_BITS 8
extern struct soft_tlb_entry soft_tlb[1 << SOFT_TLB_BITS];

void vtlb_init(void);
/* Resolve a fault of kernel code at va. 0, or -1 with *error (#PF bits P/W). -2: va can't be
 * mapped in this process (it has to be accessed by software). */
int vtlb_fill(struct vcpu *v, gva_t va, bool write, uint32_t *error);
/* Make sure that a page fetched from by the translator has an entry, so that flushes see it. With
 * kernel code in the user half that half is mapped, too. False: other pages may have lost their
 * entries. */
bool vtlb_touch(struct vcpu *v, gva_t va);
bool vtlb_maps_user_half(void);
/* Another root: that is over, and all that was kept for it goes. */
void vtlb_forget_user_half(void);

void vtlb_flush(struct vcpu *v);
void vtlb_invlpg(struct vcpu *v, gva_t va);
/* The next flush is to compare every entry. */
void vtlb_doubt(void);
/* Take away write permission from every mapping of the frame. */
void vtlb_protect_frame(mfn_t mfn);
/* Something is about to write (or has written) to the frame: what any vCPU derived from it is
 * dropped. Until this vCPU next serves requests of others it may be written without asking
 * again. */
void vtlb_frame_written(mfn_t mfn);
/* The same after the frame was written through V's linear map, which no seal is in the way of. */
void vtlb_linear_written(mfn_t mfn);
/* This vCPU is going to derive something from the content of the frame: flag is FRAME_CODE or
 * FRAME_PATCHED. True: what was read of it before may be out of date, or where it was found not
 * have an entry any more. */
bool vtlb_watch_frame(mfn_t mfn, unsigned int flag);

/* Somebody else writes to the frame, or has: drop what this vCPU derived from it. */
void vtlb_forget_frame(mfn_t mfn);
/* The same for all frames that this one watches. */
void vtlb_forget_watched(void);
/* Requests were lost: see that all frames are as their watchers want them. */
void vtlb_recheck_frames(void);

/* Where a program reads the machine-to-phys table at va; NULL: it is not there, or not for
 * programs. */
const void *vtlb_user_m2p(const struct vcpu *v, gva_t va);
/* Host pointer for a kernel-root access at va, valid to the end of the page; NULL with *f. */
void *vtlb_kernel_ptr(struct vcpu *v, gva_t va, enum access access, struct fault *f);
void soft_tlb_clear(void);
/* Is the frame not to be written without asking, whatever the tables say? */
bool vtlb_is_excepted(mfn_t mfn);
