/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ptwr.c - see ptwr.h. Searching for the table's parent is slow, but a kernel that writes to
 * its tables directly either pins them one by one (Linux) or writes many entries of a table
 * in a row.
 */
#include "engine/soft/vcpu/ptwr.h"

#include "cpu/pv/abi.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/vtlb.h"
#include "engine/soft/vcpu/walk.h"

#define MAX_KNOWN 64
#define MAX_ENTRIES (1u << 20) /* looked at in one search: tables can be linked in evil ways */

static mfn_t known[MAX_KNOWN];
static unsigned int nr_known;

void ptwr_forget(void)
{
    if (nr_known)
        vtlb_doubt();
    while (nr_known)
        vcpu_frame_flags[known[--nr_known]] &= (uint8_t)~FRAME_PT;
}

/* Is `wanted` a level-1 table below `table`? */
static bool is_below(mfn_t table, unsigned int level, mfn_t wanted, unsigned int *left)
{
    const uint64_t *t = env_frame(table);

    for (unsigned int i = 0; t && i < 512 && *left; i++) {
        uint64_t e = __atomic_load_n(&t[i], __ATOMIC_RELAXED);

        --*left;
        if (!(e & PTE_P) || (e & PTE_PS) ||
            (level == 4 && i >= PV_HOLE_FIRST_SLOT && i <= PV_HOLE_LAST_SLOT))
            continue;
        if (level == 2 ? PTE_FRAME(e) == wanted : is_below(PTE_FRAME(e), level - 1, wanted, left))
            return true;
    }
    return false;
}

static bool is_level1(const struct vcpu *v, mfn_t mfn)
{
    unsigned int left = MAX_ENTRIES, level = env_pin_level(mfn);

    if (level || mfn == v->cr3_kernel || mfn == v->cr3_user)
        return level == 1;
    if (is_below(v->cr3_kernel, 4, mfn, &left) || is_below(v->cr3_user, 4, mfn, &left))
        return true;
    for (mfn_t m = 0; m < shared->nr_frames && left; m++) {
        level = env_pin_level(m);
        if (level >= 2 && is_below(m, level, mfn, &left))
            return true;
    }
    return false;
}

bool ptwr_is_level1(mfn_t mfn)
{
    return (vcpu_frame_flags[mfn] & FRAME_PT) || env_pin_level(mfn) == 1;
}

bool ptwr_recognise(struct vcpu *v, gva_t va, mfn_t mfn)
{
    bool own_user_space = v->cr3_user != INVALID_MFN && v->cr3_user != v->cr3_kernel;

    if (ptwr_is_level1(mfn))
        return true;
    /* User pages that are copied on write are not worth a search. */
    if (!(v->pv.vm_assist & PV_ASSIST_BIT(VMASST_TYPE_writable_pagetables)) ||
        ((int64_t)va >= 0 && own_user_space) || !is_level1(v, mfn))
        return false;
    if (nr_known == MAX_KNOWN)
        ptwr_forget();
    known[nr_known++] = mfn;
    vcpu_frame_flags[mfn] |= FRAME_PT;
    return true;
}
