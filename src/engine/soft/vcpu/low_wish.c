/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * low_wish.c - see low_wish.h. The list is of all vCPUs: a program runs now on one, now on another.
 * When it is full an old wish goes.
 */
#include "engine/soft/vcpu/low_wish.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "engine/soft/stub/stub_layout.h"
#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"

#define PLACES_SHIFT 62 /* of an entry: WISH_*; below: root + 1 */
#define ROOT_OF(entry) ((entry) & ((1ull << PLACES_SHIFT) - 1))

static uint64_t entry_of(mfn_t root, unsigned int places)
{
    return (root + 1) | (uint64_t)places << PLACES_SHIFT;
}

static bool replace(uint32_t i, uint64_t was, uint64_t by)
{
    return __atomic_compare_exchange_n(&shared->low_wishes[i], &was, by, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* False: it is there already. A root with several wishes may have several entries. */
static bool add(mfn_t root, unsigned int places)
{
    static uint32_t oldest;
    uint32_t i = 0;

    if (!(places & ~low_wish_of(root)))
        return false;
    __atomic_store_n(&shared->has_low_wishes, true, __ATOMIC_SEQ_CST);
    while (i < LOW_WISHES && !replace(i, 0, entry_of(root, places)))
        i++;
    if (i == LOW_WISHES)
        __atomic_store_n(&shared->low_wishes[oldest++ % LOW_WISHES], entry_of(root, places),
                         __ATOMIC_SEQ_CST);
    return true;
}

static unsigned int places_in(gva_t at, uint64_t size)
{
    gva_t end = at + size < at ? ~0ull : at + size;

    return (at < STUB_END ? WISH_LOW : 0) |
           (at < STUB_END + STUB_ASIDE_BY && end > STUB_GUARD ? WISH_ASIDE : 0);
}

/* What memory a program asks for. */
static unsigned int places_wanted(const struct vcpu *v)
{
    const uint64_t *g = v->gpr;

    switch (g[RAX]) {
    case __NR_mmap:
        return g[RDI] || (g[R10] & MAP_FIXED) ? places_in(g[RDI], g[RSI]) : 0;
    case __NR_mremap: /* it may grow where it is */
        return g[R10] & MREMAP_FIXED ? places_in(g[R8], g[RDX]) : places_in(g[RDI], g[RDX]);
    case __NR_shmat:
        return g[RSI] ? places_in(g[RSI], PAGE_SIZE) : 0;
    default:
        return 0;
    }
}

void low_wish_note(const struct vcpu *v)
{
    unsigned int places = places_wanted(v);

    /* Another thread may run in a stub that is in the way, and learn of the memory without having
     * stopped: who is asked to flush looks at the wishes before it runs a program again. */
    if (places && add(v->cr3_user, places))
        peers_flush(~0ull);
}

unsigned int low_wish_of(mfn_t root)
{
    unsigned int places = 0;

    if (!__atomic_load_n(&shared->has_low_wishes, __ATOMIC_RELAXED))
        return 0;
    for (uint32_t i = 0; i < LOW_WISHES; i++) {
        uint64_t entry = __atomic_load_n(&shared->low_wishes[i], __ATOMIC_RELAXED);

        if (ROOT_OF(entry) == root + 1)
            places |= entry >> PLACES_SHIFT;
    }
    return places;
}

void low_wish_inherit(mfn_t root, mfn_t maker)
{
    unsigned int places = low_wish_of(maker);

    if (places)
        (void)add(root, places);
}

void low_wish_release(mfn_t root)
{
    if (!__atomic_load_n(&shared->has_low_wishes, __ATOMIC_RELAXED))
        return;
    for (uint32_t i = 0; i < LOW_WISHES; i++) {
        uint64_t entry = __atomic_load_n(&shared->low_wishes[i], __ATOMIC_RELAXED);

        if (ROOT_OF(entry) == root + 1)
            (void)replace(i, entry, 0);
    }
}
