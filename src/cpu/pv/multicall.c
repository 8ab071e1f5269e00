/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * multicall.c - a list of hypercalls in one (ABI 3.8). Linux sends its page-table batches
 * and context switches this way, so entries are read and written back a few at a time.
 */
#include "cpu/pv/hypercall.h"

#include "cpu/env.h"
#include "cpu/pv/pv.h"

#define ENTRIES_AT_A_TIME 8

_Static_assert(sizeof(struct multicall_entry) == 64, "ABI 3.8");

enum entry_end { ENTRY_DONE, ENTRY_UNFINISHED, ENTRY_LEFT };

static enum entry_end run_entry(struct vcpu *v, struct multicall_entry *e)
{
    uint64_t args[5];
    int64_t ret;

    if (e->op == __HYPERVISOR_multicall) {
        e->result = (xen_ulong_t)-XEN_EINVAL;
        return ENTRY_DONE;
    }
    __builtin_memcpy(args, e->args, sizeof(args));
    ret = hypercall_run(v, e->op, args);
    if (e->op == __HYPERVISOR_iret)
        return ENTRY_LEFT;
    if (ret == HYPERCALL_CONTINUE &&
        (e->op == __HYPERVISOR_sched_op || e->op == __HYPERVISOR_sched_op_compat))
        ret = 0; /* a wait ends early here: upcalls come at the end of the list only */
    if (ret == HYPERCALL_CONTINUE) {
        __builtin_memcpy(e->args, args, sizeof(args));
        return ENTRY_UNFINISHED;
    }
    e->result = (xen_ulong_t)ret;
    return ENTRY_DONE;
}

/* Read up to max entries; fewer when the list ends at the edge of what can be read. */
static unsigned int read_entries(struct vcpu *v, struct multicall_entry *e, gva_t va,
                                 unsigned int max)
{
    if (!hypercall_copy_from(v, e, va, max * sizeof(*e)))
        return max;
    return hypercall_copy_from(v, e, va, sizeof(*e)) ? 0 : 1;
}

int64_t pv_do_multicall(struct vcpu *v, uint64_t args[5])
{
    struct multicall_entry list[ENTRIES_AT_A_TIME];
    uint32_t left = (uint32_t)args[1], budget = HYPERCALL_BATCH;
    enum entry_end end = ENTRY_DONE;
    unsigned int i, n;

    while (left && budget) {
        n = left < ENTRIES_AT_A_TIME ? left : ENTRIES_AT_A_TIME;
        n = read_entries(v, list, args[0], n);
        if (!n)
            return -XEN_EFAULT;
        for (i = 0; i < n && end == ENTRY_DONE; i++)
            end = run_entry(v, &list[i]);
        if (end == ENTRY_LEFT) {
            /* The caller's context is gone; results before iret still count. */
            if (hypercall_copy_to(v, args[0], list, (i - 1) * sizeof(list[0])))
                env_log("multicall: results before iret are lost");
            return HYPERCALL_LEFT;
        }
        if (hypercall_copy_to(v, args[0], list, i * sizeof(list[0])))
            return -XEN_EFAULT;
        if (end == ENTRY_UNFINISHED)
            i--;
        args[0] += i * sizeof(list[0]);
        left -= i;
        if (end == ENTRY_UNFINISHED)
            break;
        budget -= budget < i ? budget : i;
        if (hypercall_preempted(v))
            break;
    }
    args[1] = left;
    return left ? HYPERCALL_CONTINUE : 0;
}
