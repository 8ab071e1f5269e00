/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tlb.c - TLB flushes by vCPU mask, see tlb.h.
 */
#include "cpu/pv/tlb.h"

void tlb_flush_vcpus(struct vcpu *v, uint64_t mask)
{
    if (mask & tlb_self(v))
        env_tlb_flush(v);
    if (mask & ~tlb_self(v))
        env_tlb_flush_others(v, mask & ~tlb_self(v));
}

void tlb_invlpg_vcpus(struct vcpu *v, uint64_t mask, gva_t va)
{
    if (mask & tlb_self(v))
        env_tlb_invlpg(v, va);
    if (mask & ~tlb_self(v))
        env_tlb_invlpg_others(v, mask & ~tlb_self(v), va);
}
