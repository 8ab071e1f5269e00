/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * page-types - claim: a guest gets no writable view of its page tables. A top-level table may have
 * an entry that names itself only without RW, and shows the tables then; a frame that is mapped
 * writable, by the kernel or through a grant whose handle was not given back, cannot be pinned as a
 * table, nor be a root; it can once it is not. A grant that is unmapped through an entry that does
 * not fit it stays mapped. Asking for what domain 0 grants is an error, but not that of a bad
 * domain.
 *
 * Blind spots: writable mappings at other places than those of the builder; level-1 entries that
 * name tables.
 */
#include "device.h"
#include "guest.h"

#define REF 8
#define WINDOW 0x40000000ul
#define OTHER_WINDOW (WINDOW + PAGE_SIZE)
#define SLOT 300 /* of the top-level table; nothing is there */

static grant_entry_v1_t *table;

static uint64_t pte(const void *page, uint64_t flags)
{
    return va_to_mfn(page) << PAGE_SHIFT | flags;
}

static long pin(const void *page)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = va_to_mfn(page)};

    return mmuext_op(&op, 1, NULL);
}

static void unpin(const void *page)
{
    struct mmuext_op op = {.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = va_to_mfn(page)};

    mmuext_op(&op, 1, NULL);
}

static long root_is(unsigned int cmd, const void *page)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = va_to_mfn(page)};

    return mmuext_op(&op, 1, NULL);
}

static void check_linear(void)
{
    uint64_t *root = (uint64_t *)start_info->pt_base, *entry = &root[SLOT];
    uint64_t readable = pte(root, PTE_P | PTE_U | PTE_A), linear = 0xffff000000000000ul;
    mmu_update_t req = {.ptr = va_to_maddr(entry), .val = readable};

    linear |= (uint64_t)SLOT << 39 | (uint64_t)SLOT << 30 | (uint64_t)SLOT << 21 | SLOT << 12;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "a read-only entry that names its own table");
    CHECK(*(volatile uint64_t *)(linear + 8 * SLOT) == *entry, "the table seen through itself");
    req.val |= PTE_RW;
    CHECK_EQ(mmu_update(&req, 1, NULL), -XEN_EINVAL, "the same, writable");
    CHECK_EQ(*entry & PTE_RW, 0, "RW in the entry");
    CHECK(!try_write((void *)(linear + 8 * SLOT), 0), "a store through it");
    req.ptr += 8;
    CHECK_EQ(mmu_update(&req, 1, NULL), -XEN_EINVAL, "writable at once");
    req = (mmu_update_t){.ptr = va_to_maddr(entry)};
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "and away again");
}

static void check_kernel_mapping(void)
{
    void *page = page_alloc();

    CHECK_EQ(pin(page), -XEN_EINVAL, "pin of a page that is mapped writable");
    CHECK_EQ(root_is(MMUEXT_NEW_BASEPTR, page), -XEN_EINVAL, "a root that is mapped writable");
    CHECK_EQ(root_is(MMUEXT_NEW_USER_BASEPTR, page), -XEN_EINVAL, "the same for programs");
    remap(page, PTE_P);
    CHECK_EQ(pin(page), 0, "pin of one that is not");
    unpin(page);
    remap(page, PTE_P | PTE_RW);
    *(volatile uint8_t *)page = 1;
}

static void grant(unsigned int ref, const void *page, domid_t domid)
{
    table[ref].domid = domid;
    table[ref].frame = (uint32_t)va_to_mfn(page);
    barrier();
    table[ref].flags = GTF_permit_access;
}

/* Mapped writable for host and device, unmapped one after the other. */
static void check_two_kinds(domid_t self)
{
    void *page = page_alloc();
    struct gnttab_map_grant_ref op;

    remap(page, PTE_P);
    grant(REF, page, self);
    op = grant_map(REF, GNTMAP_host_map | GNTMAP_device_map, WINDOW, self);
    CHECK_EQ(op.status, GNTST_okay, "host and device mapping");
    CHECK_EQ(pin(page), -XEN_EINVAL, "pin while both are there");
    CHECK_EQ(grant_unmap(op.handle, WINDOW, 0), GNTST_okay, "the host's away");
    CHECK_EQ(pin(page), -XEN_EINVAL, "pin while the device's is there");
    CHECK_EQ(grant_unmap(op.handle, 0, va_to_maddr(page)), GNTST_okay, "the device's away");
    CHECK_EQ(pin(page), 0, "pin when both are gone");
    unpin(page);
}

/* The entry of a writable mapping is stolen for a read-only one and made anew without RW. */
static void check_stolen(domid_t self)
{
    void *first = page_alloc(), *second = page_alloc();
    struct gnttab_map_grant_ref one, two;
    struct gnttab_unmap_and_replace steal = {.host_addr = OTHER_WINDOW, .new_addr = WINDOW};

    remap(first, PTE_P);
    grant(REF, first, self);
    grant(REF + 1, second, self);
    one = grant_map(REF, GNTMAP_host_map, WINDOW, self);
    two = grant_map(REF + 1, GNTMAP_host_map | GNTMAP_readonly, OTHER_WINDOW, self);
    CHECK_EQ(one.status, GNTST_okay, "the writable mapping");
    CHECK_EQ(two.status, GNTST_okay, "the read-only mapping");
    steal.handle = two.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_and_replace, &steal, 1), 0, "unmap_and_replace");
    CHECK_EQ(steal.status, GNTST_okay, "its status");
    update_va_mapping(WINDOW, pte(first, PTE_P | PTE_A | PTE_D), UVMF_INVLPG);
    CHECK_EQ(grant_unmap(one.handle, WINDOW, 0), GNTST_general_error,
             "unmap by an entry without RW");
    CHECK_EQ(pin(first), -XEN_EINVAL, "pin of what is still granted");
    update_va_mapping(WINDOW, pte(first, PTE_P | PTE_RW | PTE_A | PTE_D), UVMF_INVLPG);
    CHECK_EQ(grant_unmap(one.handle, WINDOW, 0), GNTST_okay, "unmap by one with RW");
    unmap(OTHER_WINDOW);
    CHECK_EQ(pin(first), 0, "pin of what is granted no more");
    unpin(first);
}

void test_main(void)
{
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    xen_pfn_t frame = 0;
    void *page = page_alloc();
    domid_t self = own_domid();

    check_linear();
    check_kernel_mapping();
    set_xen_guest_handle(setup.frame_list, &frame);
    if (grant_table_op(GNTTABOP_setup_table, &setup, 1) || setup.status)
        error("no grant table");
    table = page_alloc();
    update_va_mapping((uintptr_t)table, frame << PAGE_SHIFT | PTE_P | PTE_RW, UVMF_INVLPG);
    /* The tables that the windows take. */
    map(WINDOW, va_to_mfn(page), PTE_P);
    unmap(WINDOW);
    check_two_kinds(self);
    check_stolen(self);
    grant(REF, page, self);
    CHECK_EQ(grant_map(REF, GNTMAP_host_map, WINDOW, 0).status, GNTST_general_error,
             "a grant of domain 0's");
}
