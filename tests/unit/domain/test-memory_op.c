/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-memory_op.c - XENMEM_*: counts returned, limits, m2p, bad arguments.
 */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/soft/layout.h"

#include <xen/xen.h>
#include <xen/memory.h>

#define OP(cmd, argp) CALL_ARG(__HYPERVISOR_memory_op, cmd, argp)
#define LIST_MAX (PAGE_SIZE / sizeof(uint64_t))

static uint64_t *list(void)
{
    return frame(FRAME_ARG2);
}

static int64_t reserve(unsigned int cmd, gva_t where, uint64_t count, unsigned int order)
{
    struct xen_memory_reservation r = {.extent_start.p = (void *)where,
                                       .nr_extents = count,
                                       .extent_order = order,
                                       .domid = DOMID_SELF};

    return OP(cmd, &r);
}

static void check_consistent(void)
{
    uint64_t n = 0;

    for (mfn_t mfn = 0; mfn < MAX_PAGES; mfn++) {
        n += ram_is_allocated(&fix->d.ram, mfn);
        if (!ram_is_allocated(&fix->d.ram, mfn))
            assert_true(fix->d.ram.m2p[mfn] == INVALID_MFN);
    }
    assert_int_equal(n, fix->d.ram.nr_allocated);
}

static void test_decrease_populate(void **state)
{
    for (unsigned int i = 0; i < 20; i++)
        list()[i] = 50 + i;
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 20, 0), 20);
    assert_int_equal(fix->d.ram.nr_allocated, PAGES - 20);
    check_consistent();
    for (unsigned int i = 0; i < 20; i++)
        list()[i] = 1000 + i; /* pfns */
    assert_int_equal(reserve(XENMEM_populate_physmap, ARG2, 20, 0), 20);
    for (unsigned int i = 0; i < 20; i++) {
        assert_true(ram_is_allocated(&fix->d.ram, list()[i]));
        assert_int_equal(fix->d.ram.m2p[list()[i]], 1000 + i);
    }
    check_consistent();
}

static void test_decrease_stops_at_bad(void **state)
{
    list()[0] = 50;
    list()[1] = 51;
    list()[2] = 51; /* twice */
    list()[3] = 52;
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 4, 0), 2);
    list()[0] = fix->d.ram.shared_info;
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 1, 0), 0);
    list()[0] = fix->d.ram.patch_first;
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 1, 0), 0);
    list()[0] = ~0ull;
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 1, 0), 0);
    list()[0] = MAX_PAGES - 2; /* runs over the end */
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 1, 3), 0);
    check_consistent();
}

static void test_populate_limit(void **state)
{
    for (unsigned int i = 0; i < LIST_MAX; i++)
        list()[i] = 500 + i;
    assert_int_equal(reserve(XENMEM_populate_physmap, ARG2, LIST_MAX, 0), MAX_PAGES - PAGES);
    assert_int_equal(reserve(XENMEM_populate_physmap, ARG2, 1, 0), 0);
    assert_int_equal(reserve(XENMEM_increase_reservation, 0, ~0ull >> 6, 0), 0);
    check_consistent();
}

static void test_increase(void **state)
{
    assert_int_equal(reserve(XENMEM_increase_reservation, ARG2, 3, 0), 3);
    for (unsigned int i = 0; i < 3; i++)
        assert_in_range(list()[i], PAGES, MAX_PAGES - 1);
    assert_int_equal(reserve(XENMEM_increase_reservation, 0, 2, 0), 2);
    assert_int_equal(fix->d.ram.nr_allocated, PAGES + 5);
}

static void test_orders(void **state)
{
    list()[0] = 2000;
    assert_int_equal(reserve(XENMEM_populate_physmap, ARG2, 1, 3), 1);
    for (unsigned int i = 0; i < 8; i++)
        assert_int_equal(fix->d.ram.m2p[list()[0] + i], 2000 + i);
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 1, 3), 1);
    assert_int_equal(fix->d.ram.nr_allocated, PAGES);
    assert_int_equal(reserve(XENMEM_populate_physmap, ARG2, 1, 10), 0);
    assert_int_equal(reserve(XENMEM_populate_physmap, ARG2, 1, 0xffffffff), 0);
    assert_int_equal(reserve(XENMEM_decrease_reservation, ARG2, 1, 64), 0);
    check_consistent();
}

static void test_never_an_errno(void **state)
{
    const unsigned int cmds[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                 XENMEM_populate_physmap};
    struct xen_memory_reservation r = {.extent_start.p = (void *)ARG2, .nr_extents = 1, .domid = 0};

    for (size_t i = 0; i < ARRAY_SIZE(cmds); i++) {
        assert_int_equal(call(12, cmds[i], BAD_VA, 0), 0);
        assert_int_equal(OP(cmds[i], &r), 0);
        assert_int_equal(reserve(cmds[i], BAD_VA, 1, 0), 0);
        assert_int_equal(reserve(cmds[i], ARG2, 0, 0), 0);
        assert_int_equal(reserve(cmds[i], ARG2, ~0ull, 0), 0);
        /* A continuation starts where it says. */
        assert_int_equal(reserve(cmds[i] | 5u << 6, ARG2, 5, 0), 5);
        assert_int_equal(reserve(cmds[i] | 7u << 6, ARG2, 5, 0), 7);
    }
    /* The list ends in the middle: what was done is counted. */
    for (unsigned int i = 0; i < 2; i++)
        ((uint64_t *)frame(60))[LIST_MAX - 2 + i] = 70 + i;
    set_mapping(61, false, false);
    assert_int_equal(reserve(XENMEM_decrease_reservation, VA(61) - 16, 5, 0), 2);
}

static void test_sizes(void **state)
{
    domid_t self = DOMID_SELF, own = DOMID, host = 0, other = 9;
    struct shared_info *si = frame(fix->d.ram.shared_info);

    assert_int_equal(OP(XENMEM_current_reservation, &self), PAGES);
    assert_int_equal(OP(XENMEM_maximum_reservation, &own), MAX_PAGES);
    assert_int_equal(OP(XENMEM_maximum_gpfn, &self), MAX_PAGES - 1);
    si->arch.max_pfn = 1234;
    assert_int_equal(OP(XENMEM_maximum_gpfn, &self), 1233);
    assert_int_equal(OP(XENMEM_current_reservation, &host), -EPERM);
    assert_int_equal(OP(XENMEM_maximum_reservation, &other), -ESRCH);
    assert_int_equal(call(12, XENMEM_current_reservation, BAD_VA, 0), -EFAULT);
    assert_int_equal(call(12, XENMEM_maximum_ram_page, 0, 0), fix->d.ram.nr_frames);
}

static void test_memory_map(void **state)
{
    struct xen_memory_map map = {.nr_entries = 128, .buffer.p = (void *)ARG2};

    struct {
        uint64_t addr, size;
        uint32_t type;
    } __attribute__((packed)) e;

    memset(frame(FRAME_ARG2), 0xee, 64);
    assert_int_equal(OP(XENMEM_memory_map, &map), 0);
    assert_int_equal(map.nr_entries, 1);
    memcpy(&e, frame(FRAME_ARG2), sizeof(e));
    assert_int_equal(e.addr, 0);
    assert_int_equal(e.size, MAX_PAGES * PAGE_SIZE);
    assert_int_equal(e.type, 1);
    assert_int_equal(((uint8_t *)frame(FRAME_ARG2))[20], 0xee);
    map.nr_entries = 0;
    map.buffer.p = (void *)BAD_VA;
    assert_int_equal(OP(XENMEM_memory_map, &map), 0);
    assert_int_equal(map.nr_entries, 0);
    map.nr_entries = 1;
    assert_int_equal(OP(XENMEM_memory_map, &map), -EFAULT);
}

static void test_machphys(void **state)
{
    struct xen_machphys_mapping m;

    memset(&m, 0, sizeof(m));
    assert_int_equal(OP(XENMEM_machphys_mapping, &m), 0);
    assert_true(m.v_start == (uint64_t)M2P_GUEST);
    assert_true(m.v_start >> 47 == 0x1ffff); /* canonical, upper half */
    assert_int_equal(m.max_mfn, fix->d.ram.nr_frames - 1);
    assert_true(m.v_end >= m.v_start + fix->d.ram.nr_frames * 8);
    assert_int_equal(m.v_end % PAGE_SIZE, 0);
}

static int64_t exchange(struct xen_memory_exchange *x)
{
    return OP(XENMEM_exchange, x);
}

static void test_exchange(void **state)
{
    uint64_t *in = frame(60), *out = frame(61);
    struct xen_memory_exchange x = {
        .in = {.extent_start.p = (void *)VA(60), .nr_extents = 3, .domid = DOMID_SELF},
        .out = {.extent_start.p = (void *)VA(61), .nr_extents = 3, .domid = DOMID_SELF}};

    for (unsigned int i = 0; i < 3; i++) {
        in[i] = 80 + i;
        out[i] = 3000 + i;
    }
    assert_int_equal(exchange(&x), 0);
    assert_int_equal(x.nr_exchanged, 3);
    for (unsigned int i = 0; i < 3; i++) {
        assert_true(ram_is_allocated(&fix->d.ram, out[i]));
        assert_int_equal(fix->d.ram.m2p[out[i]], 3000 + i);
    }
    assert_int_equal(fix->d.ram.nr_allocated, PAGES);
    check_consistent();
    /* The second of these is not ours. */
    x.nr_exchanged = 0;
    in[0] = out[0];
    in[1] = MAX_PAGES;
    out[0] = 1;
    assert_int_equal(exchange(&x), -EINVAL);
    assert_int_equal(x.nr_exchanged, 1);
    x.nr_exchanged = 0;
    x.in.extent_order = 1;
    assert_int_equal(exchange(&x), -EPERM);
    assert_int_equal(x.nr_exchanged, 0);
    x.in.extent_order = 0;
    x.in.nr_extents = x.out.nr_extents = ~0ull;
    assert_int_equal(exchange(&x), -EINVAL);
    x.nr_exchanged = 5;
    x.in.nr_extents = x.out.nr_extents = 3;
    assert_int_equal(exchange(&x), -EINVAL);
}

/* Exchange works with every frame in use. */
static void test_exchange_full(void **state)
{
    struct xen_memory_exchange x = {
        .in = {.extent_start.p = (void *)VA(60), .nr_extents = 1, .domid = DOMID},
        .out = {.extent_start.p = (void *)VA(61), .nr_extents = 1, .domid = DOMID}};

    while (ram_alloc(&fix->d.ram) != INVALID_MFN)
        continue;
    *(uint64_t *)frame(60) = 90;
    *(uint64_t *)frame(61) = 4000;
    assert_int_equal(exchange(&x), 0);
    assert_int_equal(*(uint64_t *)frame(61), 90);
    assert_int_equal(fix->d.ram.m2p[90], 4000);
}

/* So it does when the domain has more than its limit (`xm mem-max` may say less than it has). */
static void test_exchange_over_limit(void **state)
{
    struct xen_memory_exchange x = {
        .in = {.extent_start.p = (void *)VA(60), .nr_extents = 1, .domid = DOMID},
        .out = {.extent_start.p = (void *)VA(61), .nr_extents = 1, .domid = DOMID}};
    uint64_t before = fix->d.ram.nr_allocated, new;

    fix->d.ram.limit = before - 8;
    for (unsigned int i = 0; i < 2; i++) {
        *(uint64_t *)frame(60) = 90 + i;
        *(uint64_t *)frame(61) = 4000 + i;
        x.nr_exchanged = 0;
        assert_int_equal(exchange(&x), 0);
        new = *(uint64_t *)frame(61);
        assert_true(ram_is_allocated(&fix->d.ram, new));
        assert_int_equal(fix->d.ram.m2p[new], 4000 + i);
        assert_int_equal(fix->d.ram.nr_allocated, before);
        check_consistent();
        /* The second time there is no other. */
        fix->d.ram.limit = MAX_PAGES;
        while (ram_alloc(&fix->d.ram) != INVALID_MFN)
            continue;
        before = fix->d.ram.nr_allocated;
        fix->d.ram.limit = 8;
    }
}

static void test_refusals(void **state)
{
    const struct {
        unsigned int cmd;
        int rc;
    } table[] = {{XENMEM_machphys_mfn_list, -EPERM},
                 {XENMEM_add_to_physmap, -EACCES},
                 {XENMEM_remove_from_physmap, -EACCES},
                 {XENMEM_add_to_physmap_batch, -EACCES},
                 {XENMEM_machine_memory_map, -EPERM},
                 {XENMEM_set_pod_target, -EINVAL},
                 {XENMEM_get_pod_target, -EINVAL},
                 {XENMEM_get_vnumainfo, -EOPNOTSUPP},
                 {24, -EPERM},
                 {27, -EPERM},
                 {XENMEM_acquire_resource, -EPERM},
                 {63, -ENOSYS}};

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        assert_int_equal(call(12, table[i].cmd, ARG, 0), table[i].rc);
}

/* Any operation with any argument leaves the books right. */
static void test_random(void **state)
{
    srand(4);
    for (unsigned int i = 0; i < 20000; i++) {
        /* Only frames that carry none of the fixture's own pages. */
        for (unsigned int k = 0; k < 8; k++)
            list()[k] = 50 + (uint64_t)rand() % (MAX_PAGES - 40);
        switch (rand() % 3) {
        case 0:
            (void)reserve(XENMEM_decrease_reservation, ARG2, (uint64_t)rand() % 8,
                          (unsigned int)rand() % 3);
            break;
        case 1:
            (void)reserve(XENMEM_populate_physmap, ARG2, (uint64_t)rand() % 8,
                          (unsigned int)rand() % 3);
            break;
        default:
            (void)reserve(XENMEM_increase_reservation, 0, (uint64_t)rand() % 4, 0);
            break;
        }
    }
    for (mfn_t mfn = 0; mfn < MAX_PAGES; mfn++) {
        if (!ram_is_allocated(&fix->d.ram, mfn))
            assert_true(fix->d.ram.m2p[mfn] == INVALID_MFN);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_one_vcpu, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_decrease_populate),
        T(test_decrease_stops_at_bad),
        T(test_populate_limit),
        T(test_increase),
        T(test_orders),
        T(test_never_an_errno),
        T(test_sizes),
        T(test_memory_map),
        T(test_machphys),
        T(test_exchange),
        T(test_exchange_full),
        T(test_exchange_over_limit),
        T(test_refusals),
        T(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
