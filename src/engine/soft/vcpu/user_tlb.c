/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_tlb.c - see user_tlb.h. A node holds the entries of 64 consecutive pages, so that a
 * revalidation walks the page tables once per node and then compares. Nodes of all spaces come
 * from one pool and are found by a hash of (space, address); each space has a list of its own.
 */
#include "engine/soft/vcpu/user_tlb.h"

#include "engine/soft/vcpu/low_wish.h"
#include "engine/soft/vcpu/patch.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/walk.h"

#define NODE_PAGES 64
#define NODE_SHIFT (PAGE_SHIFT + 6)
#define NR_NODES 12288
#define HASH_BITS 14
#define AROUND 16 /* pages mapped by one fault, aligned; within one page table */

#define PROT_R 1u
#define PROT_W 2u
#define PROT_X 4u

/* A mapping stands for these bits of its entry; A and D only count when they were cleared. */
#define PTE_RIGHTS (PTE_P | PTE_RW | PTE_NX | 0x000ffffffffff000ull)

struct node {
    uint64_t tag;                       /* va >> NODE_SHIFT */
    uint64_t mapped, writable, patched; /* bit per page */
    uint32_t hash_next;
    uint32_t next, prev; /* list of the space */
    uint8_t space;
    bool upper_write, upper_exec; /* rights above the leaf, when entries were made */
    uint64_t pte[NODE_PAGES];
};

/* A leaf page table and what the levels above it allow. */
struct leaf_table {
    uint64_t *entries;
    bool write, exec;
};

struct space spaces[STUB_MAX];

static struct node nodes[NR_NODES]; /* [0] is unused: 0 means none */
static uint32_t hash_heads[1 << HASH_BITS];
static uint32_t free_head, never_used = 1;

static bool leaf_table_find(mfn_t root, gva_t va, struct leaf_table *ret)
{
    mfn_t table = root;
    uint64_t all = PTE_RW, any = 0;

    for (int shift = 39; shift > PAGE_SHIFT; shift -= 9) {
        const uint64_t *t = env_frame(table);
        uint64_t e;

        if (!t)
            return false;
        e = __atomic_load_n(&t[va >> shift & 511], __ATOMIC_RELAXED);
        if (!(e & PTE_P) || (e & PTE_PS))
            return false;
        all &= e;
        any |= e;
        table = PTE_FRAME(e);
    }
    ret->entries = env_frame(table);
    ret->write = all & PTE_RW;
    ret->exec = !(any & PTE_NX);
    return ret->entries;
}

/* ---- nodes ---- */

static uint32_t *hash_head(const struct space *sp, uint64_t tag)
{
    uint64_t key = tag * 64 + (uint64_t)(sp - spaces);

    return &hash_heads[key * 0x9e3779b97f4a7c15ull >> (64 - HASH_BITS)];
}

static struct node *node_find(const struct space *sp, gva_t va)
{
    uint64_t tag = va >> NODE_SHIFT;
    uint32_t i = *hash_head(sp, tag);

    while (i && (nodes[i].tag != tag || nodes[i].space != sp - spaces))
        i = nodes[i].hash_next;
    return i ? &nodes[i] : NULL;
}

static struct node *node_new(struct space *sp, gva_t va)
{
    uint32_t i = free_head, *head;
    struct node *n;

    if (i)
        free_head = nodes[i].next;
    else if (never_used < NR_NODES)
        i = never_used++;
    else
        return NULL;
    n = &nodes[i];
    n->tag = va >> NODE_SHIFT;
    n->mapped = n->writable = n->patched = 0;
    n->space = (uint8_t)(sp - spaces);
    head = hash_head(sp, n->tag);
    n->hash_next = *head;
    *head = i;
    n->prev = 0;
    n->next = sp->nodes;
    if (sp->nodes)
        nodes[sp->nodes].prev = i;
    sp->nodes = i;
    return n;
}

static void node_free(struct space *sp, struct node *n)
{
    uint32_t i = (uint32_t)(n - nodes), *link = hash_head(sp, n->tag);

    while (*link != i)
        link = &nodes[*link].hash_next;
    *link = n->hash_next;
    if (n->prev)
        nodes[n->prev].next = n->next;
    else
        sp->nodes = n->next;
    if (n->next)
        nodes[n->next].prev = n->prev;
    n->next = free_head;
    free_head = i;
}

static gva_t node_va(const struct node *n, unsigned int page)
{
    return (n->tag << NODE_SHIFT) + ((gva_t)page << PAGE_SHIFT);
}

static unsigned int page_in_node(gva_t va)
{
    return (unsigned int)(va >> PAGE_SHIFT) % NODE_PAGES;
}

/* Forget an entry, without unmapping. */
static void entry_clear(struct node *n, unsigned int page)
{
    uint64_t bit = 1ull << page;

    if (n->patched & bit)
        patch_unref(PTE_FRAME(n->pte[page]), node_va(n, page));
    n->mapped &= ~bit;
    n->writable &= ~bit;
    n->patched &= ~bit;
}

static void entry_drop(struct space *sp, struct node *n, unsigned int page)
{
    entry_clear(n, page);
    stub_unmap(sp->stub, node_va(n, page), PAGE_SIZE);
    user_stats.unmaps++;
}

/* A node for va; under pressure the space starts again from nothing. */
static struct node *node_get(struct space *sp, gva_t va)
{
    struct node *n = node_find(sp, va);

    if (!n)
        n = node_new(sp, va);
    if (!n) {
        user_tlb_forget(sp);
        stub_unmap_all(sp->stub);
        sp->windows = false;
        n = node_new(sp, va);
    }
    return n;
}

/* ---- filling ---- */

/* The program's own pages are, or are about to be, where trampolines and table would be. */
static bool near_windows(gva_t va)
{
    const gva_t guard = 4ul << 20;

    return va < 2ul << 20 ||
           (va >= PATCH_TABLE - guard && va < PATCH_TABLE + PATCH_TABLE_SIZE + guard);
}

void user_tlb_give_up_patching(struct space *sp)
{
    sp->no_patch = true;
    if (!sp->windows)
        return;
    for (uint32_t i = sp->nodes; i; i = nodes[i].next)
        for (uint64_t left = nodes[i].patched; left; left &= left - 1)
            entry_drop(sp, &nodes[i], (unsigned int)__builtin_ctzll(left));
    stub_unmap(sp->stub, PATCH_TRAMP, PATCH_TRAMP_SIZE);
    stub_unmap(sp->stub, PATCH_TABLE, PATCH_TABLE_SIZE);
    sp->windows = false;
}

static bool windows_map(struct space *sp)
{
    struct leaf_table t;

    if (sp->windows)
        return true;
    if (sp->no_patch || sp->stub->kind != STUB_WANT_LOW ||
        leaf_table_find(sp->root, PATCH_TRAMP, &t) ||
        leaf_table_find(sp->root, PATCH_TABLE - (2ul << 20), &t) ||
        leaf_table_find(sp->root, PATCH_TABLE, &t)) {
        sp->no_patch = true;
        return false;
    }
    stub_map(sp->stub, PATCH_TRAMP, PATCH_TRAMP_SIZE, patch_tramp_offset(), PROT_R | PROT_X);
    stub_map(sp->stub, PATCH_TABLE, PATCH_TABLE_SIZE, patch_table_offset(), PROT_R);
    sp->windows = true;
    return true;
}

static void entry_make(struct space *sp, struct node *n, gva_t va, uint64_t pte, uint32_t prot)
{
    unsigned int page = page_in_node(va);
    uint64_t bit = 1ull << page, offset = PTE_FRAME(pte) << PAGE_SHIFT;
    mfn_t frame = PTE_FRAME(pte);
    bool patchable = (prot & PROT_X) && !(prot & PROT_W); /* a copy is nobody's to write */

    entry_clear(n, page);
    if ((prot & PROT_W) && frame_is_watched(frame))
        env_frame_written(frame);
    if (patchable && !(vcpu_frame_flags[frame] & FRAME_LOOKED_AT))
        patch_look_at(frame, va);
    if (patchable && (vcpu_frame_flags[frame] & FRAME_PATCHED) &&
        (!patch_wants_windows(frame, va) || windows_map(sp)) && patch_ref(frame, va, &offset))
        n->patched |= bit;
    n->pte[page] = pte;
    n->mapped |= bit;
    if (prot & PROT_W)
        n->writable |= bit;
    stub_map(sp->stub, va, PAGE_SIZE, offset, prot);
    user_stats.maps++;
}

static void fill_around(struct space *sp, const struct leaf_table *t, gva_t va)
{
    gva_t first = va & ~(AROUND * PAGE_SIZE - 1);
    struct node *n = node_get(sp, va);

    if (n->mapped && (n->upper_write != t->write || n->upper_exec != t->exec)) {
        for (uint64_t left = n->mapped; left; left &= left - 1)
            entry_drop(sp, n, (unsigned int)__builtin_ctzll(left));
    }
    n->upper_write = t->write;
    n->upper_exec = t->exec;
    for (gva_t at = first; at < first + AROUND * PAGE_SIZE; at += PAGE_SIZE) {
        uint64_t *entry = &t->entries[at >> PAGE_SHIFT & 511];
        uint64_t e = __atomic_load_n(entry, __ATOMIC_RELAXED);
        bool is_it = at == (va & PAGE_MASK);
        uint32_t prot = PROT_R;

        if (!(e & PTE_P) || !frame_exists(PTE_FRAME(e)))
            continue;
        if (!is_it && (n->mapped & 1ull << page_in_node(at)))
            continue;
        if (stub_is_at(sp->stub->kind, at))
            continue;
        if (!pte_set_bits(entry, &e, PTE_A))
            continue;
        if (t->write && (e & PTE_RW) && (e & PTE_D) && (is_it || !frame_is_watched(PTE_FRAME(e))))
            prot |= PROT_W;
        if (t->exec && !(e & PTE_NX))
            prot |= PROT_X;
        entry_make(sp, n, at, e, prot);
    }
}

/* Any page of [va, end), which is within one page table. */
static bool maps_any(mfn_t root, gva_t va, gva_t end)
{
    struct leaf_table t;
    uint64_t any = 0;

    if (!leaf_table_find(root, va, &t))
        return false;
    for (; va < end; va += PAGE_SIZE)
        any |= __atomic_load_n(&t.entries[va >> PAGE_SHIFT & 511], __ATOMIC_RELAXED);
    return any & PTE_P;
}

bool user_tlb_maps(mfn_t root, gva_t va)
{
    return maps_any(root, va & PAGE_MASK, (va & PAGE_MASK) + PAGE_SIZE);
}

_Static_assert((STUB_GUARD ^ (STUB_END + STUB_ASIDE_BY - 1)) >> 21 == 0, "one page table");

enum stub_place user_tlb_place(mfn_t root)
{
    unsigned int wishes = low_wish_of(root);

    if (!(wishes & WISH_LOW) && !maps_any(root, 0, STUB_END))
        return PLACE_LOW;
    if ((wishes & WISH_ASIDE) || maps_any(root, STUB_GUARD, STUB_END + STUB_ASIDE_BY))
        return PLACE_NONE;
    return maps_any(root, 0, STUB_LOW) ? PLACE_ASIDE_PARTLY : PLACE_ASIDE;
}

bool user_tlb_fill(struct space *sp, gva_t va, enum access access, uint32_t *error)
{
    struct leaf_table t;
    uint64_t *entry, e, want = PTE_A | (access == ACCESS_WRITE ? PTE_D : 0);

    *error = access == ACCESS_WRITE ? PF_W : access == ACCESS_EXEC ? PF_I : 0;
    if (!leaf_table_find(sp->root, va, &t))
        return false;
    entry = &t.entries[va >> PAGE_SHIFT & 511];
    e = __atomic_load_n(entry, __ATOMIC_RELAXED);
    if (!(e & PTE_P) || !frame_exists(PTE_FRAME(e)))
        return false;
    if ((access == ACCESS_WRITE && !(t.write && (e & PTE_RW))) ||
        (access == ACCESS_EXEC && (!t.exec || (e & PTE_NX)))) {
        *error |= PF_P;
        return false;
    }
    if (!pte_set_bits(entry, &e, want))
        return true; /* the program finds out what it is now */
    if (!sp->no_patch && near_windows(va))
        user_tlb_give_up_patching(sp);
    fill_around(sp, &t, va);
    return true;
}

/* ---- dropping ---- */

static bool entry_is_current(const struct node *n, unsigned int page, const struct leaf_table *t)
{
    uint64_t was = n->pte[page];
    uint64_t is =
        __atomic_load_n(&t->entries[node_va(n, page) >> PAGE_SHIFT & 511], __ATOMIC_RELAXED);
    uint64_t watched = PTE_A | (n->writable & 1ull << page ? PTE_D : 0);

    return !((was ^ is) & PTE_RIGHTS) && !(was & ~is & watched);
}

static unsigned int node_revalidate(struct space *sp, struct node *n, uint64_t pages)
{
    struct leaf_table t;
    bool same = leaf_table_find(sp->root, node_va(n, 0), &t) && t.write == n->upper_write &&
                t.exec == n->upper_exec;
    unsigned int dropped = 0;

    for (uint64_t left = n->mapped & pages; left; left &= left - 1) {
        unsigned int page = (unsigned int)__builtin_ctzll(left);

        if (same && entry_is_current(n, page, &t))
            continue;
        entry_drop(sp, n, page);
        dropped++;
    }
    if (!n->mapped)
        node_free(sp, n);
    return dropped;
}

unsigned int user_tlb_revalidate(struct space *sp)
{
    unsigned int dropped = 0;

    for (uint32_t i = sp->nodes, next; i; i = next) {
        next = nodes[i].next;
        dropped += node_revalidate(sp, &nodes[i], ~0ull);
    }
    return dropped;
}

bool user_tlb_revalidate_page(struct space *sp, gva_t va)
{
    struct node *n = node_find(sp, va);

    return n && node_revalidate(sp, n, 1ull << page_in_node(va));
}

void user_tlb_drop_page(struct space *sp, gva_t va)
{
    struct node *n = node_find(sp, va);

    if (n && (n->mapped & 1ull << page_in_node(va)))
        entry_drop(sp, n, page_in_node(va));
}

void user_tlb_forget(struct space *sp)
{
    while (sp->nodes) {
        struct node *n = &nodes[sp->nodes];

        for (uint64_t left = n->patched; left; left &= left - 1)
            entry_clear(n, (unsigned int)__builtin_ctzll(left));
        node_free(sp, n);
    }
}

/* ---- asking ---- */

bool user_tlb_lookup(const struct space *sp, gva_t va, mfn_t *ret_frame, bool *ret_patched)
{
    const struct node *n = node_find(sp, va);
    uint64_t bit = 1ull << page_in_node(va);

    if (!n || !(n->mapped & bit))
        return false;
    *ret_frame = PTE_FRAME(n->pte[page_in_node(va)]);
    *ret_patched = n->patched & bit;
    return true;
}

bool user_tlb_frame_is_writable(mfn_t frame)
{
    for (unsigned int s = 0; s < STUB_MAX; s++) {
        if (spaces[s].root == INVALID_MFN)
            continue;
        for (uint32_t i = spaces[s].nodes; i; i = nodes[i].next)
            for (uint64_t left = nodes[i].writable; left; left &= left - 1)
                if (PTE_FRAME(nodes[i].pte[__builtin_ctzll(left)]) == frame)
                    return true;
    }
    return false;
}

void user_tlb_drop_patched(gva_t va, mfn_t frame)
{
    for (unsigned int s = 0; s < STUB_MAX; s++) {
        struct space *sp = &spaces[s];
        struct node *n = sp->root == INVALID_MFN ? NULL : node_find(sp, va);
        unsigned int page = page_in_node(va);

        if (n && (n->patched & 1ull << page) && PTE_FRAME(n->pte[page]) == frame)
            entry_drop(sp, n, page);
    }
}

void user_tlb_drop_writable(mfn_t frame)
{
    for (unsigned int s = 0; s < STUB_MAX; s++) {
        struct space *sp = &spaces[s];

        if (sp->root == INVALID_MFN)
            continue;
        for (uint32_t i = sp->nodes; i; i = nodes[i].next)
            for (uint64_t left = nodes[i].writable; left; left &= left - 1) {
                unsigned int page = (unsigned int)__builtin_ctzll(left);

                if (PTE_FRAME(nodes[i].pte[page]) == frame)
                    entry_drop(sp, &nodes[i], page);
            }
    }
}
