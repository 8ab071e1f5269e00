/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-ram.c - engine/ram: creation, allocation, page-table walks.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ram *ram(void)
{
    return &fix->d.ram;
}

static void test_bad_sizes(void **state)
{
    struct ram r;
    struct err err = {0};

    assert_int_equal(ram_init(&r, 0, 10, &err), -EINVAL);
    assert_int_equal(ram_init(&r, 11, 10, &err), -EINVAL);
    assert_int_equal(ram_init(&r, 1, 1ull << 50, &err), -EINVAL);
    assert_true(err.msg[0] != '\0');
    ram_done(&r);
    memset(&r, 0, sizeof(r));
    ram_done(&r); /* a zeroed struct is fine, and fd 0 survives */
    assert_true(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
}

static void test_frames(void **state)
{
    assert_int_equal(ram()->shared_info, MAX_PAGES);
    assert_int_equal(ram()->nr_frames, MAX_PAGES + 1 + RAM_GRANT_FRAMES + RAM_STATUS_FRAMES);
    assert_int_equal(ram()->patch_first, ram()->nr_frames);
    assert_int_equal(ram()->nr_allocated, PAGES);
    assert_ptr_equal(ram_frame(ram(), 3), ram()->base + 3 * PAGE_SIZE);
    assert_null(ram_frame(ram(), PAGES));
    assert_null(ram_frame(ram(), MAX_PAGES - 1));
    assert_non_null(ram_frame(ram(), MAX_PAGES));
    assert_non_null(ram_frame(ram(), ram()->nr_frames - 1));
    assert_null(ram_frame(ram(), ram()->nr_frames));
    assert_null(ram_frame(ram(), INVALID_MFN));
}

static void test_m2p(void **state)
{
    for (mfn_t mfn = 0; mfn < ram()->nr_frames; mfn++)
        assert_true(ram()->m2p[mfn] == (mfn < PAGES ? mfn : INVALID_MFN));
}

static void test_odd_page_count(void **state)
{
    struct ram r;

    assert_int_equal(ram_init(&r, 77, 203, NULL), 0);
    for (mfn_t mfn = 0; mfn < 203; mfn++)
        assert_int_equal(ram_is_allocated(&r, mfn), mfn < 77);
    ram_done(&r);
}

static void test_sealed(void **state)
{
    assert_int_equal(ftruncate(ram()->fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(ram()->m2p_fd, 1 << 30), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(ram()->fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_true(fcntl(ram()->fd, F_GETFD) & FD_CLOEXEC);
}

static void test_alloc_until_full(void **state)
{
    bool seen[MAX_PAGES] = {false};

    for (unsigned int i = PAGES; i < MAX_PAGES; i++) {
        mfn_t mfn = ram_alloc(ram());

        assert_in_range(mfn, PAGES, MAX_PAGES - 1);
        assert_false(seen[mfn]);
        seen[mfn] = true;
    }
    assert_true(ram_alloc(ram()) == INVALID_MFN);
    assert_int_equal(ram()->nr_allocated, MAX_PAGES);
}

static void test_free_gives_memory_back(void **state)
{
    struct stat before, after;

    memset(frame(20), 0x55, PAGE_SIZE);
    fstat(ram()->fd, &before);
    assert_int_equal(ram_free(ram(), 20), 0);
    assert_int_equal(fix->written[20], 1);
    fstat(ram()->fd, &after);
    assert_true(after.st_blocks < before.st_blocks);
    assert_null(ram_frame(ram(), 20));
    assert_int_equal(ram_free(ram(), 20), -EINVAL);
    assert_int_equal(ram_free(ram(), ram()->shared_info), -EINVAL);
    assert_int_equal(ram_free(ram(), ram()->patch_first), -EINVAL);
    assert_int_equal(ram_free(ram(), INVALID_MFN), -EINVAL);
    assert_int_equal(ram_alloc(ram()), 20);
    assert_int_equal(((uint8_t *)frame(20))[99], 0);
}

static void test_bitmap_copy(void **state)
{
    ram_free(ram(), 20);
    ram_alloc_order(ram(), 2);
    for (mfn_t mfn = 0; mfn < MAX_PAGES; mfn++)
        assert_int_equal(ram()->allocated_copy[mfn / 64] >> (mfn % 64) & 1,
                         ram_is_allocated(ram(), mfn));
    /* What a vCPU process writes there is nothing to us. */
    memset(ram()->allocated_copy, 0xff, (MAX_PAGES + 7) / 8);
    assert_false(ram_is_allocated(ram(), 20));
    assert_null(ram_frame(ram(), MAX_PAGES - 1));
}

static void test_dirty_while_free(void **state)
{
    /* A vCPU process may go on writing to it. */
    ram_free(ram(), 20);
    memset(frame(20), 0x55, PAGE_SIZE);
    assert_int_equal(ram_alloc(ram()), 20);
    assert_int_equal(((uint8_t *)frame(20))[99], 0);
    for (mfn_t mfn = 24; mfn < 28; mfn++)
        ram_free(ram(), mfn);
    memset(frame(24), 0x55, 4 * PAGE_SIZE);
    assert_int_equal(ram_alloc_order(ram(), 2), 24);
    assert_int_equal(((uint8_t *)frame(27))[99], 0);
}

static void test_limit(void **state)
{
    ram()->limit = PAGES;
    assert_true(ram_alloc(ram()) == INVALID_MFN);
    ram()->limit = PAGES - 10; /* less than it has */
    ram_free(ram(), 20);
    assert_true(ram_alloc(ram()) == INVALID_MFN);
    assert_true(ram_alloc_order(ram(), 2) == INVALID_MFN);
    ram()->limit = PAGES + 3;
    assert_true(ram_alloc_order(ram(), 2) != INVALID_MFN);
    assert_true(ram_alloc(ram()) == INVALID_MFN);
}

static void test_alloc_order(void **state)
{
    mfn_t mfn = ram_alloc_order(ram(), 3);

    assert_int_equal(mfn % 8, 0);
    for (unsigned int i = 0; i < 8; i++)
        assert_true(ram_is_allocated(ram(), mfn + i));
    assert_int_equal(ram()->nr_allocated, PAGES + 8);
    assert_true(ram_alloc_order(ram(), 5) == INVALID_MFN); /* 32 in a row are not there */
    assert_true(ram_alloc_order(ram(), 40) == INVALID_MFN);
    assert_true(ram_alloc_order(ram(), 63) == INVALID_MFN);
    assert_int_equal(ram()->nr_allocated, PAGES + 8);
}

static void test_copy_across_pages(void **state)
{
    char in[3 * PAGE_SIZE], out[3 * PAGE_SIZE];

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)(i * 7);
    assert_int_equal(ram_copy_to_guest(ram(), FRAME_L4, VA(30) + 100, in, sizeof(in)), 0);
    assert_int_equal(ram_copy_from_guest(ram(), FRAME_L4, out, VA(30) + 100, sizeof(out)), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_memory_equal((char *)frame(30) + 100, in, 500);
    assert_int_equal(ram_copy_to_guest(ram(), FRAME_L4, BAD_VA, in, 0), 0);
}

static void expect_fault(gva_t va, bool read, bool write)
{
    char c = 1;

    assert_int_equal(ram_copy_from_guest(ram(), FRAME_L4, &c, va, 1), read ? -EFAULT : 0);
    assert_int_equal(ram_copy_to_guest(ram(), FRAME_L4, va, &c, 1), write ? -EFAULT : 0);
}

static void test_faults(void **state)
{
    uint64_t *l1 = frame(FRAME_L1), *l2 = frame(FRAME_L2), *l4 = frame(FRAME_L4);
    unsigned int slot = VA(0) >> 39 & 511;

    expect_fault(BAD_VA, true, true);
    expect_fault(0, true, true);
    expect_fault(0x800000000000ull, true, true); /* not canonical */
    expect_fault(VA(30) ^ 1ull << 62, true, true);
    set_mapping(30, true, false);
    expect_fault(VA(30), false, true);
    set_mapping(30, false, false);
    expect_fault(VA(30), true, true);
    /* Frames that are not the guest's. */
    l1[30] = (ram()->nr_frames << PAGE_SHIFT) | 3;
    expect_fault(VA(30), true, true);
    l1[30] = ((uint64_t)PAGES << PAGE_SHIFT) | 3;
    expect_fault(VA(30), true, true);
    l1[30] = 0x000ffffffffff003ull;
    expect_fault(VA(30), true, true);
    /* Rights and sizes above the last level. */
    l1[30] = 30ull << PAGE_SHIFT | 3;
    expect_fault(VA(30), false, false);
    l2[VA(0) >> 21 & 511] &= ~2ull;
    expect_fault(VA(30), false, true);
    l2[VA(0) >> 21 & 511] |= 2 | 0x80;
    expect_fault(VA(30), true, true);
    l2[VA(0) >> 21 & 511] &= ~0x80ull;
    l4[slot] = (ram()->patch_first << PAGE_SHIFT) | 7;
    expect_fault(VA(30), true, true);
    /* A root that does not exist. */
    assert_int_equal(ram_copy_from_guest(ram(), INVALID_MFN, &slot, VA(30), 1), -EFAULT);
    assert_int_equal(ram_copy_from_guest(ram(), PAGES, &slot, VA(30), 1), -EFAULT);
}

static void test_wrap_around(void **state)
{
    char buf[32];

    assert_int_equal(ram_copy_from_guest(ram(), FRAME_L4, buf, ~0ull - 3, sizeof(buf)), -EFAULT);
    assert_int_equal(ram_copy_from_guest(ram(), FRAME_L4, buf, 0x7ffffffffffcull, sizeof(buf)),
                     -EFAULT);
}

static void test_accessed_dirty(void **state)
{
    uint64_t *l1 = frame(FRAME_L1);
    char c = 0;

    ram_copy_from_guest(ram(), FRAME_L4, &c, VA(40), 1);
    assert_int_equal(l1[40] & 0x60, 0x20);
    ram_copy_to_guest(ram(), FRAME_L4, VA(41), &c, 1);
    assert_int_equal(l1[41] & 0x60, 0x60);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_one_vcpu, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_odd_page_count),
        T(test_frames),
        T(test_m2p),
        T(test_sealed),
        T(test_alloc_until_full),
        T(test_free_gives_memory_back),
        T(test_bitmap_copy),
        T(test_dirty_while_free),
        T(test_limit),
        T(test_alloc_order),
        T(test_copy_across_pages),
        T(test_faults),
        T(test_wrap_around),
        T(test_accessed_dirty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
