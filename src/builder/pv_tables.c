/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_tables.c - see pv_tables.h.
 *
 * Flags are what Xen's builder uses and Linux relies on: leaves P|RW|A, no U, no D; upper
 * levels P|RW|U|A|D; a leaf that maps a page-table page is read-only. Tables of one level are
 * taken in ascending order from that level's own run of pages, hence the order L4, L3s, L2s,
 * L1s that Linux expects comes out whatever the order of creation.
 */
#include "builder/pv_tables.h"

#include "builder/pv_pages.h"

#define PTE_P 0x01ull
#define PTE_RW 0x02ull
#define PTE_U 0x04ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_LEAF (PTE_P | PTE_RW | PTE_A)
#define PTE_UPPER (PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D)
#define PTES 512u

struct tables {
    struct ram *ram;
    const struct pv_layout *layout;
    pfn_t next[4]; /* of each level 1..3: the next unused page */
};

static unsigned int index_of(gva_t va, int level)
{
    return (unsigned int)(va >> (PAGE_SHIFT + 9 * (level - 1))) % PTES;
}

/* Set out the runs of L3, L2 and L1 pages that start at `first`. */
static void set_runs(struct tables *t, pfn_t first, const struct pv_table_counts *counts)
{
    int level;

    for (level = 3; level >= 1; level--) {
        t->next[level] = first;
        first += counts->level[level];
    }
}

/* The L1 table for va; makes what is missing on the way. */
static uint64_t *leaf_table(struct tables *t, gva_t va)
{
    pfn_t pfn = t->layout->tables;
    uint64_t *entry;
    int level;

    for (level = 4; level > 1; level--) {
        entry = (uint64_t *)pv_page(t->ram, pfn) + index_of(va, level);
        if (!*entry)
            *entry = pv_mfn(t->next[level - 1]++) << PAGE_SHIFT | PTE_UPPER;
        pfn = pv_pfn(*entry >> PAGE_SHIFT);
    }
    return pv_page(t->ram, pfn);
}

static uint64_t leaf(const struct pv_layout *l, pfn_t pfn)
{
    uint64_t pte = pv_mfn(pfn) << PAGE_SHIFT | PTE_LEAF;

    return pfn >= l->tables && pfn < l->tables + l->nr_tables ? pte & ~PTE_RW : pte;
}

static void map(struct tables *t, gva_t va, pfn_t pfn, uint64_t count)
{
    uint64_t *table = NULL;

    for (; count; count--, pfn++, va += PAGE_SIZE) {
        if (!table || index_of(va, 1) == 0)
            table = leaf_table(t, va);
        table[index_of(va, 1)] = leaf(t->layout, pfn);
    }
}

void pv_tables_build(struct ram *ram, const struct pv_layout *l)
{
    struct tables t = {.ram = ram, .layout = l};

    set_runs(&t, l->tables + 1, &l->table_counts);
    map(&t, l->virt_base, 0, l->mapped_end);
    if (!l->p2m_mapped) {
        set_runs(&t, l->p2m_tables, &l->p2m_table_counts);
        map(&t, l->p2m_va, l->p2m, l->p2m_pages);
    }
}
