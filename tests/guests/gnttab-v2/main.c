/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnttab-v2 - claim: the table can become one of version 2 and back: the reserved entries stay
 * in their new form, all others are gone; an entry of version 2 shows its use in the status
 * frames; sub-page grants confine copies, and nothing but a copy may use them; the version stays
 * while an entry or a status frame is mapped.
 *
 * Blind spots: backends that use version 2; transitive grants, which need a third domain.
 */
#include "guest.h"

#define TABLE 0x70000000ul
#define STATUS 0x70100000ul
#define WINDOW 0x71000000ul
#define REF 9

static volatile grant_entry_v2_t *const v2 = (void *)TABLE;
static volatile grant_entry_v1_t *const v1 = (void *)TABLE;
static volatile uint16_t *const status = (void *)STATUS;
static uint8_t *page, *other;
static domid_t self;

static long set_version(uint32_t version, uint32_t want)
{
    struct gnttab_set_version op = {.version = version};
    struct gnttab_get_version get = {.dom = DOMID_SELF};
    long rc = grant_table_op(GNTTABOP_set_version, &op, 1);

    CHECK_EQ(op.version, want, "version that set_version %u reports", version);
    CHECK_EQ(grant_table_op(GNTTABOP_get_version, &get, 1), 0, "get_version");
    CHECK_EQ(get.version, want, "version that get_version reports");
    return rc;
}

static int16_t get_status_frames(uint32_t count, uint64_t *list)
{
    struct gnttab_get_status_frames op = {.nr_frames = count, .dom = DOMID_SELF, .status = 99};

    set_xen_guest_handle(op.frame_list, list);
    CHECK_EQ(grant_table_op(GNTTABOP_get_status_frames, &op, 1), 0, "get_status_frames");
    return op.status;
}

static void set_up(void)
{
    static uint64_t list[8];
    struct gnttab_setup_table arg = {.dom = DOMID_SELF, .nr_frames = 1};

    set_xen_guest_handle(arg.frame_list, list);
    if (grant_table_op(GNTTABOP_setup_table, &arg, 1) || arg.status ||
        map(TABLE, list[0], PTE_P | PTE_RW))
        error("no grant table");
    page = page_alloc();
    other = page_alloc();
    map(WINDOW, va_to_mfn(other), PTE_P);
    unmap(WINDOW);
}

static void check_change(void)
{
    static uint64_t list[64];

    CHECK(get_status_frames(1, list) < 0, "status frames in version 1");
    v1[REF] = (grant_entry_v1_t){GTF_permit_access, 0, (uint32_t)va_to_mfn(page)};
    v1[5] = (grant_entry_v1_t){GTF_permit_access | GTF_readonly, 0, (uint32_t)va_to_mfn(page)};
    CHECK_EQ(set_version(2, 2), 0, "set_version 2");
    CHECK_EQ(set_version(2, 2), 0, "the same again");
    CHECK_EQ(set_version(0, 2), -XEN_EINVAL, "set_version 0");
    CHECK_EQ(v2[0].hdr.flags & GTF_type_mask, GTF_permit_access, "entry 0");
    CHECK_EQ(v2[0].full_page.frame, start_info->console.domU.mfn, "its frame");
    CHECK_EQ(v2[1].full_page.frame, start_info->store_mfn, "frame of entry 1");
    CHECK_EQ(v2[5].hdr.flags, GTF_permit_access | GTF_readonly, "entry 5");
    CHECK_EQ(v2[5].full_page.frame, va_to_mfn(page), "its frame");
    CHECK_EQ(v2[REF].hdr.flags, 0, "entry %u", REF);
    CHECK_EQ(get_status_frames(1, list), 0, "status frames");
    CHECK_EQ(map(STATUS, list[0], PTE_P | PTE_RW), 0, "mapping one");
    CHECK_EQ(status[REF], 0, "status of entry %u", REF);
    CHECK(get_status_frames(0xffffffff, list) < 0, "2^32-1 status frames");
}

static void grant(uint32_t ref, uint16_t flags)
{
    v2[ref].full_page.frame = va_to_mfn(page);
    v2[ref].hdr.domid = self;
    barrier();
    v2[ref].hdr.flags = flags;
}

static void check_use(void)
{
    struct gnttab_map_grant_ref op = {.host_addr = WINDOW, .flags = GNTMAP_host_map, .ref = REF};
    struct gnttab_unmap_grant_ref undo = {.host_addr = WINDOW};

    op.dom = self;
    grant(REF, GTF_permit_access);
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0, "map");
    CHECK_EQ(op.status, GNTST_okay, "its status");
    CHECK_EQ(status[REF], GTF_reading | GTF_writing, "status of the entry");
    CHECK_EQ(v2[REF].hdr.flags, GTF_permit_access, "its flags");
    unmap(STATUS);
    CHECK_EQ(set_version(1, 2), -XEN_EBUSY, "set_version with an entry in use");
    undo.handle = op.handle;
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &undo, 1), 0, "unmap");
    CHECK_EQ(undo.status, GNTST_okay, "its status");
}

static int16_t copy_from(uint32_t ref, uint16_t offset, uint16_t len)
{
    struct gnttab_copy op = {.source = {.domid = DOMID_SELF, .offset = offset},
                             .dest = {.domid = DOMID_SELF},
                             .len = len,
                             .flags = GNTCOPY_source_gref};

    op.source.u.ref = ref;
    op.dest.u.gmfn = va_to_mfn(other);
    CHECK_EQ(grant_table_op(GNTTABOP_copy, &op, 1), 0, "copy");
    return op.status;
}

static void check_sub_page(void)
{
    struct gnttab_map_grant_ref op = {.host_addr = WINDOW, .flags = GNTMAP_host_map, .ref = 30};

    op.dom = self;
    memcpy(page + 64, "part", 5);
    v2[30].sub_page.page_off = 64;
    v2[30].sub_page.length = 16;
    grant(30, GTF_permit_access | GTF_sub_page);
    CHECK_EQ(copy_from(30, 64, 16), 0, "copy of the part");
    CHECK(!memcmp(other, "part", 5), "what arrived");
    CHECK(copy_from(30, 64, 17) < 0, "copy of more than the part");
    CHECK(copy_from(30, 63, 2) < 0, "copy from before the part");
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0, "map of a part");
    CHECK(op.status < 0, "its status");
    grant(31, GTF_transitive);
    CHECK(copy_from(31, 0, 8) < 0, "copy by a transitive grant of our own");
    CHECK_EQ(copy_from(REF, 0, 4096), 0, "copy of a whole page");
}

static void check_back(void)
{
    static uint64_t list[1];

    get_status_frames(1, list);
    map(STATUS, list[0], PTE_P);
    CHECK_EQ(status[30] | status[31] | status[REF], 0, "statuses with nothing in use");
    CHECK_EQ(set_version(1, 2), -XEN_EBUSY, "set_version with a status frame mapped");
    unmap(STATUS);
    CHECK_EQ(set_version(1, 1), 0, "set_version 1");
    CHECK_EQ(v1[0].flags & GTF_type_mask, GTF_permit_access, "entry 0");
    CHECK_EQ(v1[1].frame, start_info->store_mfn, "frame of entry 1");
    CHECK_EQ(v1[5].flags, GTF_permit_access | GTF_readonly, "entry 5");
    CHECK_EQ(v1[REF].flags, 0, "entry %u", REF);
}

void test_main(void)
{
    set_up();
    check_change();
    self = own_domid();
    check_use();
    check_sub_page();
    check_back();
}
