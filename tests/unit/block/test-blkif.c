/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-blkif.c - the ring as a guest writes it, and which requests are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "backend/block/blkif.h"

#include <xen/xen.h>
#include <xen/io/blkif.h>

static _Alignas(PAGE_SIZE) uint8_t memory[BLKIF_MAX_RING_PAGES][PAGE_SIZE];
static struct blkif_ring ring;

static struct blkif_sring *shared(void)
{
    return (struct blkif_sring *)memory[0];
}

/* Pages in reverse order: nobody may rely on their being neighbours. */
static void attach(unsigned int pages)
{
    void *list[BLKIF_MAX_RING_PAGES];

    memset(memory, 0, sizeof(memory));
    list[0] = memory[0];
    for (unsigned int i = 1; i < pages; i++)
        list[i] = memory[pages - i];
    shared()->req_event = shared()->rsp_event = 1;
    assert_int_equal(blkif_ring_attach(&ring, list, pages), 0);
}

/* Byte by byte, so that this test does not share the code under test. */
static void put_bytes(size_t at, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ring.page[(at + i) / PAGE_SIZE][(at + i) % PAGE_SIZE] = ((const uint8_t *)from)[i];
}

static void get_bytes(size_t at, void *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = ring.page[(at + i) / PAGE_SIZE][(at + i) % PAGE_SIZE];
}

static void put_request(const void *req)
{
    put_bytes(64 + shared()->req_prod % ring.nr_entries * 112, req, 112);
    shared()->req_prod++;
}

static void test_sizes(void **state)
{
    static const uint32_t entries[] = {32, 64, 128, 256, 512};
    void *page = memory[0];

    for (unsigned int order = 0; order <= BLKIF_MAX_RING_ORDER; order++) {
        attach(1u << order);
        assert_int_equal(ring.nr_entries, entries[order]);
    }
    assert_int_equal(blkif_ring_attach(&ring, &page, 0), -EINVAL);
    assert_int_equal(blkif_ring_attach(&ring, &page, BLKIF_MAX_RING_PAGES + 1), -EINVAL);
}

static void test_direct(void **state)
{
    blkif_request_t req = {.operation = BLKIF_OP_WRITE,
                           .nr_segments = 11,
                           .handle = 9,
                           .id = 0x1122334455667788ull,
                           .sector_number = 0x99aabbccdd};
    struct blkif_copy c;

    attach(1);
    for (unsigned int i = 0; i < 11; i++)
        req.seg[i] =
            (struct blkif_request_segment){.gref = 100 + i, .first_sect = 1, .last_sect = 7};
    assert_int_equal(blkif_ring_take(&ring, &c), 0);
    put_request(&req);
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    assert_int_equal(c.op, BLKIF_OP_WRITE);
    assert_false(c.indirect);
    assert_int_equal(c.nr_segs, 11);
    assert_int_equal(c.id, req.id);
    assert_int_equal(c.sector, req.sector_number);
    assert_int_equal(c.seg[10].gref, 110);
    assert_int_equal(c.seg[10].first, 1);
    assert_int_equal(c.seg[10].last, 7);
    assert_int_equal(blkif_ring_take(&ring, &c), 0);
}

static void test_indirect_and_discard(void **state)
{
    struct blkif_request_indirect in = {.operation = BLKIF_OP_INDIRECT,
                                        .indirect_op = BLKIF_OP_READ,
                                        .nr_segments = 200,
                                        .id = 5,
                                        .sector_number = 8,
                                        .indirect_grefs = {1, 2, 3, 4, 5, 6, 7, 8}};
    struct blkif_request_discard discard = {.operation = BLKIF_OP_DISCARD,
                                            .flag = BLKIF_DISCARD_SECURE,
                                            .id = 6,
                                            .sector_number = 16,
                                            .nr_sectors = 1ull << 40};
    uint8_t wire[112] = {0};
    struct blkif_copy c;

    attach(2);
    memcpy(wire, &in, sizeof(in));
    put_request(wire);
    memcpy(wire, &discard, sizeof(discard));
    put_request(wire);
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    assert_true(c.indirect);
    assert_int_equal(c.op, BLKIF_OP_READ);
    assert_int_equal(c.nr_segs, 200);
    assert_int_equal(c.id, 5);
    assert_int_equal(c.indirect_gref[7], 8);
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    assert_int_equal(c.flag, BLKIF_DISCARD_SECURE);
    assert_int_equal(c.sector, 16);
    assert_true(c.nr_sectors == 1ull << 40);
}

/* Many times round rings of all sizes: entries cross the borders of pages. */
static void test_round(void **state)
{
    for (unsigned int order = 0; order <= BLKIF_MAX_RING_ORDER; order++) {
        attach(1u << order);
        for (uint32_t i = 0; i < 5 * ring.nr_entries; i++) {
            blkif_request_t req = {.operation = BLKIF_OP_READ,
                                   .nr_segments = 1,
                                   .id = i,
                                   .sector_number = ~(uint64_t)i};
            blkif_response_t rsp;
            struct blkif_copy c;

            req.seg[10].gref = i; /* the far end of the entry */
            put_request(&req);
            assert_int_equal(blkif_ring_take(&ring, &c), 1);
            assert_int_equal(c.id, i);
            assert_true(c.sector == ~(uint64_t)i);
            blkif_ring_respond(&ring, i, BLKIF_OP_READ, BLKIF_RSP_ERROR);
            assert_int_equal(shared()->rsp_prod, i);
            blkif_ring_push(&ring);
            assert_int_equal(shared()->rsp_prod, i + 1);
            get_bytes(64 + i % ring.nr_entries * 112, &rsp, sizeof(rsp));
            assert_int_equal(rsp.id, i);
            assert_int_equal(rsp.operation, BLKIF_OP_READ);
            assert_int_equal(rsp.status, BLKIF_RSP_ERROR);
        }
    }
}

static void test_events(void **state)
{
    blkif_request_t req = {.operation = BLKIF_OP_READ};
    struct blkif_copy c;

    attach(1);
    /* We sleep; the guest's next request is to be told. */
    assert_true(blkif_ring_sleep(&ring, 1));
    assert_int_equal(shared()->req_event, 1);
    put_request(&req);
    assert_false(blkif_ring_sleep(&ring, 1));
    /* The second one only. */
    assert_true(blkif_ring_sleep(&ring, 2));
    assert_int_equal(shared()->req_event, 2);
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    put_request(&req);
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    /* The guest wants an event with the second response only. */
    shared()->rsp_event = 2;
    blkif_ring_respond(&ring, 0, 0, 0);
    assert_false(blkif_ring_push(&ring));
    blkif_ring_respond(&ring, 0, 0, 0);
    assert_true(blkif_ring_push(&ring));
    assert_false(blkif_ring_push(&ring));
    /* Both at once count as well. */
    put_request(&req);
    put_request(&req);
    shared()->rsp_event = 3;
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    blkif_ring_respond(&ring, 0, 0, 0);
    blkif_ring_respond(&ring, 0, 0, 0);
    assert_true(blkif_ring_push(&ring));
}

static void test_runaway(void **state)
{
    struct blkif_copy c;
    void *page = memory[0];

    attach(1);
    shared()->req_prod = 33;
    assert_int_equal(blkif_ring_take(&ring, &c), -EPROTO);
    assert_int_equal(blkif_ring_attach(&ring, &page, 1), -EINVAL);
    attach(1);
    shared()->req_prod = 32;
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    shared()->req_prod = 0; /* backwards */
    assert_int_equal(blkif_ring_take(&ring, &c), -EPROTO);
    shared()->req_prod = -1u;
    assert_int_equal(blkif_ring_take(&ring, &c), -EPROTO);
}

/* A frontend that reconnects may bring unanswered requests. */
static void test_attach_in_the_middle(void **state)
{
    blkif_request_t req = {.operation = BLKIF_OP_READ, .id = 77};
    struct blkif_copy c;
    void *page = memory[0];

    attach(1);
    shared()->req_prod = shared()->rsp_prod = 0xfffffff0u;
    put_request(&req);
    assert_int_equal(blkif_ring_attach(&ring, &page, 1), 0);
    assert_int_equal(blkif_ring_take(&ring, &c), 1);
    assert_int_equal(c.id, 77);
    assert_int_equal(blkif_ring_take(&ring, &c), 0);
}

/* --- judgement -------------------------------------------------------------------------- */

static const struct blkif_limits disk = {
    .sectors = 1000, .sector_size = 512, .writable = true, .discard = true};
static const struct blkif_limits readonly = {.sectors = 1000, .sector_size = 512};
static const struct blkif_limits large = {.sectors = 1000, .sector_size = 4096, .writable = true};

static void test_check_request(void **state)
{
    static const struct {
        struct blkif_copy c;
        int on_disk, on_readonly;
    } cases[] = {
        {{.op = BLKIF_OP_READ, .nr_segs = 11}, 0, 0},
        {{.op = BLKIF_OP_READ, .nr_segs = 12}, -1, -1},
        {{.op = BLKIF_OP_READ, .nr_segs = 0}, -1, -1},
        {{.op = BLKIF_OP_READ, .indirect = true, .nr_segs = 256}, 0, 0},
        {{.op = BLKIF_OP_READ, .indirect = true, .nr_segs = 257}, -1, -1},
        {{.op = BLKIF_OP_READ, .indirect = true, .nr_segs = 65535}, -1, -1},
        {{.op = BLKIF_OP_WRITE, .nr_segs = 1}, 0, -1},
        {{.op = BLKIF_OP_WRITE, .indirect = true, .nr_segs = 1}, 0, -1},
        {{.op = BLKIF_OP_WRITE_BARRIER, .nr_segs = 1}, 0, -1},
        {{.op = BLKIF_OP_WRITE_BARRIER, .nr_segs = 0}, 0, 0},
        {{.op = BLKIF_OP_FLUSH_DISKCACHE, .nr_segs = 0}, 0, 0},
        {{.op = BLKIF_OP_FLUSH_DISKCACHE, .nr_segs = 11}, 0, -1},
        {{.op = BLKIF_OP_FLUSH_DISKCACHE, .indirect = true}, -1, -1},
        {{.op = BLKIF_OP_INDIRECT, .indirect = true, .nr_segs = 1}, -1, -1},
        {{.op = BLKIF_OP_DISCARD, .indirect = true, .nr_sectors = 1}, -1, -1},
        {{.op = BLKIF_OP_DISCARD, .nr_sectors = 1000}, 0, -2},
        {{.op = BLKIF_OP_DISCARD, .nr_sectors = 1001}, -1, -2},
        {{.op = BLKIF_OP_DISCARD, .nr_sectors = 0}, -1, -2},
        {{.op = BLKIF_OP_DISCARD, .sector = 1, .nr_sectors = 1000}, -1, -2},
        {{.op = BLKIF_OP_DISCARD, .sector = UINT64_MAX, .nr_sectors = 2}, -1, -2},
        {{.op = BLKIF_OP_DISCARD, .sector = 2, .nr_sectors = UINT64_MAX}, -1, -2},
        {{.op = BLKIF_OP_DISCARD, .nr_sectors = 1, .flag = BLKIF_DISCARD_SECURE}, -2, -2},
        {{.op = BLKIF_OP_RESERVED_1, .nr_segs = 1}, -1, -1},
        {{.op = 7, .nr_segs = 1}, -1, -1},
        {{.op = 255, .nr_segs = 1}, -1, -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (blkif_check_request(&cases[i].c, &disk) != cases[i].on_disk)
            fail_msg("case %zu on a disk", i);
        if (blkif_check_request(&cases[i].c, &readonly) != cases[i].on_readonly)
            fail_msg("case %zu on a disk that is read only", i);
    }
}

static int check(const struct blkif_limits *l, uint64_t sector, unsigned int n, uint8_t first,
                 uint8_t last)
{
    struct blkif_segment segs[BLKIF_MAX_SEGMENTS];
    struct blkif_copy c = {.op = BLKIF_OP_READ, .nr_segs = n, .sector = sector};
    uint64_t bytes;
    int status;

    for (unsigned int i = 0; i < n; i++)
        segs[i] = (struct blkif_segment){.first = first, .last = last};
    status = blkif_check_segments(&c, segs, l, &bytes);
    if (status == 0)
        assert_int_equal(bytes, n * (last - first + 1u) * 512u);
    return status;
}

static void test_check_segments(void **state)
{
    assert_int_equal(check(&disk, 0, 1, 0, 7), 0);
    assert_int_equal(check(&disk, 0, 1, 7, 7), 0);
    assert_int_equal(check(&disk, 0, 1, 0, 8), -1);
    assert_int_equal(check(&disk, 0, 1, 8, 8), -1);
    assert_int_equal(check(&disk, 0, 1, 255, 255), -1);
    assert_int_equal(check(&disk, 0, 1, 3, 2), -1);
    assert_int_equal(check(&disk, 992, 1, 0, 7), 0);
    assert_int_equal(check(&disk, 993, 1, 0, 7), -1);
    assert_int_equal(check(&disk, 1000, 1, 0, 0), -1);
    assert_int_equal(check(&disk, UINT64_MAX, 1, 0, 0), -1);
    assert_int_equal(check(&disk, UINT64_MAX - 7, 1, 0, 7), -1);
    assert_int_equal(check(&disk, 0, 125, 0, 7), 0);
    assert_int_equal(check(&disk, 0, 126, 0, 7), -1);
    assert_int_equal(check(&disk, 1 << 20, 0, 0, 0), 0);
    assert_int_equal(check(&large, 0, 2, 0, 7), 0);
    assert_int_equal(check(&large, 0, 2, 0, 3), -1);
    assert_int_equal(check(&large, 4, 1, 0, 7), -1);
    assert_int_equal(check(&large, 8, 1, 0, 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_indirect_and_discard),
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_runaway),
        cmocka_unit_test(test_attach_in_the_middle),
        cmocka_unit_test(test_check_request),
        cmocka_unit_test(test_check_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
