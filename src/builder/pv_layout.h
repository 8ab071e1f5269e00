/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_layout.h - where everything goes in the memory of a new PV domain. Pure arithmetic on
 * page numbers: nothing is read or written here.
 *
 * Order, all from pfn 0 upwards and mapped at virt_base + pfn * 4096: padding, kernel, [initrd],
 * [p2m list], start_info, xenstore page, console page, page tables (L4, L3s, L2s, L1s), boot
 * stack, free pages up to a 4 MiB boundary with at least 512 KiB behind the stack. Behind the
 * mapping: [initrd], [p2m list and its own page tables].
 */
#pragma once

#include "base/err.h"
#include "base/types.h"
#include "builder/elfnote.h"

/* The hypervisor's part of every address space; above it the guest's again. */
#define PV_HOLE_START 0x0000800000000000ull /* first non-canonical address, really */
#define PV_HOLE_END 0xffff880000000000ull

struct pv_layout_input {
    const struct xen_notes *notes;
    uint64_t kernel_start, kernel_end; /* bytes from pfn 0; symbol table word included */
    uint64_t initrd_size;              /* bytes, 0 = none */
    uint64_t nr_pages;                 /* of the domain */
};

/* How many page-table pages of each level; [0] is unused, [4] is 0 or 1. */
struct pv_table_counts {
    uint64_t level[5];
};

struct pv_layout {
    gva_t virt_base;
    pfn_t kernel_end;               /* first page behind the kernel */
    bool initrd_mapped, p2m_mapped; /* within the kernel mapping */
    pfn_t initrd;
    uint64_t initrd_pages;
    pfn_t p2m;
    uint64_t p2m_pages;
    gva_t p2m_va;
    pfn_t start_info, store, console;
    pfn_t tables; /* the L4; the others follow */
    struct pv_table_counts table_counts;
    uint64_t nr_tables;
    pfn_t stack;
    pfn_t mapped_end; /* pages [0, mapped_end) are mapped at virt_base */
    pfn_t p2m_tables; /* if !p2m_mapped */
    struct pv_table_counts p2m_table_counts;
    uint64_t nr_p2m_tables;
    uint64_t used_pages; /* the domain needs at least so many */
};

/* Fill *layout. 0 or -ENOEXEC (addresses that cannot be, with a sentence). Whether the domain
 * has used_pages is for the caller to check. Guest ABI: domain builder, virtual region. */
int pv_layout_compute(struct pv_layout *layout, const struct pv_layout_input *input,
                      struct err *err) MUST_CHECK;

/* The least nr_pages with which this kernel fits. 0 if none does. */
uint64_t pv_layout_minimum(const struct pv_layout_input *input);

static inline gva_t pv_layout_va(const struct pv_layout *layout, pfn_t pfn)
{
    return layout->virt_base + (pfn << PAGE_SHIFT);
}
