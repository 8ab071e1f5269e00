/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_tlb.h - which guest user pages a stub has mapped: a TLB made of host mappings, one per
 * address space. Entries are dropped when their page-table entry is found changed; rights are
 * only ever added by a fault.
 */
#pragma once

#include "cpu/env.h"
#include "engine/soft/vcpu/stubs.h"

/* A guest address space that has a stub. */
struct space {
    mfn_t root; /* INVALID_MFN = free */
    struct stub *stub;
    uint32_t nodes; /* list of its TLB nodes, 0 = none */
    uint64_t used;  /* when it last ran, for eviction */
    bool stale;     /* to be revalidated before it next runs */
    bool windows;   /* trampolines and pointer table are mapped */
    bool no_patch;  /* the program may use their addresses itself */
};

extern struct space spaces[STUB_MAX];

/* Give the stub of `sp` the page at va, and what surrounds it, if the page tables allow the
 * access; sets A and D as a CPU would. Operations are queued. false: *error has the #PF error
 * code without PF_U. va must be a user address outside the stub area. */
bool user_tlb_fill(struct space *sp, gva_t va, enum access access, uint32_t *error);

/* Where can a stub be, by what the page tables map? */
enum stub_place {
    PLACE_LOW,
    PLACE_ASIDE,
    PLACE_ASIDE_PARTLY, /* but there are pages below STUB_LOW, which no stub can map */
    PLACE_NONE,
};
enum stub_place user_tlb_place(mfn_t root);
/* Is a user page mapped there? */
bool user_tlb_maps(mfn_t root, gva_t va);

/* Queue the removal of entries whose page-table entry changed since. Returns their number. */
unsigned int user_tlb_revalidate(struct space *sp);
/* Same for one page. */
bool user_tlb_revalidate_page(struct space *sp, gva_t va);
/* Queue the removal of one page, or forget all without queueing anything. */
void user_tlb_drop_page(struct space *sp, gva_t va);
void user_tlb_forget(struct space *sp);

/* No patched pages in this space from now on: its program wants the addresses of trampolines
 * and table, or is single-stepped and must not meet them. */
void user_tlb_give_up_patching(struct space *sp);

/* What is mapped at va: frame of the page-table entry, and whether a patched copy stands in
 * for it. false: nothing. */
bool user_tlb_lookup(const struct space *sp, gva_t va, mfn_t *ret_frame, bool *ret_patched);
/* May any user program write to the frame? Slow: looks at everything. */
bool user_tlb_frame_is_writable(mfn_t frame);
/* Queue the removal of all mappings through which programs may write to the frame. */
void user_tlb_drop_writable(mfn_t frame);
/* Queue the removal of the patched copy at page va wherever it is mapped. */
void user_tlb_drop_patched(gva_t va, mfn_t frame);
