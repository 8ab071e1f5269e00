/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tlb.c - TLB flushes by vCPU mask. A domain has one vCPU so far, so only the bit of the
 * calling one means anything; remote flushes join here.
 */
#include "cpu/pv/tlb.h"

void tlb_flush_vcpus(struct vcpu *v, uint64_t mask)
{
    if (mask & tlb_self(v))
        env_tlb_flush(v);
}

void tlb_invlpg_vcpus(struct vcpu *v, uint64_t mask, gva_t va)
{
    if (mask & tlb_self(v))
        env_tlb_invlpg(v, va);
}
