/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * low_wish.c - see low_wish.h. The list is of all vCPUs: a program runs now on one, now on another.
 * When it is full an old wish goes.
 */
#include "engine/soft/vcpu/low_wish.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "engine/soft/stub/stub_layout.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"

static bool replace(uint32_t i, mfn_t was, mfn_t by)
{
    return __atomic_compare_exchange_n(&shared->low_wishes[i], &was, by, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static void add(mfn_t root)
{
    static uint32_t oldest;
    uint32_t i = 0;

    if (low_wish_of(root))
        return;
    __atomic_store_n(&shared->has_low_wishes, true, __ATOMIC_SEQ_CST);
    while (i < LOW_WISHES && !replace(i, 0, root + 1))
        i++;
    if (i == LOW_WISHES)
        __atomic_store_n(&shared->low_wishes[oldest++ % LOW_WISHES], root + 1, __ATOMIC_SEQ_CST);
}

void low_wish_note(const struct vcpu *v)
{
    gva_t at;

    switch (v->gpr[RAX]) {
    case __NR_mmap:
        at = v->gpr[RDI];
        break;
    case __NR_mremap:
        at = v->gpr[R10] & MREMAP_FIXED ? v->gpr[R8] : 0;
        break;
    case __NR_shmat:
        at = v->gpr[RSI];
        break;
    default:
        return;
    }
    if (at && at < STUB_END)
        add(v->cr3_user);
}

bool low_wish_of(mfn_t root)
{
    if (!__atomic_load_n(&shared->has_low_wishes, __ATOMIC_RELAXED))
        return false;
    for (uint32_t i = 0; i < LOW_WISHES; i++)
        if (__atomic_load_n(&shared->low_wishes[i], __ATOMIC_RELAXED) == root + 1)
            return true;
    return false;
}

void low_wish_inherit(mfn_t root, mfn_t maker)
{
    if (low_wish_of(maker))
        add(root);
}

void low_wish_release(mfn_t root)
{
    if (!__atomic_load_n(&shared->has_low_wishes, __ATOMIC_RELAXED))
        return;
    for (uint32_t i = 0; i < LOW_WISHES; i++)
        replace(i, root + 1, 0);
}
