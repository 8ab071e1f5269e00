/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tlb.h - TLB flushes on behalf of the guest, on any set of the domain's vCPUs.
 */
#pragma once

#include "cpu/env.h"

#define TLB_ALL_VCPUS (~0ull)

static inline uint64_t tlb_self(const struct vcpu *v)
{
    return 1ull << (v->id & 63);
}

/* Flush everything / one page on the vCPUs of `mask` (bit per vCPU id; unknown bits are
 * ignored). Complete on return. */
void tlb_flush_vcpus(struct vcpu *v, uint64_t mask);
void tlb_invlpg_vcpus(struct vcpu *v, uint64_t mask, gva_t va);
