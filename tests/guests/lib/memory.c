/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory.c - pages and page tables, under the rules of a PV guest: a page must be mapped
 * read-only before it becomes a page table, and tables in use change by hypercall.
 *
 * Spare pages come from the end of the initially mapped region: the builder maps everything
 * behind the boot stack up to a 4 MiB boundary, at least 512 KiB.
 */
#include "guest.h"

static uint64_t next_pfn, end_pfn;

static const uint64_t *p2m(void)
{
    return (const uint64_t *)start_info->mfn_list;
}

const uint64_t *m2p(void)
{
    static uint64_t start;
    struct xen_machphys_mapping mapping;

    if (!start)
        start = memory_op(XENMEM_machphys_mapping, &mapping) == 0 ? mapping.v_start
                                                                  : 0xffff800000000000ul;
    return (const uint64_t *)start;
}

uint64_t va_to_mfn(const void *va)
{
    return p2m()[((uintptr_t)va - VIRT_BASE) >> PAGE_SHIFT];
}

void *mfn_to_va(uint64_t mfn)
{
    return (void *)(VIRT_BASE + (m2p()[mfn] << PAGE_SHIFT));
}

void *page_alloc(void)
{
    void *page;

    if (!next_pfn) {
        /* The boot stack page follows the page tables. */
        next_pfn = ((start_info->pt_base - VIRT_BASE) >> PAGE_SHIFT) + start_info->nr_pt_frames + 1;
        end_pfn = (next_pfn + 128) & ~127ul; /* 512 KiB are promised */
    }
    if (next_pfn >= end_pfn) {
        error("out of pages");
        finish();
    }
    page = (void *)(VIRT_BASE + (next_pfn++ << PAGE_SHIFT));
    memset(page, 0, PAGE_SIZE);
    return page;
}

uint64_t *pte_of(uint64_t va, unsigned int level)
{
    uint64_t *table = (uint64_t *)start_info->pt_base;

    for (unsigned int at = 4;; at--) {
        uint64_t *entry = &table[va >> (PAGE_SHIFT + 9 * (at - 1)) & 511];

        if (at == level)
            return entry;
        if (!(*entry & PTE_P))
            return NULL;
        table = mfn_to_va((*entry & PTE_FRAME) >> PAGE_SHIFT);
    }
}

static long set_entry(uint64_t *entry, uint64_t value)
{
    mmu_update_t req = {.ptr = va_to_maddr(entry), .val = value};

    return mmu_update(&req, 1, NULL);
}

/* Make the table of level-1 that entry should point to. */
static long add_table(uint64_t *entry)
{
    void *table = page_alloc();
    long rc =
        update_va_mapping((uintptr_t)table, va_to_mfn(table) << PAGE_SHIFT | PTE_P, UVMF_INVLPG);

    return rc ? rc : set_entry(entry, va_to_mfn(table) << PAGE_SHIFT | PTE_P | PTE_RW | PTE_U);
}

long map(uint64_t va, uint64_t mfn, uint64_t flags)
{
    struct mmuext_op op = {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = va};
    long rc;

    for (unsigned int level = 4; level > 1; level--) {
        uint64_t *entry = pte_of(va, level);

        if (!(*entry & PTE_P)) {
            rc = add_table(entry);
            if (rc)
                return rc;
        }
    }
    rc = set_entry(pte_of(va, 1), flags ? mfn << PAGE_SHIFT | flags : 0);
    return rc ? rc : mmuext_op(&op, 1, NULL);
}

long unmap(uint64_t va)
{
    return map(va, 0, 0);
}

long remap(const void *va, uint64_t flags)
{
    return update_va_mapping((uintptr_t)va, flags ? va_to_mfn(va) << PAGE_SHIFT | flags : 0,
                             UVMF_INVLPG);
}

void user_root_init(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR,
                           .arg1.mfn = va_to_mfn((void *)start_info->pt_base)};

    if (mmuext_op(&op, 1, NULL))
        error("MMUEXT_NEW_USER_BASEPTR failed");
}
