/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-gnttab.c - GNTTABOP_* and the backends' use of granted frames, both versions.
 */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#define OP(cmd, argp) CALL_ARG(__HYPERVISOR_grant_table_op, GNTTABOP_##cmd, argp)
#define REF 20u
#define DATA_FRAME 70u

static grant_entry_v1_t *v1(uint32_t ref)
{
    return (grant_entry_v1_t *)frame(fix->d.ram.grant_first) + ref;
}

static grant_entry_v2_t *v2(uint32_t ref)
{
    return (grant_entry_v2_t *)frame(fix->d.ram.grant_first) + ref;
}

static uint16_t *status2(uint32_t ref)
{
    return (uint16_t *)frame(fix->d.ram.status_first) + ref;
}

static void grant1(uint32_t ref, uint16_t flags, domid_t domid, mfn_t mfn)
{
    *v1(ref) = (grant_entry_v1_t){.flags = flags, .domid = domid, .frame = (uint32_t)mfn};
}

static void grant2(uint32_t ref, uint16_t flags, domid_t domid, mfn_t mfn)
{
    memset(v2(ref), 0, sizeof(*v2(ref)));
    v2(ref)->full_page.frame = mfn;
    v2(ref)->hdr.domid = domid;
    v2(ref)->hdr.flags = flags;
}

/* The fixture maps everything, but who has a status frame mapped must keep version 2. */
static void unmap_status_frames(void)
{
    for (unsigned int i = 0; i < RAM_STATUS_FRAMES; i++)
        set_mapping(fix->d.ram.status_first + i, false, false);
}

static int64_t set_version(uint32_t version)
{
    struct gnttab_set_version op = {.version = version};
    int64_t rc = OP(set_version, &op);

    assert_in_range(op.version, 1, 2);
    return rc;
}

static int16_t setup_table(uint32_t nr)
{
    struct gnttab_setup_table op = {
        .dom = DOMID_SELF, .nr_frames = nr, .frame_list.p = (void *)ARG2};

    assert_int_equal(OP(setup_table, &op), 0);
    return op.status;
}

static void test_reserved_entries(void **state)
{
    assert_int_equal(v1(0)->flags, GTF_permit_access);
    assert_int_equal(v1(0)->frame, FRAME_CONSOLE);
    assert_int_equal(v1(0)->domid, 0);
    assert_int_equal(v1(1)->frame, FRAME_STORE);
    assert_int_equal(v1(2)->flags, 0);
}

static void test_setup_table(void **state)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    struct gnttab_setup_table op = {.dom = 9, .nr_frames = 1, .frame_list.p = (void *)ARG2};

    assert_int_equal(OP(query_size, &q), 0);
    assert_int_equal(q.nr_frames, 1);
    assert_int_equal(q.max_nr_frames, RAM_GRANT_FRAMES);
    assert_int_equal(setup_table(3), GNTST_okay);
    for (unsigned int i = 0; i < 3; i++)
        assert_int_equal(((uint64_t *)frame(FRAME_ARG2))[i], fix->d.ram.grant_first + i);
    OP(query_size, &q);
    assert_int_equal(q.nr_frames, 3);
    assert_int_equal(setup_table(1), GNTST_okay); /* never shrinks */
    OP(query_size, &q);
    assert_int_equal(q.nr_frames, 3);
    assert_int_equal(setup_table(RAM_GRANT_FRAMES + 1), GNTST_general_error);
    assert_int_equal(setup_table(~0u), GNTST_general_error);
    assert_int_equal(OP(setup_table, &op), 0);
    assert_int_equal(op.status, GNTST_bad_domain);
    op.dom = 0;
    assert_int_equal(OP(setup_table, &op), 0);
    assert_int_equal(op.status, GNTST_permission_denied);
    op = (struct gnttab_setup_table){.dom = DOMID, .nr_frames = 1, .frame_list.p = (void *)BAD_VA};
    assert_int_equal(OP(setup_table, &op), -EFAULT);
    put_arg(&op, sizeof(op));
    assert_int_equal(call(20, GNTTABOP_setup_table, ARG, 2), -EINVAL);
    q.dom = 9;
    assert_int_equal(OP(query_size, &q), 0);
    assert_int_equal(q.status, GNTST_bad_domain);
}

static void test_versions(void **state)
{
    struct gnttab_get_version gv = {.dom = DOMID_SELF};
    struct gnttab_get_status_frames sf = {
        .dom = DOMID_SELF, .nr_frames = 1, .frame_list.p = (void *)ARG2};

    assert_int_equal(OP(get_version, &gv), 0);
    assert_int_equal(gv.version, 1);
    OP(get_status_frames, &sf);
    assert_int_equal(sf.status, GNTST_general_error);
    assert_int_equal(set_version(0), -EINVAL);
    assert_int_equal(set_version(3), -EINVAL);
    assert_int_equal(set_version(1), 0);
    grant1(REF, GTF_permit_access, 0, DATA_FRAME);
    assert_int_equal(set_version(2), 0);
    assert_int_equal(v2(0)->hdr.flags, GTF_permit_access);
    assert_int_equal(v2(0)->full_page.frame, FRAME_CONSOLE);
    assert_int_equal(v2(1)->full_page.frame, FRAME_STORE);
    assert_int_equal(v2(REF)->hdr.flags, 0);
    OP(get_version, &gv);
    assert_int_equal(gv.version, 2);
    unmap_status_frames();
    OP(get_status_frames, &sf);
    assert_int_equal(sf.status, GNTST_okay);
    assert_int_equal(*(uint64_t *)frame(FRAME_ARG2), fix->d.ram.status_first);
    sf.nr_frames = ~0u;
    OP(get_status_frames, &sf);
    assert_int_equal(sf.status, GNTST_general_error);
    v2(5)->full_page.frame = 1ull << 40; /* does not fit version 1 */
    v2(5)->hdr.flags = GTF_permit_access;
    assert_int_equal(set_version(1), 0);
    assert_int_equal(v1(1)->frame, FRAME_STORE);
    assert_int_equal(v1(1)->flags, GTF_permit_access);
    assert_int_equal(v1(5)->flags, GTF_invalid);
    gv.dom = 9;
    assert_int_equal(OP(get_version, &gv), -ESRCH);
}

static void test_version_busy(void **state)
{
    void *page;

    grant1(REF, GTF_permit_access, 0, DATA_FRAME);
    assert_int_equal(gnttab_get(&fix->d, 0, REF, true, &page), 0);
    assert_int_equal(set_version(2), -EBUSY);
    gnttab_put(&fix->d, REF, true);
    assert_int_equal(set_version(2), 0);
    unmap_status_frames();
    /* Reserved entries may stay in use, and show it afterwards. */
    assert_int_equal(gnttab_get(&fix->d, 0, GNTTAB_RESERVED_XENSTORE, true, &page), 0);
    assert_int_equal(set_version(1), 0);
    assert_int_equal(v1(1)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    gnttab_put(&fix->d, GNTTAB_RESERVED_XENSTORE, true);
    assert_int_equal(v1(1)->flags, GTF_permit_access);
}

static void check_use(uint32_t ref, uint16_t *bits, uint16_t rest)
{
    void *page = NULL, *again;

    assert_int_equal(gnttab_get(&fix->d, 0, ref, false, &page), 0);
    assert_ptr_equal(page, frame(DATA_FRAME));
    assert_int_equal(*bits, rest | GTF_reading);
    assert_int_equal(gnttab_get(&fix->d, 0, ref, true, &again), 0);
    assert_int_equal(*bits, rest | GTF_reading | GTF_writing);
    gnttab_put(&fix->d, ref, true);
    assert_int_equal(*bits, rest | GTF_reading);
    gnttab_put(&fix->d, ref, false);
    assert_int_equal(*bits, rest);
    gnttab_put(&fix->d, ref, false); /* once too often: no harm */
    gnttab_put(&fix->d, ref, true);
    assert_int_equal(*bits, rest);
}

static void test_use_v1(void **state)
{
    grant1(REF, GTF_permit_access, 0, DATA_FRAME);
    check_use(REF, &v1(REF)->flags, GTF_permit_access);
}

static void test_use_v2(void **state)
{
    set_version(2);
    grant2(REF, GTF_permit_access, 0, DATA_FRAME);
    check_use(REF, status2(REF), 0);
    assert_int_equal(v2(REF)->hdr.flags, GTF_permit_access);
    /* Sub-pages and transitive grants are not for backends. */
    grant2(REF, GTF_permit_access | GTF_sub_page, 0, DATA_FRAME);
    v2(REF)->sub_page.page_off = 16;
    v2(REF)->sub_page.length = 32;
    assert_int_equal(gnttab_get(&fix->d, 0, REF, false, &(void *){NULL}), GNTST_bad_page);
    grant2(REF, GTF_transitive, 0, DATA_FRAME);
    assert_int_equal(gnttab_get(&fix->d, 0, REF, false, &(void *){NULL}), GNTST_general_error);
    assert_int_equal(*status2(REF), 0);
}

static int get(uint32_t ref, bool write)
{
    void *page;
    int status = gnttab_get(&fix->d, 0, ref, write, &page);

    if (status == 0)
        gnttab_put(&fix->d, ref, write);
    return status;
}

/* Who made something of a frame's content hears when that was changed. */
static void test_written(void **state)
{
    struct gnttab_copy op = {.source = {.u.gmfn = DATA_FRAME + 2, .domid = DOMID_SELF},
                             .dest = {.u.gmfn = DATA_FRAME + 3, .domid = DOMID_SELF},
                             .len = 1};
    void *page;

    grant1(REF, GTF_permit_access, 0, DATA_FRAME);
    assert_int_equal(get(REF, false), 0);
    assert_int_equal(fix->written[DATA_FRAME], 0);
    assert_int_equal(gnttab_get(&fix->d, 0, REF, true, &page), 0);
    grant1(REF, GTF_permit_access, 0, DATA_FRAME + 1); /* that is not what was granted then */
    gnttab_put(&fix->d, REF, true);
    assert_int_equal(fix->written[DATA_FRAME], 1);
    assert_int_equal(OP(copy, &op), 0);
    assert_int_equal(op.status, 0);
    assert_int_equal(fix->written[DATA_FRAME + 3], 1);
    assert_int_equal(fix->written[DATA_FRAME + 2], 0);
    assert_true(fix->written[FRAME_ARG]); /* where the hypercall put its answer */
}

static void test_refused_grants(void **state)
{
    const mfn_t bad_frames[] = {MAX_PAGES - 1, fix->d.ram.shared_info, fix->d.ram.grant_first,
                                fix->d.ram.patch_first, 0xffffffff};

    assert_int_equal(get(REF, false), GNTST_general_error); /* invalid */
    grant1(REF, GTF_permit_access | GTF_readonly, 0, DATA_FRAME);
    assert_int_equal(get(REF, true), GNTST_general_error);
    assert_int_equal(get(REF, false), 0);
    grant1(REF, GTF_permit_access, 5, DATA_FRAME);
    assert_int_equal(get(REF, false), GNTST_general_error);
    grant1(REF, GTF_accept_transfer, 0, DATA_FRAME);
    assert_int_equal(get(REF, false), GNTST_general_error);
    for (size_t i = 0; i < ARRAY_SIZE(bad_frames); i++) {
        grant1(REF, GTF_permit_access, 0, bad_frames[i]);
        assert_int_equal(get(REF, true), GNTST_bad_page);
        assert_int_equal(v1(REF)->flags, GTF_permit_access); /* released again */
    }
    assert_int_equal(get(512, false), GNTST_bad_gntref); /* frame not set up */
    assert_int_equal(get(~0u, false), GNTST_bad_gntref);
    gnttab_put(&fix->d, ~0u, false);
    setup_table(2);
    grant1(512, GTF_permit_access, 0, DATA_FRAME);
    assert_int_equal(get(512, false), 0);
}

static void test_copy(void **state)
{
    struct gnttab_copy op = {.source = {.u.gmfn = DATA_FRAME, .domid = DOMID_SELF, .offset = 100},
                             .dest = {.u.ref = REF, .domid = DOMID, .offset = 4000},
                             .len = 96,
                             .flags = GNTCOPY_dest_gref};

    memset(frame(DATA_FRAME), 'x', PAGE_SIZE);
    grant1(REF, GTF_permit_access, DOMID, DATA_FRAME + 1);
    assert_int_equal(OP(copy, &op), 0);
    assert_int_equal(op.status, 0);
    assert_int_equal(((char *)frame(DATA_FRAME + 1))[4095], 'x');
    assert_int_equal(((char *)frame(DATA_FRAME + 1))[3999], 0);
    assert_int_equal(v1(REF)->flags, GTF_permit_access);
    op.len = 97;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_copy_arg);
    op.len = 65535;
    op.dest.offset = 65535;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_copy_arg);
    op.len = 4;
    op.dest.offset = 0;
    v1(REF)->flags = GTF_permit_access | GTF_readonly;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_general_error);
    op.source.u.gmfn = fix->d.ram.patch_first;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_page);
    op.source.u.gmfn = ~0ull;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_page);
    op.source.domid = 0;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_permission_denied);
    op.source.domid = 99;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_domain);
    /* A granted page as source, and the same page on both sides. */
    grant1(REF, GTF_permit_access, DOMID, DATA_FRAME);
    op = (struct gnttab_copy){.source = {.u.ref = REF, .domid = DOMID_SELF},
                              .dest = {.u.gmfn = DATA_FRAME, .domid = DOMID_SELF, .offset = 8},
                              .len = 64,
                              .flags = GNTCOPY_source_gref};
    OP(copy, &op);
    assert_int_equal(op.status, 0);
    op.source.u.ref = ~0u;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_gntref);
}

static void test_copy_sub_page(void **state)
{
    struct gnttab_copy op = {.source = {.u.ref = REF, .domid = DOMID_SELF, .offset = 16},
                             .dest = {.u.gmfn = DATA_FRAME + 1, .domid = DOMID_SELF},
                             .len = 32,
                             .flags = GNTCOPY_source_gref};

    set_version(2);
    grant2(REF, GTF_permit_access | GTF_sub_page, DOMID, DATA_FRAME);
    v2(REF)->sub_page.page_off = 16;
    v2(REF)->sub_page.length = 32;
    OP(copy, &op);
    assert_int_equal(op.status, 0);
    op.len = 33;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_copy_arg);
    op.len = 8;
    op.source.offset = 15;
    OP(copy, &op);
    assert_int_equal(op.status, GNTST_bad_copy_arg);
    assert_int_equal(*status2(REF), 0);
}

static void test_arrays(void **state)
{
    struct gnttab_copy ops[3] = {{.len = 5000}, {.len = 5000}, {.len = 5000}};

    put_arg(ops, sizeof(ops));
    assert_int_equal(call(20, GNTTABOP_copy, ARG, 3), 0);
    get_arg(ops, sizeof(ops));
    for (unsigned int i = 0; i < 3; i++)
        assert_int_not_equal(ops[i].status, 0);
    assert_int_equal(call(20, GNTTABOP_copy, ARG, 0), 0);
    assert_int_equal(call(20, GNTTABOP_copy, BAD_VA, 1), -EFAULT);
    assert_int_equal(call(20, GNTTABOP_copy, ARG, 0xffffffff), -EINVAL);
}

#define MAP_VA VA(FRAME_FREE)

static uint64_t *map_entry(void)
{
    return (uint64_t *)frame(FRAME_L1) + FRAME_FREE;
}

static int16_t map(uint32_t ref, uint32_t flags, grant_handle_t *ret)
{
    struct gnttab_map_grant_ref op = {
        .dom = DOMID, .ref = ref, .flags = flags, .host_addr = MAP_VA};

    assert_int_equal(OP(map_grant_ref, &op), 0);
    *ret = op.handle;
    return op.status;
}

static int16_t unmap(grant_handle_t handle, uint64_t host_addr)
{
    struct gnttab_unmap_grant_ref op = {.handle = handle, .host_addr = host_addr};

    assert_int_equal(OP(unmap_grant_ref, &op), 0);
    return op.status;
}

static void test_map(void **state)
{
    struct gnttab_unmap_and_replace ur = {.host_addr = MAP_VA, .new_addr = VA(FRAME_STORE)};
    uint64_t store_entry = ((uint64_t *)frame(FRAME_L1))[FRAME_STORE];
    grant_handle_t handle;

    grant1(REF, GTF_permit_access, DOMID, DATA_FRAME);
    assert_int_equal(unmap(0, MAP_VA), GNTST_bad_handle); /* no mapping was ever made */
    assert_int_equal(map(REF, 0, &handle), GNTST_bad_gntref);
    assert_int_equal(map(~0u, GNTMAP_host_map, &handle), GNTST_bad_gntref);
    assert_int_equal(map(0, GNTMAP_host_map, &handle), GNTST_general_error); /* domain 0's */
    assert_int_equal(map(REF, GNTMAP_host_map | GNTMAP_readonly, &handle), 0);
    assert_int_equal(*map_entry(), (uint64_t)DATA_FRAME << PAGE_SHIFT | 0x65);
    assert_int_equal(v1(REF)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(unmap(handle + 1, MAP_VA), GNTST_bad_handle);
    assert_int_equal(unmap(handle, VA(FRAME_STORE)), GNTST_general_error);
    assert_int_equal(unmap(handle, BAD_VA), GNTST_general_error);
    assert_int_equal(unmap(handle, MAP_VA), 0);
    assert_int_equal(*map_entry(), 0);
    assert_int_equal(v1(REF)->flags, GTF_permit_access);

    assert_int_equal(map(REF, GNTMAP_host_map, &handle), 0);
    ur.handle = handle;
    OP(unmap_and_replace, &ur);
    assert_int_equal(ur.status, 0);
    assert_int_equal(*map_entry(), store_entry);
    assert_int_equal(((uint64_t *)frame(FRAME_L1))[FRAME_STORE], 0);
    assert_int_equal(v1(REF)->flags, GTF_permit_access);
    OP(unmap_and_replace, &ur);
    assert_int_equal(ur.status, GNTST_bad_handle);
}

/* Handles are used again, and have an end. */
static void test_many_maps(void **state)
{
    grant_handle_t handle, first;
    unsigned int n = 1;

    grant1(REF, GTF_permit_access, DOMID, DATA_FRAME);
    assert_int_equal(map(REF, GNTMAP_device_map, &first), 0);
    while (map(REF, GNTMAP_device_map, &handle) == 0)
        n++;
    assert_int_equal(n, 16384);
    assert_int_equal(map(REF, GNTMAP_device_map, &handle), GNTST_no_device_space);
    for (unsigned int i = 0; i < 2; i++) {
        struct gnttab_unmap_grant_ref op = {.handle = first,
                                            .dev_bus_addr = (uint64_t)DATA_FRAME << PAGE_SHIFT};

        OP(unmap_grant_ref, &op);
        assert_int_equal(op.status, 0);
        assert_int_equal(map(REF, GNTMAP_device_map, &handle), 0);
        assert_int_equal(handle, first);
    }
    assert_int_equal(v1(REF)->flags, GTF_permit_access | GTF_reading | GTF_writing);
}

static void test_status_frame_mapped(void **state)
{
    assert_int_equal(set_version(2), 0);
    unmap_status_frames();
    *map_entry() = fix->d.ram.status_first << PAGE_SHIFT | 1;
    assert_int_equal(set_version(1), -EBUSY);
    *map_entry() = fix->d.ram.status_first << PAGE_SHIFT;
    assert_int_equal(set_version(1), 0);
}

static void test_others(void **state)
{
    struct gnttab_map_grant_ref map = {.dom = 77, .flags = GNTMAP_host_map};
    struct gnttab_transfer tr = {.mfn = ~0ull};
    struct gnttab_dump_table dump = {.dom = DOMID_SELF};

    OP(map_grant_ref, &map);
    assert_int_equal(map.status, GNTST_bad_domain);
    OP(transfer, &tr);
    assert_int_equal(tr.status, GNTST_bad_page);
    tr.mfn = DATA_FRAME;
    OP(transfer, &tr);
    assert_int_equal(tr.status, GNTST_bad_domain);
    assert_int_equal(OP(dump_table, &dump), -EPERM);
    assert_int_equal(call(20, GNTTABOP_cache_flush, ARG, 1), -EOPNOTSUPP);
    assert_int_equal(call(20, 13, ARG, 1), -ENOSYS);
    assert_int_equal(call(20, 0xffffffff, ARG, 1), -ENOSYS);
}

static void test_swap(void **state)
{
    struct gnttab_swap_grant_ref op = {.ref_a = REF, .ref_b = REF + 1};
    void *page;

    grant1(REF, GTF_permit_access, 0, DATA_FRAME);
    OP(swap_grant_ref, &op);
    assert_int_equal(op.status, 0);
    assert_int_equal(v1(REF)->flags, 0);
    assert_int_equal(v1(REF + 1)->frame, DATA_FRAME);
    assert_int_equal(gnttab_get(&fix->d, 0, REF + 1, false, &page), 0);
    OP(swap_grant_ref, &op);
    assert_int_equal(op.status, GNTST_eagain);
    gnttab_put(&fix->d, REF + 1, false);
    op.ref_b = 512;
    OP(swap_grant_ref, &op);
    assert_int_equal(op.status, GNTST_bad_gntref);
}

static bool racing;

/* A guest that changes an entry all the time. */
static void *change_entry(void *arg)
{
    unsigned int seed = 1;

    while (__atomic_load_n(&racing, __ATOMIC_RELAXED)) {
        uint32_t word = rand_r(&seed) & 1 ? GTF_permit_access : GTF_permit_access | GTF_readonly;

        __atomic_store_n((uint32_t *)v1(REF), word, __ATOMIC_SEQ_CST);
        __atomic_store_n(&v1(REF)->frame, (uint32_t)rand_r(&seed), __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_racing_guest(void **state)
{
    pthread_t thread;
    const char *base = (const char *)fix->d.ram.base;

    racing = true;
    assert_int_equal(pthread_create(&thread, NULL, change_entry, NULL), 0);
    for (unsigned int i = 0; i < 100000; i++) {
        void *page = NULL;

        if (gnttab_get(&fix->d, 0, REF, true, &page) == 0) {
            assert_true((const char *)page >= base);
            assert_true((const char *)page < base + MAX_PAGES * PAGE_SIZE);
            gnttab_put(&fix->d, REF, true);
        }
    }
    __atomic_store_n(&racing, false, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_one_vcpu, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_reserved_entries),
        T(test_setup_table),
        T(test_versions),
        T(test_version_busy),
        T(test_use_v1),
        T(test_use_v2),
        T(test_written),
        T(test_refused_grants),
        T(test_copy),
        T(test_copy_sub_page),
        T(test_arrays),
        T(test_map),
        T(test_many_maps),
        T(test_status_frame_mapped),
        T(test_others),
        T(test_swap),
        T(test_racing_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
