/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnttab-map - claim: a guest can map, replace and unmap what it grants itself, by address and
 * by page-table entry; while it does the entry shows "reading" and "writing" and neither the
 * version nor the entry's place can change; copies go from and to granted pages and frames; each
 * bad argument gives its status and changes nothing.
 *
 * Blind spots: grants of other domains, which ours never have; other vCPUs' stale translations.
 */
#include "device.h"
#include "guest.h"

#define TABLE 0x70000000ul
#define WINDOW 0x71000000ul
#define REF 9
#define RO_REF 10

static volatile grant_entry_v1_t *const table = (void *)TABLE;
static uint8_t *page, *other;

static void grant(uint32_t ref, uint16_t flags, domid_t domid, const void *va)
{
    table[ref].domid = domid;
    table[ref].frame = (uint32_t)va_to_mfn(va);
    barrier();
    table[ref].flags = flags;
}

static domid_t self;

static struct gnttab_map_grant_ref map_grant(uint32_t ref, uint32_t flags, uint64_t at)
{
    return grant_map(ref, flags, at, self);
}

static void set_up(void)
{
    static uint64_t list[1];
    struct gnttab_setup_table arg = {.dom = DOMID_SELF, .nr_frames = 1};

    self = own_domid();
    set_xen_guest_handle(arg.frame_list, list);
    if (grant_table_op(GNTTABOP_setup_table, &arg, 1) || arg.status ||
        map(TABLE, list[0], PTE_P | PTE_RW))
        error("no grant table");
    page = page_alloc();
    other = page_alloc();
    /* The tables for the window; no page yet. */
    map(WINDOW, va_to_mfn(other), PTE_P);
    unmap(WINDOW);
    grant(REF, GTF_permit_access, self, page);
    grant(RO_REF, GTF_permit_access | GTF_readonly, self, page);
    grant(11, GTF_permit_access, 0, page);
    grant(12, GTF_accept_transfer, self, page);
    table[13] = (grant_entry_v1_t){GTF_permit_access, self, 0xfffffff};
}

static void check_map(void)
{
    struct gnttab_map_grant_ref op = map_grant(REF, GNTMAP_host_map | 5u << 16, WINDOW + 0x123), ro;
    uint64_t pte = *pte_of(WINDOW, 1), value;

    CHECK_EQ(op.status, GNTST_okay, "mapping a grant of our own");
    CHECK_EQ(op.dev_bus_addr, va_to_mfn(page) << PAGE_SHIFT, "its dev_bus_addr");
    CHECK_EQ(pte & (PTE_FRAME | PTE_P | PTE_RW), va_to_mfn(page) << PAGE_SHIFT | PTE_P | PTE_RW,
             "its entry");
    CHECK_EQ(pte >> 9 & 7, 5, "its available bits");
    CHECK_EQ(table[REF].flags, GTF_permit_access | GTF_reading | GTF_writing, "flags in use");
    *(volatile uint32_t *)WINDOW = 0x12345678;
    CHECK_EQ(*(volatile uint32_t *)page, 0x12345678, "written through the mapping");

    ro = map_grant(REF, GNTMAP_host_map | GNTMAP_readonly, WINDOW + PAGE_SIZE);
    CHECK_EQ(ro.status, GNTST_okay, "the same again, read-only");
    CHECK(ro.handle != op.handle, "both have handle %u", op.handle);
    CHECK(try_read((void *)(WINDOW + PAGE_SIZE), &value), "reading the read-only one");
    CHECK(!try_write((void *)(WINDOW + PAGE_SIZE), 1), "writing the read-only one");
    CHECK_EQ(last_trap.error & 3, 3, "error code of its fault");

    CHECK_EQ(grant_unmap(op.handle, WINDOW, 0), GNTST_okay, "unmapping the first");
    CHECK(!try_read((void *)WINDOW, &value), "it can still be read");
    CHECK_EQ(table[REF].flags, GTF_permit_access | GTF_reading, "flags with the other one left");
    CHECK_EQ(grant_unmap(op.handle, WINDOW, 0), GNTST_bad_handle, "unmapping it twice");
    CHECK_EQ(grant_unmap(ro.handle, WINDOW + PAGE_SIZE, 0), GNTST_okay, "unmapping the second");
    CHECK_EQ(table[REF].flags, GTF_permit_access, "flags with none left");
}

static void check_bad_maps(void)
{
    static const struct {
        uint32_t ref, flags;
        int16_t status; /* 1 = any error */
        const char *what;
    } bad[] = {
        {REF, 0, GNTST_bad_gntref, "neither for host nor device"},
        {512, GNTMAP_host_map, GNTST_bad_gntref, "the first reference that is not there"},
        {0xffffffff, GNTMAP_host_map, GNTST_bad_gntref, "reference 2^32-1"},
        {100, GNTMAP_host_map, 1, "an entry that grants nothing"},
        {RO_REF, GNTMAP_host_map, 1, "a read-only grant to be written"},
        {11, GNTMAP_host_map, 1, "what domain 0 was granted"},
        {12, GNTMAP_host_map, 1, "an entry for a transfer"},
        {13, GNTMAP_host_map, 1, "a frame that is not there"},
    };
    struct gnttab_map_grant_ref op = {
        .host_addr = WINDOW, .flags = GNTMAP_host_map, .ref = REF, .dom = 0x1234};

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        int16_t status = map_grant(bad[i].ref, bad[i].flags, WINDOW).status;

        CHECK(bad[i].status == 1 ? status < 0 : status == bad[i].status, "mapping %s: status %d",
              bad[i].what, status);
    }
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0, "another domain's grant");
    CHECK_EQ(op.status, GNTST_bad_domain, "its status");
    CHECK(map_grant(REF, GNTMAP_host_map, 0x123456789000).status < 0, "where no table is");
    CHECK(map_grant(REF, GNTMAP_host_map, 0x8000000000000000).status < 0, "not canonical");
    CHECK(map_grant(REF, GNTMAP_host_map, 0xffff800000000000).status < 0, "in Xen's part");
    CHECK_EQ(*pte_of(WINDOW, 1), 0, "entry after all these");
    CHECK_EQ(table[REF].flags, GTF_permit_access, "flags after all these");
    CHECK_EQ(table[RO_REF].flags, GTF_permit_access | GTF_readonly, "and of the read-only one");
}

static void check_pte(void)
{
    uint64_t *pte = pte_of(WINDOW, 1), at = va_to_maddr(pte), value;
    uint32_t flags = GNTMAP_host_map | GNTMAP_contains_pte;
    struct gnttab_map_grant_ref op;

    CHECK(map_grant(REF, flags, at + 4).status < 0, "an entry that is not aligned");
    CHECK(map_grant(REF, flags, 1ul << 50).status < 0, "an entry in no frame");
    op = map_grant(REF, flags, at);
    CHECK_EQ(op.status, GNTST_okay, "mapping by entry");
    CHECK(try_read((void *)WINDOW, &value), "reading it");
    CHECK(grant_unmap(op.handle, at + 8, 0) < 0, "unmapping another entry");
    CHECK_EQ(*pte & PTE_P, 1, "the entry after that");
    CHECK_EQ(grant_unmap(op.handle, at, 0), GNTST_okay, "unmapping by entry");
    CHECK_EQ(*pte, 0, "the entry after that");
    CHECK(!try_read((void *)WINDOW, &value), "it can still be read");
}

static void check_unmap(void)
{
    struct gnttab_map_grant_ref op = map_grant(REF, GNTMAP_host_map, WINDOW), both;
    uint64_t bus;

    CHECK(grant_unmap(op.handle, WINDOW + PAGE_SIZE, 0) < 0, "unmapping at another address");
    CHECK_EQ(*pte_of(WINDOW, 1) & PTE_P, 1, "the entry after that");
    CHECK_EQ(grant_unmap(op.handle, 0, 0), GNTST_okay, "unmapping nothing");
    CHECK_EQ(table[REF].flags & GTF_writing, GTF_writing, "in use after that");
    map(WINDOW, va_to_mfn(other), PTE_P);
    CHECK(grant_unmap(op.handle, WINDOW, 0) < 0, "unmapping when the entry was changed");
    map(WINDOW, va_to_mfn(page), PTE_P | PTE_RW);
    CHECK_EQ(grant_unmap(op.handle, WINDOW, 0), GNTST_okay, "when it was changed back");

    both = map_grant(REF, GNTMAP_device_map | GNTMAP_host_map, WINDOW);
    bus = both.dev_bus_addr;
    CHECK_EQ(both.status, GNTST_okay, "mapping for the device too");
    CHECK(grant_unmap(both.handle, 0, bus + PAGE_SIZE) < 0, "a wrong bus address");
    CHECK_EQ(grant_unmap(both.handle, 0, bus), GNTST_okay, "unmapping for the device");
    CHECK_EQ(table[REF].flags & GTF_writing, GTF_writing, "in use by the host's half");
    CHECK_EQ(grant_unmap(both.handle, WINDOW, bus), GNTST_okay, "unmapping the host's half");
    CHECK_EQ(table[REF].flags, GTF_permit_access, "flags after that");
}

static void check_replace(void)
{
    struct gnttab_map_grant_ref op = map_grant(REF, GNTMAP_host_map, WINDOW);
    struct gnttab_unmap_and_replace replace = {
        .host_addr = WINDOW, .new_addr = WINDOW + 2 * PAGE_SIZE, .handle = op.handle + 1};
    uint64_t value;

    map(WINDOW + 2 * PAGE_SIZE, va_to_mfn(other), PTE_P | PTE_RW);
    *(volatile uint32_t *)(WINDOW + 2 * PAGE_SIZE) = 77;
    *(volatile uint32_t *)WINDOW = 66;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_and_replace, &replace, 1), 0, "unmap_and_replace");
    CHECK_EQ(replace.status, GNTST_bad_handle, "its status with a wrong handle");
    replace.handle = op.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_and_replace, &replace, 1), 0, "unmap_and_replace");
    CHECK_EQ(replace.status, GNTST_okay, "its status");
    CHECK_EQ(*(volatile uint32_t *)WINDOW, 77, "what is there now");
    CHECK(!try_read((void *)(WINDOW + 2 * PAGE_SIZE), &value), "the page is at both places");
    CHECK_EQ(table[REF].flags, GTF_permit_access, "flags after that");
    unmap(WINDOW);
}

static void check_in_use(void)
{
    struct gnttab_map_grant_ref op = map_grant(REF, GNTMAP_device_map, 0);
    struct gnttab_set_version version = {.version = 2};
    struct gnttab_swap_grant_ref swap = {.ref_a = REF, .ref_b = 20};

    CHECK_EQ(op.status, GNTST_okay, "mapping for the device alone");
    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version, 1), -XEN_EBUSY, "set_version 2");
    CHECK_EQ(version.version, 1, "version in force");
    CHECK_EQ(grant_table_op(GNTTABOP_swap_grant_ref, &swap, 1), 0, "swap");
    CHECK_EQ(swap.status, GNTST_eagain, "its status while one is mapped");
    CHECK_EQ(grant_unmap(op.handle, 0, op.dev_bus_addr), GNTST_okay, "unmapping");
    CHECK_EQ(grant_table_op(GNTTABOP_swap_grant_ref, &swap, 1), 0, "swap");
    CHECK_EQ(swap.status, GNTST_okay, "its status");
    CHECK_EQ(table[20].flags, GTF_permit_access, "entry 20 after it");
    CHECK_EQ(table[REF].flags, 0, "entry %u after it", REF);
    grant_table_op(GNTTABOP_swap_grant_ref, &swap, 1);
}

static void check_arrays(void)
{
    struct gnttab_map_grant_ref op[3] = {
        {.host_addr = WINDOW, .flags = GNTMAP_host_map, .ref = REF, .dom = self},
        {.host_addr = WINDOW, .flags = GNTMAP_host_map, .ref = 100, .dom = self},
        {.host_addr = WINDOW + PAGE_SIZE, .flags = 6, .ref = RO_REF, .dom = self},
    };

    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, op, 3), 0, "three at once");
    CHECK(op[0].status == 0 && op[1].status < 0 && op[2].status == 0, "statuses %d, %d, %d",
          op[0].status, op[1].status, op[2].status);
    grant_unmap(op[0].handle, WINDOW, 0);
    grant_unmap(op[2].handle, WINDOW + PAGE_SIZE, 0);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, op, 0), 0, "none at all");
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, (void *)0x1000, 1), -XEN_EFAULT,
             "at an address that is not mapped");
}

static int16_t copy(uint64_t from, uint64_t to, uint16_t from_off, uint16_t to_off, uint16_t len,
                    uint16_t flags)
{
    struct gnttab_copy op = {.source = {.domid = DOMID_SELF, .offset = from_off},
                             .dest = {.domid = DOMID_SELF, .offset = to_off},
                             .len = len,
                             .flags = flags,
                             .status = 99};

    op.source.u.gmfn = from;
    op.dest.u.gmfn = to;
    CHECK_EQ(grant_table_op(GNTTABOP_copy, &op, 1), 0, "copy");
    return op.status;
}

static void check_copy(void)
{
    uint64_t mfn = va_to_mfn(other);

    memcpy(other + 8, "granted", 8);
    CHECK_EQ(copy(mfn, REF, 8, 4088, 8, GNTCOPY_dest_gref), 0, "frame to grant");
    CHECK(!memcmp(page + 4088, "granted", 8), "what arrived");
    CHECK_EQ(table[REF].flags, GTF_permit_access, "flags after that");
    CHECK_EQ(copy(RO_REF, mfn, 4088, 100, 8, GNTCOPY_source_gref), 0, "read-only grant to frame");
    CHECK(!memcmp(other + 100, "granted", 8), "what arrived");
    CHECK_EQ(copy(mfn, mfn, 8, 200, 8, 0), 0, "frame to frame");
    CHECK(!memcmp(other + 200, "granted", 8), "what arrived");
    CHECK(copy(mfn, RO_REF, 0, 0, 8, GNTCOPY_dest_gref) < 0, "to a read-only grant");
    CHECK_EQ(copy(mfn, mfn, 4089, 0, 8, 0), GNTST_bad_copy_arg, "off the source's end");
    CHECK_EQ(copy(mfn, mfn, 0, 4089, 8, 0), GNTST_bad_copy_arg, "off the target's end");
    CHECK_EQ(copy(mfn, mfn, 0, 0, 4096, 0), GNTST_okay, "a whole page");
    CHECK_EQ(copy(mfn, 513, 0, 0, 8, GNTCOPY_dest_gref), GNTST_bad_gntref, "to reference 513");
    CHECK(copy(0xfffffff, mfn, 0, 0, 8, 0) < 0, "from a frame that is not there");
}

void test_main(void)
{
    set_up();
    check_map();
    check_bad_maps();
    check_pte();
    check_unmap();
    check_replace();
    check_in_use();
    check_arrays();
    check_copy();
}
