/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * batch.c - arrays of requests with a done count, continued after a bounded number.
 */
#include "cpu/pv/batch.h"

int batch_begin(struct vcpu *v, struct batch *b, const uint64_t args[5])
{
    uint32_t count = (uint32_t)args[1];
    domid_t owner = (domid_t)args[3];

    *b = (struct batch){.list = args[0],
                        .left = count & ~BATCH_CONTINUED,
                        .done_va = args[2],
                        .budget = HYPERCALL_BATCH};

    /* The own number is refused like a foreign one: a domain calls itself DOMID_SELF. The
     * high half names another owner of the page tables, plus one. */
    if ((owner != DOMID_SELF && owner != DOMID_IO) || (uint32_t)args[3] >> 16)
        return -XEN_ESRCH;
    if ((count & BATCH_CONTINUED) && b->done_va &&
        hypercall_copy_from(v, &b->done, b->done_va, sizeof(b->done)))
        b->done = 0;
    return 0;
}

int batch_read(struct vcpu *v, struct batch *b, void *buf, size_t size)
{
    uint32_t n = b->left < HYPERCALL_CHUNK ? b->left : HYPERCALL_CHUNK;

    if (n > b->budget)
        n = b->budget;
    if (b->budget < HYPERCALL_BATCH && hypercall_preempted(v))
        n = 0;
    if (!n || !hypercall_copy_from(v, buf, b->list, n * size))
        return (int)n;
    /* Part of the chunk may be readable: what comes before the hole counts as done. */
    return hypercall_copy_from(v, buf, b->list, size) ? -XEN_EFAULT : 1;
}

int64_t batch_end(struct vcpu *v, struct batch *b, uint64_t args[5], int rc)
{
    /* Like Xen: who names a place for the count that is none goes without. */
    if (b->done_va && hypercall_copy_to(v, b->done_va, &b->done, sizeof(b->done)))
        b->done_va = 0;
    if (rc || !b->left)
        return rc;
    args[0] = b->list;
    args[1] = b->left | BATCH_CONTINUED;
    return HYPERCALL_CONTINUE;
}
