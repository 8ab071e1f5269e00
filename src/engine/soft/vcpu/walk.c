/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * walk.c - see walk.h. Frame numbers in entries are checked against the domain's size, so a
 * walk never leaves the guest's memory; large pages do not exist for a PV guest.
 */
#include "engine/soft/vcpu/walk.h"

#include "engine/soft/layout.h"
#include "engine/soft/vcpu/soft.h"

uint8_t *vcpu_frame_flags;
uint16_t *shared_frames;
const uint64_t *vcpu_allocated;

void *ram_linear(mfn_t mfn)
{
    return (void *)(V_RAM + (mfn << PAGE_SHIFT));
}

bool frame_exists(mfn_t mfn)
{
    if (mfn >= shared->nr_frames)
        return false;
    return mfn >= shared->nr_ram ||
           (__atomic_load_n(&vcpu_allocated[mfn / 64], __ATOMIC_RELAXED) >> (mfn % 64) & 1);
}

static bool canonical(gva_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* The levels above the leaf: fills upper*, table. */
static int walk_uppers(mfn_t root, gva_t va, struct walk *ret)
{
    mfn_t table = root;
    uint64_t rights = PTE_RW, nx = 0, e;

    for (int shift = 39; shift > PAGE_SHIFT; shift -= 9) {
        if (table >= shared->nr_frames)
            return -1;
        e = __atomic_load_n((uint64_t *)ram_linear(table) + (va >> shift & 511), __ATOMIC_RELAXED);
        if (!(e & PTE_P) || (e & PTE_PS))
            return -1;
        rights &= e;
        nx |= e & PTE_NX;
        table = PTE_FRAME(e);
        if (shift > 21)
            ret->upper[shift == 30] = table;
    }
    if (table >= shared->nr_frames)
        return -1;
    ret->table = table;
    ret->upper_rw = rights & PTE_RW;
    ret->upper_exec = !nx;
    return 0;
}

/* The entry for va in ret->table. */
static int walk_leaf(gva_t va, struct walk *ret)
{
    uint64_t *entry = (uint64_t *)ram_linear(ret->table) + (va >> PAGE_SHIFT & 511);
    uint64_t e = __atomic_load_n(entry, __ATOMIC_RELAXED);

    if (!(e & PTE_P) || !frame_exists(PTE_FRAME(e)))
        return -1;
    ret->entry = entry;
    ret->pte = e;
    ret->writable = ret->upper_rw && (e & PTE_RW);
    ret->exec = ret->upper_exec && !(e & PTE_NX);
    return 0;
}

int walk(mfn_t root, gva_t va, enum access access, struct walk *ret, uint32_t *error)
{
    *error = access == ACCESS_WRITE ? PF_W : access == ACCESS_EXEC ? PF_I : 0;
    if (!canonical(va) || walk_uppers(root, va, ret) || walk_leaf(va, ret))
        return -1;
    if ((access == ACCESS_WRITE && !ret->writable) || (access == ACCESS_EXEC && !ret->exec)) {
        *error |= PF_P;
        return -1;
    }
    return 0;
}

int walk_series(mfn_t root, gva_t va, struct walk *ret, gva_t *region)
{
    if (*region != va >> 21) {
        *region = WALK_NO_REGION;
        if (!canonical(va) || walk_uppers(root, va, ret))
            return -1;
        *region = va >> 21;
    }
    return walk_leaf(va, ret);
}

bool pte_set_bits(uint64_t *entry, uint64_t *pte, uint64_t bits)
{
    uint64_t was = *pte;

    while ((was & bits) != bits) {
        if (__atomic_compare_exchange_n(entry, &was, was | bits, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            was |= bits;
        else if ((was ^ *pte) & ~(PTE_A | PTE_D))
            return false;
    }
    *pte = was;
    return true;
}

int walk_access(mfn_t root, gva_t va, enum access access, struct walk *ret, uint32_t *error)
{
    uint64_t want = PTE_A | (access == ACCESS_WRITE ? PTE_D : 0);

    do {
        if (walk(root, va, access, ret, error))
            return -1;
    } while (!pte_set_bits(ret->entry, &ret->pte, want));
    return 0;
}
