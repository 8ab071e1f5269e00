/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mmuext.c - mmuext_op: page-table roots, pins, TLB flushes, LDT (ABI 3.7).
 *
 * Pins are not counted: the engine is told, and pinning twice or unpinning what is not pinned
 * succeeds (a guest that works under Xen never does it, and Linux takes failures for bugs). Frames
 * have no types: one that is mapped writable is refused only where that is easily found out.
 */
#include "cpu/pv/batch.h"
#include "cpu/pv/mmu.h"
#include "cpu/pv/tlb.h"

#include "cpu/env.h"

_Static_assert(sizeof(struct mmuext_op) == 24, "ABI 3.7");

static int pin(struct vcpu *v, mfn_t mfn, unsigned int level, bool on)
{
    if (!env_frame(mfn) || (on && env_frame_is_writable(v, mfn)))
        return -XEN_EINVAL;
    env_pin_table(v, mfn, level, on);
    return 0;
}

static bool can_be_root(struct vcpu *v, mfn_t mfn)
{
    return env_frame(mfn) && (env_pin_level(mfn) || !env_frame_is_writable(v, mfn));
}

static int new_base(struct vcpu *v, mfn_t mfn)
{
    if (!can_be_root(v, mfn))
        return -XEN_EINVAL;
    env_set_cr3(v, mfn);
    v->cr3_kernel = mfn;
    return 0;
}

static int new_user_base(struct vcpu *v, mfn_t mfn)
{
    if (mfn == 0)
        mfn = INVALID_MFN; /* none: user mode cannot be entered */
    else if (!can_be_root(v, mfn))
        return -XEN_EINVAL;
    env_set_user_cr3(v, mfn);
    v->cr3_user = mfn;
    return 0;
}

static int set_ldt(struct vcpu *v, gva_t base, uint64_t entries)
{
    if (!entries)
        base = 0; /* wherever it is */
    if (entries > PV_MAX_LDT_ENTRIES || (base & ~PAGE_MASK) || !pv_canonical(base))
        return -XEN_EINVAL;
    v->pv.ldt_base = base;
    v->pv.ldt_entries = (uint32_t)entries;
    return 0;
}

static int flush_multi(struct vcpu *v, const struct mmuext_op *op)
{
    uint64_t mask;

    if (mmu_read_vcpumask(v, (gva_t)op->arg2.vcpumask.p, &mask))
        return -XEN_EINVAL; /* Xen's word for it here */
    if (op->cmd == MMUEXT_TLB_FLUSH_MULTI)
        tlb_flush_vcpus(v, mask);
    else
        tlb_invlpg_vcpus(v, mask, op->arg1.linear_addr);
    return 0;
}

static int fill_page(mfn_t to, const void *from)
{
    void *page = env_frame(to);

    if (!page)
        return -XEN_EINVAL;
    if (from)
        __builtin_memcpy(page, from, PAGE_SIZE);
    else
        __builtin_memset(page, 0, PAGE_SIZE);
    env_frame_written(to);
    return 0;
}

static int copy_page(mfn_t to, mfn_t from)
{
    const void *page = env_frame(from);

    return page && to != from ? fill_page(to, page) : page ? 0 : -XEN_EINVAL;
}

static int run_op(struct vcpu *v, const struct mmuext_op *op)
{
    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return pin(v, op->arg1.mfn, op->cmd - MMUEXT_PIN_L1_TABLE + 1, true);
    case MMUEXT_UNPIN_TABLE:
        return pin(v, op->arg1.mfn, 0, false);
    case MMUEXT_NEW_BASEPTR:
        return new_base(v, op->arg1.mfn);
    case MMUEXT_NEW_USER_BASEPTR:
        return new_user_base(v, op->arg1.mfn);
    case MMUEXT_TLB_FLUSH_LOCAL:
        tlb_flush_vcpus(v, tlb_self(v));
        return 0;
    case MMUEXT_INVLPG_LOCAL:
        tlb_invlpg_vcpus(v, tlb_self(v), op->arg1.linear_addr);
        return 0;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
        return flush_multi(v, op);
    case MMUEXT_TLB_FLUSH_ALL:
        tlb_flush_vcpus(v, TLB_ALL_VCPUS);
        return 0;
    case MMUEXT_INVLPG_ALL:
        tlb_invlpg_vcpus(v, TLB_ALL_VCPUS, op->arg1.linear_addr);
        return 0;
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        return 0; /* Xen refuses a domU without devices; NetBSD panics then */
    case MMUEXT_SET_LDT:
        return set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents);
    case MMUEXT_CLEAR_PAGE:
        return fill_page(op->arg1.mfn, NULL);
    case MMUEXT_COPY_PAGE:
        return copy_page(op->arg1.mfn, op->arg2.src_mfn);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}

int64_t pv_do_mmuext_op(struct vcpu *v, uint64_t args[5])
{
    struct mmuext_op ops[HYPERCALL_CHUNK];
    struct batch b;
    int rc, n, i;

    rc = batch_begin(v, &b, args);
    if (rc)
        return rc;
    while (!rc && (n = batch_read(v, &b, ops, sizeof(ops[0]))) != 0) {
        if (n < 0) {
            rc = n;
            break;
        }
        for (i = 0; i < n && !rc; i++)
            rc = run_op(v, &ops[i]);
        batch_advance(&b, (unsigned int)(rc ? i - 1 : i), sizeof(ops[0]));
    }
    return batch_end(v, &b, args, rc);
}
