/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_layout.c - see pv_layout.h.
 *
 * Inputs are bounded (sizes below 2^46 bytes), so that sums of a few of them cannot overflow;
 * only additions to virt_base can, and those are checked.
 */
#include "builder/pv_layout.h"

#include <errno.h>

#define REGION_ALIGN (4ull << 20)
#define REGION_SLACK (512ull << 10)
#define SIZE_LIMIT (1ull << 46)

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* Does [first, last] lie in one of the two parts of the address space that guests have? */
static bool is_guest_range(gva_t first, gva_t last)
{
    return first <= last && (last < PV_HOLE_START || first >= PV_HOLE_END);
}

static unsigned int level_shift(int level)
{
    return PAGE_SHIFT + 9 * (unsigned int)level;
}

/* Tables of one level needed to map [first, last], without those that [have_first, have_last]
 * (above it, not overlapping) already has. */
static uint64_t count_level(int level, gva_t first, gva_t last, gva_t have_first)
{
    unsigned int shift = level_shift(level);
    uint64_t n = (last >> shift) - (first >> shift) + 1;

    /* Below and disjoint: at most the topmost table is shared. */
    return (last >> shift) == (have_first >> shift) ? n - 1 : n;
}

/* The kernel mapping's tables: nothing is there before it. */
static uint64_t count_tables(struct pv_table_counts *counts, gva_t first, gva_t last)
{
    uint64_t sum = 1;
    int level;

    *counts = (struct pv_table_counts){.level[4] = 1};
    for (level = 1; level <= 3; level++) {
        unsigned int shift = level_shift(level);

        counts->level[level] = (last >> shift) - (first >> shift) + 1;
        sum += counts->level[level];
    }
    return sum;
}

/* Choose the number of tables and the end of the mapping, which depend on each other. Both
 * only grow from round to round, and the tables by less than the mapping. */
static int close_region(struct pv_layout *l, struct err *err)
{
    gva_t end, last;
    uint64_t n;

    for (n = 0;; n = l->nr_tables) {
        l->stack = l->tables + n;
        if (__builtin_add_overflow(pv_layout_va(l, l->stack + 1), REGION_SLACK + REGION_ALIGN - 1,
                                   &end) ||
            pv_layout_va(l, l->stack + 1) < l->virt_base)
            break;
        end &= ~(REGION_ALIGN - 1);
        last = end - 1;
        if (!is_guest_range(l->virt_base, last))
            break;
        l->nr_tables = count_tables(&l->table_counts, l->virt_base, last);
        l->mapped_end = (end - l->virt_base) >> PAGE_SHIFT;
        if (l->nr_tables == n)
            return 0;
    }
    return err_set(err, ENOEXEC, "the kernel wants to be mapped at 0x%llx, where it does not fit",
                   (unsigned long long)l->virt_base);
}

/* Is the place that INIT_P2M asks for usable? If not, it counts as not asked. */
static bool use_init_p2m(const struct pv_layout_input *in)
{
    const struct xen_notes *notes = in->notes;
    gva_t last = notes->init_p2m + pages_of(in->nr_pages * 8) * PAGE_SIZE - 1;

    return notes->has_init_p2m && notes->init_p2m % PAGE_SIZE == 0 &&
           is_guest_range(notes->init_p2m, last) && last < notes->virt_base;
}

static void place_unmapped(struct pv_layout *l)
{
    pfn_t at = l->mapped_end;
    int level;

    if (l->initrd_pages && !l->initrd_mapped) {
        l->initrd = at;
        at += l->initrd_pages;
    }
    if (!l->p2m_mapped) {
        l->p2m = at;
        l->p2m_tables = at + l->p2m_pages;
        for (level = 1; level <= 3; level++) {
            l->p2m_table_counts.level[level] = count_level(
                level, l->p2m_va, l->p2m_va + l->p2m_pages * PAGE_SIZE - 1, l->virt_base);
            l->nr_p2m_tables += l->p2m_table_counts.level[level];
        }
        at = l->p2m_tables + l->nr_p2m_tables;
    }
    l->used_pages = at;
}

static int check_input(const struct pv_layout_input *in, struct err *err)
{
    if (in->notes->virt_base % PAGE_SIZE)
        return err_set(err, ENOEXEC, "the kernel's VIRT_BASE 0x%llx is not page aligned",
                       (unsigned long long)in->notes->virt_base);
    if (in->kernel_end >= SIZE_LIMIT || in->initrd_size >= SIZE_LIMIT ||
        in->nr_pages >= SIZE_LIMIT >> PAGE_SHIFT)
        return err_set(err, ENOEXEC, "the kernel's load address is out of range");
    return 0;
}

int pv_layout_compute(struct pv_layout *layout, const struct pv_layout_input *in, struct err *err)
{
    struct pv_layout *l = layout;
    pfn_t at;
    int rc = check_input(in, err);

    if (rc)
        return rc;
    *l = (struct pv_layout){
        .virt_base = in->notes->virt_base,
        .kernel_end = pages_of(in->kernel_end),
        .initrd_mapped = !in->notes->mod_start_pfn,
        .initrd_pages = pages_of(in->initrd_size),
        .p2m_mapped = !use_init_p2m(in),
        .p2m_pages = pages_of(in->nr_pages * 8),
    };
    at = l->kernel_end;
    if (l->initrd_pages && l->initrd_mapped) {
        l->initrd = at;
        at += l->initrd_pages;
    }
    if (l->p2m_mapped) {
        l->p2m = at;
        at += l->p2m_pages;
    }
    l->p2m_va = l->p2m_mapped ? pv_layout_va(l, l->p2m) : in->notes->init_p2m;
    l->start_info = at++;
    l->store = at++;
    l->console = at++;
    l->tables = at;
    rc = close_region(l, err);
    if (rc)
        return rc;
    place_unmapped(l);
    return 0;
}

uint64_t pv_layout_minimum(const struct pv_layout_input *input)
{
    struct pv_layout_input in = *input;
    struct pv_layout layout;

    /* used_pages grows with nr_pages by 1/512, so this settles within a few rounds. */
    in.nr_pages = 1;
    for (;;) {
        if (pv_layout_compute(&layout, &in, NULL))
            return 0;
        if (layout.used_pages <= in.nr_pages)
            return in.nr_pages;
        in.nr_pages = layout.used_pages;
    }
}
