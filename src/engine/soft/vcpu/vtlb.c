/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vtlb.c - see vtlb.h. An entry is a run of pages inside one level-1 table (2 MiB) with
 * contiguous frames and equal rights. A flush re-walks and compares: what still agrees with
 * the page tables stays mapped, which is what makes flushes cheap.
 *
 * Rights: a frame that is a pinned page table is mapped writable although the guest maps it
 * read-only (its own stores to live tables need no emulation then; they are picked up at the
 * next flush, as real TLBs do). A frame that any vCPU has translated code or a patched copy of
 * is read-only in all, so that stores to it are seen; docs/internals/smp.md tells how they agree.
 *
 * A kernel takes the right to write from a page at a time of its direct map, wherever it puts a
 * page table. A run of data survives that: the page is protected, and its frame marked FRAME_RO.
 *
 * Host addresses of the user half stay empty, so that a kernel's accesses to user memory are seen
 * (layout.h), until a kernel runs code there itself: then its lower part is mapped like the
 * kernel half, until the root changes. Code in what can't be mapped gets an entry all the same,
 * a mere note of what the tables said.
 *
 * A flush passes over entries whose tables were not written since they were last compared (seal.h).
 *
 * The host limits how many mappings a process has, and each change of rights inside a run takes
 * some. Where it refuses one, everything is dropped, and comes back with the next accesses.
 */
#include "engine/soft/vcpu/vtlb.h"

#include <linux/mman.h>

#include "cpu/pv/abi.h"
#include "engine/soft/layout.h"
#include "engine/soft/vcpu/breakpoint.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/local.h"
#include "engine/soft/vcpu/meta.h"
#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/ptwr.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/seal.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/user.h"

#define MAX_ENTRIES 32768u /* well below the host's vm.max_map_count */
#define BUCKETS 4096u
#define LOWEST_VA 0xffff888000000000ull  /* below it the host range is V's own */
#define USER_MAPPED_END 0x7ffffe00000ull /* of the user half: the last whole table below 8 TiB */
#define PTE_RIGHTS_IGNORED (~(PTE_NX | PTE_P | PTE_RW | 0x000ffffffffff000ull))

struct entry {
    gva_t va;
    mfn_t mfn;   /* first frame */
    mfn_t table; /* the level-1 table */
    uint16_t pages;
    bool writable; /* by the guest's tables; watched frames are excepted page by page */
    bool exec;     /* NX is clear: code may have been translated from here */
    bool upper_rw, upper_exec;
    bool used;
    uint32_t next; /* index + 1 in its bucket, or in the free list */
    bool known;    /* it agrees with its table as of `version`, if that is sealed (seal.h) */
    uint32_t version;
};

struct soft_tlb_entry soft_tlb[1 << SOFT_TLB_BITS];
static uint8_t filled[32];     /* the entries of it that are in use */
static unsigned int nr_filled; /* > ARRAY_SIZE(filled): more than there is room for */

/* The kernel's slots of the level-4 table, as all entries have been compared with. */
#define TOP_FIRST 272
static uint64_t top[512 - TOP_FIRST];
static uint32_t uppers;   /* seal_uppers() as of then */
static bool doubt = true; /* upper levels, or what is a level-1 table, may have changed unseen */

static struct entry *entries;
static uint32_t buckets[BUCKETS];
static uint32_t high_water, free_list;
static uint32_t times_dropped;  /* all of them, at once */
static uint32_t nr_outside;     /* entries below LOWEST_VA */
static bool user_half_mappable; /* the kernel runs code there */

/* Does this process have a place for it? */
static bool mappable(gva_t va)
{
    return va >= LOWEST_VA || (user_half_mappable && va < USER_MAPPED_END);
}

static uint32_t *bucket(gva_t va)
{
    return &buckets[(va >> 21) * 0x9e3779b97f4a7c15ull >> 52];
}

void vtlb_init(void)
{
    uint64_t frames = shared->patch_first + shared->patch_count;

    entries = meta_alloc(MAX_ENTRIES * sizeof(*entries));
    vcpu_frame_flags = meta_alloc(frames);
    shared_frames = (uint16_t *)V_FRAMES;
    nr_filled = ~0u;
    soft_tlb_clear();
}

/* Most are cleared with a few entries in use: between two switches of threads. */
void soft_tlb_clear(void)
{
    bool listed = nr_filled <= ARRAY_SIZE(filled);
    unsigned int n = listed ? nr_filled : ARRAY_SIZE(soft_tlb);

    for (unsigned int i = 0; i < n; i++) {
        struct soft_tlb_entry *e = &soft_tlb[listed ? filled[i] : i];

        e->tag_read = e->tag_write = ~0ull;
    }
    nr_filled = 0;
}

static void soft_tlb_drop(gva_t va)
{
    struct soft_tlb_entry *e = &soft_tlb[va >> PAGE_SHIFT & (ARRAY_SIZE(soft_tlb) - 1)];

    if (e->tag_read == (va & PAGE_MASK))
        e->tag_read = e->tag_write = ~0ull;
}

static struct entry *find(gva_t va)
{
    for (uint32_t i = *bucket(va); i; i = entries[i - 1].next) {
        struct entry *e = &entries[i - 1];

        if (va >= e->va && va < e->va + ((uint64_t)e->pages << PAGE_SHIFT))
            return e;
    }
    return NULL;
}

static void unlink_entry(struct entry *e)
{
    uint32_t *p = bucket(e->va), i = (uint32_t)(e - entries) + 1;

    while (*p && *p != i)
        p = &entries[*p - 1].next;
    if (*p)
        *p = e->next;
    nr_outside -= e->va < LOWEST_VA;
    e->used = false;
    e->next = free_list;
    free_list = i;
}

/* ---- watched frames ---- */

static uint16_t own_bit(void)
{
    return (uint16_t)(1u << (vcpu.id % RUN_MAX_VCPUS));
}

/* The flags of this frame were cleared. Whoever watches it again has to tell everybody. */
static void unwatch(mfn_t mfn)
{
    if (!(vcpu_frame_flags[mfn] & (FRAME_CODE | FRAME_PATCHED)))
        __atomic_fetch_and(&shared_frames[mfn], (uint16_t) ~(own_bit() | FRAMES_GUARDED),
                           __ATOMIC_SEQ_CST);
}

static void forget_code(mfn_t mfn)
{
    if (!(vcpu_frame_flags[mfn] & FRAME_CODE))
        return;
    vcpu_frame_flags[mfn] &= (uint8_t)~FRAME_CODE;
    cache_drop_frame(mfn);
    unwatch(mfn);
}

void vtlb_forget_frame(mfn_t mfn)
{
    forget_code(mfn);
    if (vcpu_frame_flags[mfn] & FRAME_PATCHED) {
        user_frame_written(mfn);
        vcpu_frame_flags[mfn] &= (uint8_t)~FRAME_PATCHED;
    }
    unwatch(mfn);
}

static void forget_everywhere(mfn_t mfn)
{
    if (!frame_is_watched(mfn))
        return;
    vtlb_forget_frame(mfn);
    peers_frame_written(mfn);
}

void vtlb_frame_written(mfn_t mfn)
{
    if (mfn >= shared->nr_frames)
        return;
    seal_open(mfn);
    forget_everywhere(mfn);
}

void vtlb_linear_written(mfn_t mfn)
{
    if (mfn >= shared->nr_frames)
        return;
    seal_written(mfn);
    forget_everywhere(mfn);
}

bool vtlb_watch_frame(mfn_t mfn, unsigned int flag)
{
    uint32_t before = times_dropped;
    bool told = false;
    uint16_t was;

    if (vcpu_frame_flags[mfn] & flag)
        return false;
    /* While others are told, one of them may write and have it forgotten again. */
    while (!(vcpu_frame_flags[mfn] & flag)) {
        vcpu_frame_flags[mfn] |= (uint8_t)flag;
        was = __atomic_fetch_or(&shared_frames[mfn], own_bit(), __ATOMIC_SEQ_CST);
        vtlb_protect_frame(mfn);
        if (flag == FRAME_CODE)
            user_guard_frame(mfn);
        if (!(was & FRAMES_GUARDED) && peers_exist()) {
            peers_guard_frame(mfn);
            told = true;
            if (vcpu_frame_flags[mfn] & flag)
                __atomic_fetch_or(&shared_frames[mfn], FRAMES_GUARDED, __ATOMIC_SEQ_CST);
        }
    }
    return told || times_dropped != before;
}

void vtlb_forget_watched(void)
{
    for (mfn_t mfn = 0; mfn < shared->nr_frames; mfn++)
        if (vcpu_frame_flags[mfn] & (FRAME_CODE | FRAME_PATCHED))
            vtlb_forget_frame(mfn);
}

void vtlb_recheck_frames(void)
{
    for (mfn_t mfn = 0; mfn < shared->nr_frames; mfn++) {
        if ((vcpu_frame_flags[mfn] & (FRAME_CODE | FRAME_PATCHED)) &&
            !(shared_frames[mfn] & own_bit()))
            vtlb_forget_frame(mfn);
        if (frame_is_watched(mfn) || (shared_frames[mfn] & FRAMES_SEALED))
            vtlb_protect_frame(mfn);
        if (frame_is_watched(mfn))
            user_guard_frame(mfn);
    }
}

/* ---- entries ---- */

/* Code translated through it may not survive the mapping. */
static void forget_entry_code(const struct entry *e)
{
    for (unsigned int k = 0; k < e->pages; k++)
        forget_code(e->mfn + k);
}

/* In one piece: that never needs a mapping more, as it does to take out the middle of one. */
static void unmap_everything(void)
{
    sys_unmap(LOWEST_VA + KERNEL_OFFSET, 0 - LOWEST_VA);
    if (user_half_mappable)
        sys_unmap(KERNEL_OFFSET, USER_MAPPED_END);
}

static void drop_everything(void)
{
    unmap_everything();
    for (uint32_t i = 0; i < high_water; i++)
        if (entries[i].used)
            forget_entry_code(&entries[i]);
    memset(buckets, 0, sizeof(buckets));
    high_water = free_list = nr_outside = 0;
    times_dropped++;
}

/* The mapping of these pages goes. False: so did all others, because the host would not have one
 * without the other. */
static bool drop_entry(struct entry *e)
{
    uint64_t size = (uint64_t)e->pages << PAGE_SHIFT;

    if (mappable(e->va) && sys_unmap(e->va + KERNEL_OFFSET, size)) {
        drop_everything();
        return false;
    }
    forget_entry_code(e);
    unlink_entry(e);
    return true;
}

/* Add what *want says. */
static void add_entry(const struct entry *want)
{
    uint32_t i, *b = bucket(want->va);

    if (!free_list && high_water == MAX_ENTRIES)
        drop_everything();
    if (free_list) {
        i = free_list;
        free_list = entries[i - 1].next;
    } else {
        i = ++high_water;
    }
    entries[i - 1] = *want;
    entries[i - 1].used = true;
    entries[i - 1].next = *b;
    *b = i;
    nr_outside += want->va < LOWEST_VA;
}

static bool effective_rw(uint64_t pte, bool upper_rw)
{
    return ((pte & PTE_RW) && upper_rw) || ptwr_is_level1(PTE_FRAME(pte));
}

/* Does `pte` map page `mfn` of the run e, whether or not for writing? */
static bool same_page(uint64_t pte, mfn_t mfn, const struct entry *e)
{
    return (pte & PTE_P) && PTE_FRAME(pte) == mfn && frame_exists(mfn) &&
           (e->upper_exec && !(pte & PTE_NX)) == e->exec;
}

/* May it be written as the run has it? */
static bool same_rw(uint64_t pte, const struct entry *e)
{
    bool excepted = vcpu_frame_flags[PTE_FRAME(pte)] & FRAME_RO;

    return effective_rw(pte, e->upper_rw) == (e->writable && !excepted);
}

static bool continues(uint64_t pte, mfn_t mfn, const struct entry *e)
{
    return same_page(pte, mfn, e) && same_rw(pte, e);
}

bool vtlb_is_excepted(mfn_t mfn)
{
    return (shared_frames[mfn] & (FRAMES_WATCHERS | FRAMES_SEALED)) ||
           (vcpu_frame_flags[mfn] & FRAME_RO);
}

/* Open or close page k of an entry to stores. */
static int protect_page(const struct entry *e, unsigned int k, bool rw)
{
    if (!mappable(e->va))
        return 0;
    return sys_protect(e->va + KERNEL_OFFSET + ((uint64_t)k << PAGE_SHIFT), PAGE_SIZE,
                       PROT_READ | (rw ? PROT_WRITE : 0));
}

/* Map e's pages; excepted ones come out read-only. */
static int map_entry(const struct entry *e)
{
    int r, prot = PROT_READ | (e->writable ? PROT_WRITE : 0);

    if (!mappable(e->va))
        return 0;
    r = sys_map(e->va + KERNEL_OFFSET, (uint64_t)e->pages << PAGE_SHIFT, prot, V_FD_RAM,
                e->mfn << PAGE_SHIFT);
    for (unsigned int k = 0; !r && e->writable && k < e->pages; k++)
        if (vtlb_is_excepted(e->mfn + k))
            r = protect_page(e, k, false);
    return r;
}

static void set_accessed(uint64_t *entry, bool writable)
{
    uint64_t pte = __atomic_load_n(entry, __ATOMIC_RELAXED);

    if (pte & PTE_P)
        (void)pte_set_bits(entry, &pte, PTE_A | (writable ? PTE_D : 0));
}

/* Remove entries that overlap [va, va + pages): their place is taken by a new run. */
static void drop_overlap(gva_t va, unsigned int pages)
{
    gva_t end = va + ((uint64_t)pages << PAGE_SHIFT);

    for (uint32_t i = *bucket(va), next; i; i = next) {
        struct entry *e = &entries[i - 1];

        next = e->next;
        if (e->va < end && va < e->va + ((uint64_t)e->pages << PAGE_SHIFT) && !drop_entry(e))
            return;
    }
}

/* The longest run around va. */
static void insert_run(const struct walk *w, gva_t va)
{
    unsigned int index = va >> PAGE_SHIFT & 511, lo = index, hi = index;
    uint64_t *table = w->entry - index;
    mfn_t mfn = PTE_FRAME(w->pte);
    struct entry want = {
        .table = w->table, .upper_rw = w->upper_rw, .upper_exec = w->upper_exec, .exec = w->exec};

    want.writable = effective_rw(w->pte, w->upper_rw);
    while (hi < 511 && continues(table[hi + 1], mfn + (hi + 1 - index), &want))
        hi++;
    while (lo > 0 && mfn >= index - lo + 1 &&
           continues(table[lo - 1], mfn - (index - lo + 1), &want))
        lo--;
    for (unsigned int k = lo; k <= hi; k++)
        set_accessed(&table[k], want.writable);
    want.va = (va & PAGE_MASK) - ((uint64_t)(index - lo) << PAGE_SHIFT);
    want.mfn = mfn - (index - lo);
    want.pages = (uint16_t)(hi - lo + 1);
    if (!seal_holds(w->upper[0], true) || !seal_holds(w->upper[1], true))
        doubt = true;
    drop_overlap(want.va, want.pages);
    add_entry(&want);
    if (!map_entry(&want))
        return;
    /* The host has no more mappings for us: start over with this one only. Should it be refused
     * even so, the next access tries again. */
    drop_everything();
    add_entry(&want);
    if (map_entry(&want))
        unmap_everything();
}

/* Xen's machine-to-phys window, which guests may read where Xen has it. */
static void *m2p_ptr(gva_t va)
{
    uint64_t size = shared->nr_frames * sizeof(uint64_t);

    if (va >= M2P_XEN_VA && va - M2P_XEN_VA < size)
        return (void *)(V_M2P + (va - M2P_XEN_VA));
    if (va >= M2P_GUEST && va - M2P_GUEST < size)
        return (void *)(V_M2P + (va - M2P_GUEST));
    return NULL;
}

const void *vtlb_user_m2p(const struct vcpu *v, gva_t va)
{
    return v->pv.vm_assist & PV_ASSIST_BIT(VMASST_TYPE_m2p_strict) ? NULL : m2p_ptr(va);
}

/* walk_access() for the kernel, which may write to level-1 tables that it maps read-only. */
static int kernel_walk(struct vcpu *v, gva_t va, enum access access, struct walk *w,
                       uint32_t *error)
{
    if (!walk_access(v->cr3_kernel, va, access, w, error))
        return 0;
    if (m2p_ptr(va)) {
        *error |= PF_P;
        return -1;
    }
    if (*error != (PF_P | PF_W) || !ptwr_recognise(v, va, PTE_FRAME(w->pte)) ||
        walk_access(v->cr3_kernel, va, ACCESS_READ, w, error))
        return -1;
    set_accessed(w->entry, true);
    w->pte |= PTE_D;
    w->writable = true;
    return 0;
}

int vtlb_fill(struct vcpu *v, gva_t va, bool write, uint32_t *error)
{
    struct walk w;
    mfn_t mfn;

    if (va < USER_END && !mappable(va))
        return -2;
    if (kernel_walk(v, va, write ? ACCESS_WRITE : ACCESS_READ, &w, error))
        return va >= M2P_GUEST && va < LOWEST_VA ? -2 : -1;
    if (!mappable(va))
        return -2;
    mfn = PTE_FRAME(w.pte);
    if (write) {
        vtlb_frame_written(mfn);
        vcpu_frame_flags[mfn] &= (uint8_t)~FRAME_RO;
    }
    {
        struct entry *e = find(va);

        if (e && e->mfn + ((va - e->va) >> PAGE_SHIFT) == mfn && (e->writable || !write)) {
            /* Only this page's protection was in the way. */
            bool rw = e->writable && !vtlb_is_excepted(mfn);

            if (!protect_page(e, (unsigned int)((va - e->va) >> PAGE_SHIFT), rw))
                return 0;
        }
    }
    insert_run(&w, va);
    return 0;
}

bool vtlb_touch(struct vcpu *v, gva_t va)
{
    uint32_t error, before = times_dropped;
    struct walk w;

    if (va < USER_END && !user_half_mappable) {
        vtlb_forget_user_half(); /* notes of pages that now are to be mapped */
        user_half_mappable = true;
    }
    if (!find(va) && !kernel_walk(v, va, ACCESS_READ, &w, &error))
        insert_run(&w, va);
    return times_dropped == before;
}

bool vtlb_maps_user_half(void)
{
    return user_half_mappable;
}

void vtlb_forget_user_half(void)
{
    for (uint32_t i = 0; nr_outside && i < high_water; i++)
        if (entries[i].used && entries[i].va < USER_END)
            drop_entry(&entries[i]);
    user_half_mappable = false;
}

/* Only the right to write one page of a writable run has changed. */
static bool page_adjust(const struct entry *e, unsigned int k, bool rw)
{
    mfn_t mfn = e->mfn + k;

    if (rw)
        vcpu_frame_flags[mfn] &= (uint8_t)~FRAME_RO;
    else
        vcpu_frame_flags[mfn] |= FRAME_RO;
    return !protect_page(e, k, !vtlb_is_excepted(mfn));
}

/* Make page k of a run agree with its entry, if nothing but the right to write it is new. Code
 * would have to be looked at again. */
static bool page_revalidate(const struct entry *e, unsigned int k, uint64_t pte)
{
    if (!same_page(pte, e->mfn + k, e))
        return false;
    return same_rw(pte, e) ||
           (e->writable && !e->exec && page_adjust(e, k, effective_rw(pte, e->upper_rw)));
}

/* Does the run still stand for its entries, or can it be made to? */
static bool still_valid(struct vcpu *v, struct entry *e, struct walk *w)
{
    uint64_t want = e->mfn << PAGE_SHIFT | PTE_P | (e->writable ? PTE_RW : 0) |
                    (e->exec || !e->upper_exec ? 0 : PTE_NX);
    uint64_t ignored = PTE_RIGHTS_IGNORED | (e->upper_exec ? 0 : PTE_NX);
    const uint8_t *flags = &vcpu_frame_flags[e->mfn];
    uint32_t error;

    if (walk(v->cr3_kernel, e->va, ACCESS_READ, w, &error) || w->upper_rw != e->upper_rw ||
        w->upper_exec != e->upper_exec)
        return false;
    e->table = w->table;
    for (unsigned int k = 0; k < e->pages; k++, want += PAGE_SIZE) {
        uint64_t pte = __atomic_load_n(&w->entry[k], __ATOMIC_RELAXED);

        if (((pte & ~ignored) != want || (flags[k] & FRAME_RO)) && !page_revalidate(e, k, pte))
            return false;
    }
    return true;
}

void vtlb_doubt(void)
{
    doubt = true;
}

/* May the levels above level 1 be others than those that entries were compared with? */
static bool uppers_differ(const struct vcpu *v)
{
    const uint64_t *root = ram_linear(v->cr3_kernel);

    if (doubt || uppers != seal_uppers())
        return true;
    for (unsigned int i = 0; i < ARRAY_SIZE(top); i++)
        if ((root[TOP_FIRST + i] ^ top[i]) & ~(PTE_A | PTE_D))
            return true;
    return false;
}

/* Wish for seals of the tables above an entry. */
static void want_uppers(const struct walk *w)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(w->upper); i++) {
        if (seal_holds(w->upper[i], true))
            continue;
        doubt = true;
        seal_want(w->upper[i], true);
    }
}

/* Compare an entry with its tables. */
static void compare_entry(struct vcpu *v, struct entry *e, bool all)
{
    uint32_t version = seal_version(e->table);
    bool sealed = seal_holds(e->table, false);
    mfn_t table = e->table;
    struct walk w;

    if (!still_valid(v, e, &w)) {
        drop_entry(e);
        return;
    }
    e->known = sealed && e->table == table;
    e->version = version;
    if (all)
        want_uppers(&w);
    if (!sealed)
        seal_want(e->table, false);
}

static bool is_unchanged(const struct entry *e)
{
    return e->known && seal_holds(e->table, false) && e->version == seal_version(e->table);
}

/* Compare all entries with the tables, or those whose table may have been written. */
static void compare_entries(struct vcpu *v, bool all)
{
    for (uint32_t i = 0; i < high_water; i++)
        if (entries[i].used && (all || !is_unchanged(&entries[i])))
            compare_entry(v, &entries[i], all);
}

void vtlb_flush(struct vcpu *v)
{
    bool all;

    ptwr_forget();
    all = nr_outside || uppers_differ(v);
    soft_tlb_clear();
    if (all) {
        doubt = false;
        uppers = seal_uppers();
        memcpy(top, (const uint64_t *)ram_linear(v->cr3_kernel) + TOP_FIRST, sizeof(top));
    }
    compare_entries(v, all);
}

void vtlb_invlpg(struct vcpu *v, gva_t va)
{
    struct entry *e = find(va);
    struct walk w;

    soft_tlb_drop(va);
    if (e && !still_valid(v, e, &w))
        drop_entry(e);
}

/* Every mapping of one frame: RAM runs are few, so a scan is fine for a rare event. */
void vtlb_protect_frame(mfn_t mfn)
{
    soft_tlb_clear();
    local_forget_writable();
    for (uint32_t i = 0; i < high_water; i++) {
        const struct entry *e = &entries[i];

        if (e->used && e->writable && mfn >= e->mfn && mfn < e->mfn + e->pages &&
            protect_page(e, (unsigned int)(mfn - e->mfn), false))
            drop_everything();
    }
}

static void *fill_soft_tlb(gva_t va, const struct walk *w)
{
    struct soft_tlb_entry *t = &soft_tlb[va >> PAGE_SHIFT & (ARRAY_SIZE(soft_tlb) - 1)];
    mfn_t mfn = PTE_FRAME(w->pte);
    bool rw = w->writable && (w->pte & PTE_D) && !vtlb_is_excepted(mfn);

    if (breakpoints_in_page(&vcpu, va))
        return (void *)(V_RAM + (mfn << PAGE_SHIFT) + (va & ~PAGE_MASK));
    if (t->tag_read == ~0ull && nr_filled++ < ARRAY_SIZE(filled))
        filled[nr_filled - 1] = (uint8_t)(t - soft_tlb);
    t->tag_read = va & PAGE_MASK;
    t->tag_write = rw ? va & PAGE_MASK : ~0ull;
    t->delta = V_RAM + (mfn << PAGE_SHIFT) - (va & PAGE_MASK);
    return (void *)(va + t->delta);
}

void *vtlb_kernel_ptr(struct vcpu *v, gva_t va, enum access access, struct fault *f)
{
    const struct soft_tlb_entry *t = &soft_tlb[va >> PAGE_SHIFT & (ARRAY_SIZE(soft_tlb) - 1)];
    struct walk w;
    uint32_t error;
    void *m2p;

    if ((access == ACCESS_WRITE ? t->tag_write : t->tag_read) == (va & PAGE_MASK) &&
        access != ACCESS_EXEC)
        return (void *)(va + t->delta);
    if ((uint64_t)((int64_t)(va << 16) >> 16) != va) {
        *f = (struct fault){.vector = VEC_GP, .has_error = true};
        return NULL;
    }
    m2p = access == ACCESS_READ ? m2p_ptr(va) : NULL;
    if (m2p)
        return m2p;
    if (kernel_walk(v, va, access, &w, &error)) {
        *f = (struct fault){.vector = VEC_PF, .has_error = true, .error = error, .cr2 = va};
        return NULL;
    }
    if (access == ACCESS_WRITE)
        vtlb_frame_written(PTE_FRAME(w.pte));
    return fill_soft_tlb(va, &w);
}
