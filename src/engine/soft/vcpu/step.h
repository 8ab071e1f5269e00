/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * step.h - guest-kernel code one instruction at a time: what the translator cannot take, that
 * is, code outside the top 2 GiB of the address space, and what it must not take, code that is
 * single-stepped.
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/soft/vcpu/cache.h"

#define DR6_BS 0x4000u /* single step */

/* Must the kernel code at v->rip be run by step_kernel()? */
static inline bool step_needed(const struct vcpu *v)
{
    return v->rip < CACHE_PC_LIMIT || (v->rflags & EFLAGS_TF);
}

/* Run some kernel code, at most until something has to be looked at. */
void step_kernel(struct vcpu *v);
