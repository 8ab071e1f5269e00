/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start-state - claim: start_info, the page tables, p2m and m2p are as the domain builder's
 * ABI says: magic, sizes, flags, frames of store and console mapped, page tables read-only,
 * p2m and m2p inverse to each other, shared_info not in the m2p, padding below the kernel
 * mapped, the region mapped up to a 4 MiB boundary with 512 KiB to spare.
 *
 * Blind spots: registers at the entry point (the library has used them by now), initrd.
 */
#include "guest.h"

static void check_start_info(void)
{
    CHECK(!memcmp(start_info->magic, "xen-3.0-x86_64", 15), "magic is %s", start_info->magic);
    CHECK(start_info->nr_pages >= 1024, "nr_pages %lu", start_info->nr_pages);
    CHECK_EQ(start_info->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN), 0, "privilege flags");
    CHECK_EQ(start_info->shared_info & (PAGE_SIZE - 1), 0, "shared_info is a machine address");
    CHECK(start_info->shared_info != 0, "no shared_info");
    CHECK(start_info->store_evtchn && start_info->console.domU.evtchn, "store or console port 0");
    CHECK(start_info->store_evtchn != start_info->console.domU.evtchn, "same port twice");
    CHECK_EQ(start_info->mod_len, 0, "module length without a ramdisk");
    CHECK_EQ(start_info->mfn_list % PAGE_SIZE, 0, "p2m list alignment");
    CHECK_EQ(start_info->first_p2m_pfn, 0, "first_p2m_pfn without INIT_P2M");
    CHECK_EQ(start_info->nr_p2m_frames, 0, "nr_p2m_frames without INIT_P2M");
}

static void check_tables(void)
{
    unsigned long pages = start_info->nr_pt_frames;

    for (unsigned long i = 0; i < pages; i++) {
        uint64_t va = start_info->pt_base + i * PAGE_SIZE;
        uint64_t *pte = pte_of(va, 1);

        CHECK(pte && *pte & PTE_P, "page table %lu is not mapped", i);
        CHECK(!pte || !(*pte & PTE_RW), "page table %lu is mapped writable", i);
    }
    uint64_t *pte = pte_of((uintptr_t)start_info, 1);
    CHECK(pte && (*pte & (PTE_P | PTE_RW)) == (PTE_P | PTE_RW), "start_info is not writable");
}

static void check_translations(void)
{
    const uint64_t *p2m = (const uint64_t *)start_info->mfn_list;
    unsigned long wrong = 0;

    for (unsigned long pfn = 0; pfn < start_info->nr_pages; pfn++)
        wrong += m2p()[p2m[pfn]] != pfn;
    CHECK_EQ(wrong, 0, "pfns that do not survive p2m and m2p");

    uint64_t pfn = m2p()[start_info->shared_info >> PAGE_SHIFT];
    CHECK(pfn >= start_info->nr_pages || p2m[pfn] != start_info->shared_info >> PAGE_SHIFT,
          "shared_info's frame is in the p2m as pfn %lu", pfn);
    CHECK(mfn_to_va(start_info->store_mfn) < (void *)start_info->pt_base,
          "store page is not in the initial region");
    /* Guests that do not ask find the table at the architectural place. */
    uint64_t fixed = 0;
    const uint64_t *hard = (const uint64_t *)0xffff800000000000ul;
    trap_reset();
    asm volatile(EX_TRY("mov (%[at]), %[value]")
                 : [value] "+r"(fixed)
                 : [at] "r"(hard + start_info->store_mfn));
    CHECK(last_trap.vector == -1, "m2p is not readable at 0xffff800000000000");
    CHECK_EQ(fixed, m2p()[start_info->store_mfn], "m2p at its fixed address");
    CHECK(!try_write((void *)(hard + start_info->store_mfn), 1), "the fixed m2p is writable");
}

static void check_region(void)
{
    uint64_t end = start_info->pt_base + (start_info->nr_pt_frames + 1) * PAGE_SIZE;
    uint64_t top = (end + 512 * 1024 + 0x3fffff) & ~0x3ffffful;
    unsigned long holes = 0;

    for (uint64_t va = VIRT_BASE; va < top; va += PAGE_SIZE)
        holes += !try_read((void *)va, NULL);
    CHECK_EQ(holes, 0, "unmapped pages from VIRT_BASE to 0x%lx", top);
    CHECK_EQ(pte_of(VIRT_BASE, 4) != NULL, 1, "no L4 entry");
}

void test_main(void)
{
    check_start_info();
    check_tables();
    check_translations();
    check_region();
    for (unsigned int i = 1; i < 32; i++)
        CHECK_EQ(shared_info->vcpu_info[i].evtchn_upcall_mask, 1, "upcall mask of vcpu %u", i);
}
