/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mmu.c - mmu_update and update_va_mapping: stores to live page tables (ABI 3.7, 7).
 *
 * A vCPU process can only reach its own domain's memory, so frames carry no types as they do
 * in Xen: an update is a checked store to any frame of the domain. What remains are the
 * checks that a guest can see, and telling the engine what may have become stale.
 */
#include "cpu/pv/batch.h"
#include "cpu/pv/mmu.h"
#include "cpu/pv/tlb.h"

#include "cpu/env.h"

#define PTE_PRESENT 1ull
#define PTE_WRITABLE 2ull
#define PTE_USER 4ull
#define PTE_ACCESSED_DIRTY 0x60ull
#define PTE_PSE 0x80ull
#define PTE_GLOBAL 0x100ull
#define PTE_GUEST_KERNEL (1ull << 52)
#define PTE_TO_MFN(e) (((e)&0x000ffffffffff000ull) >> PAGE_SHIFT)

#define ENTRIES (PAGE_SIZE / 8)

#define REQUEST_COMMAND 7u
#define REQUEST_ADDRESS (~7ull)

_Static_assert(sizeof(struct mmu_update) == 16, "ABI 3.7");

/* What is put off to the end of a batch, when no request follows in the same table. */
struct update_state {
    mfn_t written; /* table with stores that the engine does not know of yet */
    bool flush;
};

static void note_written(struct update_state *s, mfn_t table)
{
    if (s->written == table)
        return;
    if (s->written != INVALID_MFN)
        env_frame_written(s->written);
    s->written = table;
}

/* Level of a table where it is known: 1-4, or 0. */
static unsigned int table_level(const struct vcpu *v, mfn_t table)
{
    if (table == v->cr3_kernel || table == v->cr3_user)
        return 4;
    return env_pin_level(table);
}

static mfn_t entry_mfn(const uint64_t *table, unsigned int slot)
{
    uint64_t e = __atomic_load_n(&table[slot], __ATOMIC_RELAXED);

    return e & PTE_PRESENT && !(e & PTE_PSE) ? PTE_TO_MFN(e) : INVALID_MFN;
}

/* Is it a table of level 3 or 2 below that root, or with `leaves` of level 1? */
static bool is_below(mfn_t root, mfn_t table, bool leaves)
{
    const uint64_t *l4 = env_frame(root), *l3, *l2;
    unsigned int i, k, n;

    for (i = 0; l4 && i < ENTRIES; i++) {
        mfn_t mfn = entry_mfn(l4, i);

        if (i >= PV_HOLE_FIRST_SLOT && i <= PV_HOLE_LAST_SLOT)
            continue;
        l3 = env_frame(mfn);
        if (l3 && mfn == table && !leaves)
            return true;
        for (k = 0; l3 && k < ENTRIES; k++) {
            mfn = entry_mfn(l3, k);
            if (mfn == table && !leaves)
                return true;
            l2 = leaves && mfn != INVALID_MFN ? env_frame(mfn) : NULL;
            for (n = 0; l2 && n < ENTRIES; n++)
                if (entry_mfn(l2, n) == table)
                    return true;
        }
    }
    return false;
}

static bool is_in_use(const struct vcpu *v, mfn_t table, bool leaves)
{
    return is_below(v->cr3_kernel, table, leaves) || is_below(v->cr3_user, table, leaves);
}

/* Pins name the level of some tables only. What is in use is looked for: rarely, for a kernel
 * that writes many entries pins its level-1 tables. */
static bool is_upper(const struct vcpu *v, unsigned int level, mfn_t table)
{
    return level ? level >= 2 : is_in_use(v, table, false);
}

/* The same for an update, of which there may be one for each entry: 1, 2 for all above, 0 for an
 * ordinary page. What is found is remembered until the frame is pinned, or becomes a table by
 * an update of an upper one. */
static unsigned int find_level(const struct vcpu *v, mfn_t table)
{
    switch (env_looked(table)) {
    case LOOKED_LEVEL1:
        return 1;
    case LOOKED_NO_TABLE:
        return 0;
    case LOOKED_NEVER:
        break;
    }
    if (is_in_use(v, table, false))
        return 2;
    if (is_in_use(v, table, true)) {
        env_note_looked(table, LOOKED_LEVEL1);
        return 1;
    }
    env_note_looked(table, LOOKED_NO_TABLE);
    return 0;
}

/* May `val` be stored at byte `offset` of a table? Its level is as table_level() says. */
static int check_entry(const struct vcpu *v, mfn_t table, unsigned int level, unsigned int offset,
                       uint64_t val)
{
    unsigned int slot = offset / 8;
    mfn_t mfn = PTE_TO_MFN(val);

    if (level == 4 && slot >= PV_HOLE_FIRST_SLOT && slot <= PV_HOLE_LAST_SLOT)
        return -XEN_EINVAL;
    if (!(val & PTE_PRESENT))
        return 0; /* swap entries and the like */
    if ((val & PTE_PSE) && is_upper(v, level, table))
        return -XEN_EINVAL; /* no large pages for PV guests */
    if (level == 4 && (val & PTE_WRITABLE) && table_level(v, mfn) == 4)
        return -XEN_EINVAL; /* a writable view of the tables themselves */
    if (env_frame(mfn))
        return 0;
    /* What is no memory at all would be a device's. */
    if (mfn >= env_nr_frames() && mfn != PTE_TO_MFN(~0ull) && !is_upper(v, level, table))
        return -XEN_EPERM;
    return -XEN_EINVAL;
}

/* What Xen keeps of a level-1 entry: both modes are ring 3, so U is set in each; what was the
 * kernel's alone is told by an available bit, and the rest is global (ABI 5.1). The guest's plain
 * stores stay as they are. */
static uint64_t adjust_l1_entry(uint64_t val)
{
    if (!(val & PTE_PRESENT))
        return val;
    if (!(val & PTE_USER))
        return val | PTE_USER | PTE_GUEST_KERNEL;
    return val & PTE_GUEST_KERNEL ? val : val | PTE_GLOBAL;
}

static uint64_t adjust_entry(unsigned int level, uint64_t val)
{
    if (!(val & PTE_PRESENT) || level == 0) /* an ordinary page */
        return val;
    return level == 1 ? adjust_l1_entry(val) : val | PTE_USER;
}

/* old = *e; *e = val, keeping A and D if asked to. Other vCPUs may set A and D meanwhile:
 * only when they are to be kept does that matter. */
static uint64_t entry_store(uint64_t *e, uint64_t val, bool preserve_ad)
{
    uint64_t old = __atomic_load_n(e, __ATOMIC_RELAXED);

    if (!preserve_ad) {
        __atomic_store_n(e, val, __ATOMIC_RELEASE);
        return old;
    }
    while (!__atomic_compare_exchange_n(e, &old, val | (old & PTE_ACCESSED_DIRTY), false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        continue;
    return old;
}

static int update_entry(struct vcpu *v, struct update_state *s, uint64_t ptr, uint64_t val,
                        bool preserve_ad)
{
    mfn_t table = ptr >> PAGE_SHIFT;
    unsigned int offset = ptr & ~PAGE_MASK, level = table_level(v, table), found = level;
    uint8_t *frame = env_frame(table);
    uint64_t old;
    int rc;

    if (!frame)
        return -XEN_EINVAL;
    rc = check_entry(v, table, level, offset, val);
    if (rc)
        return rc;
    if (!level && (val & PTE_PRESENT))
        found = find_level(v, table);
    val = adjust_entry(found, val);
    old = entry_store((uint64_t *)(frame + offset), val, preserve_ad);
    note_written(s, table);
    if (found >= 2 && (val & PTE_PRESENT))
        env_note_looked(PTE_TO_MFN(val), LOOKED_NEVER);
    /* Level 1 is the guest's to flush. An entry that was not present is in no TLB, which
     * spares most flushes of a growing address space. A page of unknown level may be an
     * upper table. */
    if ((old & PTE_PRESENT) && level != 1 && old != val)
        s->flush = true;
    return 0;
}

static int update_m2p(uint64_t ptr, uint64_t val)
{
    mfn_t mfn = ptr >> PAGE_SHIFT;

    if (mfn >= env_nr_frames() || !env_frame(mfn))
        return -XEN_EINVAL;
    __atomic_store_n(&env_m2p()[mfn], val, __ATOMIC_RELAXED);
    return 0;
}

static int update_one(struct vcpu *v, struct update_state *s, const struct mmu_update *req)
{
    switch (req->ptr & REQUEST_COMMAND) {
    case MMU_MACHPHYS_UPDATE:
        return update_m2p(req->ptr, req->val);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return update_entry(v, s, req->ptr & REQUEST_ADDRESS, req->val, true);
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE:
        return update_entry(v, s, req->ptr & REQUEST_ADDRESS, req->val, false);
    default:
        return -XEN_ENOSYS;
    }
}

int64_t pv_do_mmu_update(struct vcpu *v, uint64_t args[5])
{
    struct update_state s = {.written = INVALID_MFN};
    struct mmu_update reqs[HYPERCALL_CHUNK];
    struct batch b;
    int rc, n, i;

    rc = batch_begin(v, &b, args);
    if (rc)
        return rc;
    while (!rc && (n = batch_read(v, &b, reqs, sizeof(reqs[0]))) != 0) {
        if (n < 0) {
            rc = n;
            break;
        }
        for (i = 0; i < n && !rc; i++)
            rc = update_one(v, &s, &reqs[i]);
        batch_advance(&b, (unsigned int)(rc ? i - 1 : i), sizeof(reqs[0]));
    }
    note_written(&s, INVALID_MFN);
    if (s.flush)
        tlb_flush_vcpus(v, TLB_ALL_VCPUS);
    return batch_end(v, &b, args, rc);
}

int mmu_read_vcpumask(struct vcpu *v, gva_t va, uint64_t *ret)
{
    return hypercall_copy_from(v, ret, va, sizeof(*ret));
}

/* The flush that update_va_mapping's flags ask for. */
static int flush_by_flags(struct vcpu *v, gva_t va, uint64_t flags)
{
    uint64_t mask = tlb_self(v), where = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;

    if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_NONE)
        return 0;
    if (where == UVMF_ALL)
        mask = TLB_ALL_VCPUS;
    else if (where != UVMF_LOCAL && mmu_read_vcpumask(v, where, &mask))
        return -XEN_EFAULT;

    switch (flags & UVMF_FLUSHTYPE_MASK) {
    case UVMF_TLB_FLUSH:
        tlb_flush_vcpus(v, mask);
        return 0;
    case UVMF_INVLPG:
        tlb_invlpg_vcpus(v, mask, va);
        return 0;
    default:
        return 0;
    }
}

int64_t pv_do_update_va_mapping(struct vcpu *v, uint64_t args[5])
{
    gva_t va = args[0];
    uint64_t *entry;
    mfn_t table;
    int rc;

    if (!pv_canonical(va) || pv_in_hole(va))
        return -XEN_EINVAL;
    entry = env_l1_entry(v, va, &table);
    if (!entry)
        return -XEN_EINVAL;
    rc = check_entry(v, table, 1, 0, args[1]);
    if (rc)
        return rc;
    entry_store(entry, adjust_l1_entry(args[1]), false);
    env_frame_written(table);
    return flush_by_flags(v, va, args[2]);
}

int64_t pv_do_update_va_mapping_otherdomain(struct vcpu *v, uint64_t args[5])
{
    if ((domid_t)args[3] != DOMID_SELF)
        return -XEN_ESRCH;
    return pv_do_update_va_mapping(v, args);
}
