/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * batch.h - the calling convention that mmu_update and mmuext_op share (ABI 3.7): an array of
 * requests, a count, an optional pointer to the number done, a domain id.
 */
#pragma once

#include "cpu/pv/hypercall.h"

/* Set in the count of a call that goes on with an earlier one. */
#define BATCH_CONTINUED 0x80000000u

struct batch {
    gva_t list;
    gva_t done_va; /* 0 = nobody wants to know */
    uint32_t left; /* requests still to do */
    uint32_t done; /* requests done, earlier calls included */
    uint32_t budget;
};

/* Take the arguments apart: 0, or an error for the guest (foreign domain). */
int batch_begin(struct vcpu *v, struct batch *b, const uint64_t args[5]);

/* Read the next requests of `size` bytes into buf, at most HYPERCALL_CHUNK of them. Returns
 * their number, 0 when there are none left or the budget is used up, or -XEN_EFAULT. */
int batch_read(struct vcpu *v, struct batch *b, void *buf, size_t size);

/* `n` requests were done. */
static inline void batch_advance(struct batch *b, unsigned int n, size_t size)
{
    b->list += n * size;
    b->left -= n;
    b->done += n;
    b->budget -= n < b->budget ? n : b->budget;
}

/* Report the count; result `rc` (0 or error) or HYPERCALL_CONTINUE with args set. */
int64_t batch_end(struct vcpu *v, struct batch *b, uint64_t args[5], int rc);
