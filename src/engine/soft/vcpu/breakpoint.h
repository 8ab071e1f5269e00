/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * breakpoint.h - the guest's debug registers at work. No host debug register is ever set: code
 * that could meet a breakpoint is run one instruction at a time (step.c), which asks here.
 * Masks are DR6 bits 0 to 3.
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/soft/x86/insn.h"

#define DR7_ENABLED 0xffu

static inline bool breakpoints_enabled(const struct vcpu *v)
{
    return v->dr[7] & DR7_ENABLED;
}

/* Is one enabled in the upper (kernel) or lower half of the address space? */
bool breakpoints_in_half(const struct vcpu *v, bool upper);
/* Does a watched byte lie in the page of va? Such accesses by translated code must be seen. */
bool breakpoints_in_page(const struct vcpu *v, gva_t va);
/* Call before kernel code runs: forget what the debug registers were when pages were looked up. */
void breakpoints_refresh(const struct vcpu *v);

/* Breakpoints on the instruction at v->rip, RF not considered. */
uint32_t breakpoints_at_rip(const struct vcpu *v);
/* Watchpoints that the instruction about to be executed will meet if it does not fault; of a
 * repeated string instruction the first round counts. */
uint32_t breakpoints_accessed(const struct vcpu *v, const struct insn *in);
/* For code that is not decoded: have its accesses to the pages of watched bytes seen, and save
 * these bytes; behind the instruction, which watchpoints it has met. An access is seen if it begins
 * in the watched bytes, or changes them. */
struct watched_bytes {
    uint64_t value[4];
    uint8_t valid; /* a bit each */
};
void breakpoints_save(struct vcpu *v, struct watched_bytes *ret);
uint32_t breakpoints_seen(struct vcpu *v, const struct watched_bytes *before);
/* Would any round of this repeated string instruction meet one? */
bool breakpoints_in_string(const struct vcpu *v, const struct insn *in);
