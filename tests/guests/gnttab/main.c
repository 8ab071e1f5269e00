/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnttab - claim: the grant table can be sized, mapped and queried; entries 0 and 1 grant the
 * console and store pages; setting version 1 works; calls that make no sense get their error
 * in the call's status field or as -errno, and never harm.
 *
 * Blind spots: mapping and copying (only that bad ones are refused), version 2, transfer.
 */
#include "guest.h"

#define TABLE 0x70000000ul

static long setup(uint32_t frames, uint64_t *list, int16_t *status)
{
    struct gnttab_setup_table arg = {.dom = DOMID_SELF, .nr_frames = frames, .status = 99};
    long rc;

    set_xen_guest_handle(arg.frame_list, list);
    rc = grant_table_op(GNTTABOP_setup_table, &arg, 1);
    *status = arg.status;
    return rc;
}

static void check_setup(void)
{
    static uint64_t list[512];
    struct gnttab_query_size query = {.dom = DOMID_SELF};
    struct gnttab_set_version version = {.version = 1};
    int16_t status;

    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version, 1), 0, "set_version 1");
    CHECK_EQ(version.version, 1, "version in force");
    version.version = 7;
    CHECK_EQ(grant_table_op(GNTTABOP_set_version, &version, 1), -XEN_EINVAL, "set_version 7");
    CHECK_EQ(grant_table_op(GNTTABOP_query_size, &query, 1), 0, "query_size");
    CHECK_EQ(query.status, GNTST_okay, "its status");
    CHECK(query.max_nr_frames >= 1 && query.max_nr_frames <= 1024, "max %u", query.max_nr_frames);
    CHECK_EQ(setup(4, list, &status), 0, "setup_table");
    CHECK_EQ(status, GNTST_okay, "its status");
    for (unsigned int i = 0; i < 4; i++)
        CHECK_EQ(map(TABLE + i * PAGE_SIZE, list[i], PTE_P | PTE_RW), 0, "mapping frame %u", i);
    CHECK_EQ(setup(query.max_nr_frames + 1, list, &status), 0, "setup_table, too many");
    CHECK(status < 0, "its status %d", status);
    CHECK_EQ(setup(0xffffffff, list, &status), 0, "setup_table, 2^32-1");
    CHECK(status < 0, "its status %d", status);
    CHECK_EQ(setup(1, list, &status), 0, "setup_table, fewer than now");
    CHECK_EQ(status, GNTST_okay, "its status");
}

static void check_entries(void)
{
    const volatile grant_entry_v1_t *table = (const volatile void *)TABLE;

    CHECK_EQ(table[0].flags & GTF_type_mask, GTF_permit_access, "entry 0");
    CHECK_EQ(table[0].frame, start_info->console.domU.mfn, "frame of entry 0");
    CHECK_EQ(table[1].flags & GTF_type_mask, GTF_permit_access, "entry 1");
    CHECK_EQ(table[1].frame, start_info->store_mfn, "frame of entry 1");
    CHECK_EQ(table[100].flags, 0, "entry 100");
    CHECK(try_write((void *)(TABLE + 3 * PAGE_SIZE), 0), "the table is not writable");
}

static void check_bad(void)
{
    struct gnttab_map_grant_ref map_ref = {
        .host_addr = 0x1000, .ref = 0xffffffff, .flags = GNTMAP_host_map, .dom = DOMID_SELF};
    struct gnttab_unmap_grant_ref unmap_ref = {.handle = 0xfffffff0};
    struct gnttab_copy copy = {.len = 5000, .flags = 0};
    struct gnttab_query_size query = {.dom = 0x1234};
    long rc;

    rc = grant_table_op(GNTTABOP_map_grant_ref, &map_ref, 1);
    CHECK(rc < 0 || map_ref.status < 0, "mapping a grant that does not exist");
    rc = grant_table_op(GNTTABOP_unmap_grant_ref, &unmap_ref, 1);
    CHECK(rc < 0 || unmap_ref.status < 0, "unmapping a handle that does not exist");
    copy.source.domid = copy.dest.domid = DOMID_SELF;
    copy.source.u.gmfn = copy.dest.u.gmfn = va_to_mfn(page_alloc());
    rc = grant_table_op(GNTTABOP_copy, &copy, 1);
    CHECK(rc < 0 || copy.status < 0, "copying 5000 bytes");
    copy.len = 16;
    copy.source.u.gmfn = 0x7fffffffff;
    rc = grant_table_op(GNTTABOP_copy, &copy, 1);
    CHECK(rc < 0 || copy.status < 0, "copying from no frame");
    rc = grant_table_op(GNTTABOP_query_size, &query, 1);
    CHECK(rc < 0 || query.status < 0, "size of another domain's table");
    CHECK_EQ(grant_table_op(99, &query, 1), -XEN_ENOSYS, "operation 99");
    CHECK_EQ(grant_table_op(99, &query, 0x80000000), -XEN_EINVAL, "a negative number of them");
    CHECK(grant_table_op(GNTTABOP_map_grant_ref, &map_ref, 0x7fffffff) != 0, "2^31-1 operations");
}

void test_main(void)
{
    check_setup();
    check_entries();
    check_bad();
}
