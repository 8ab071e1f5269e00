/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-serve.c - turns of a disk's thread one by one, without the thread: what a test wants to
 * be under way is under way.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/block/vbd_priv.h"

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>

#define RING_FRAME 20u
#define DATA_FRAME 40u
#define DATA_REF 100u

static struct vbd vbd;
static struct blkif_sring *ring;

static int setup(void **state)
{
    struct vbd_queue *q = &vbd.queue[0];
    static char name[] = "xvda", path[] = "image";
    void *page;
    int rc = setup_one_vcpu(state);

    if (rc)
        return rc;
    ring = page = frame(RING_FRAME);
    memset(page, 0, PAGE_SIZE);
    ((grant_entry_v1_t *)frame(fix->d.ram.grant_first))[DATA_REF] =
        (grant_entry_v1_t){.flags = GTF_permit_access, .domid = 0, .frame = DATA_FRAME};
    vbd = (struct vbd){.d = &fix->d,
                       .config = {.name = name, .path = path},
                       .disk = {.fd = -1, .direct_fd = -1, .limits = {64, 512, true, true}},
                       .nr_queues = 1};
    q->vbd = &vbd;
    assert_int_equal(blkif_ring_attach(&q->ring, &page, 1), 0);
    return vbd_serve_prepare(&vbd);
}

static int done(void **state)
{
    vbd_serve_release(&vbd);
    return teardown(state);
}

static void put_reads(unsigned int count)
{
    blkif_request_t req = {.operation = BLKIF_OP_READ, .nr_segments = 1};

    req.seg[0] = (struct blkif_request_segment){.gref = DATA_REF, .last_sect = 7};
    while (count--)
        memcpy((uint8_t *)ring + 64 + (size_t)(ring->req_prod++ % 32) * 112, &req, sizeof(req));
}

static struct blk_op *turn(struct blk_op *ended)
{
    struct blk_op *starting;
    bool more;

    starting = vbd_serve_turn(&vbd, ended, true, &more);
    assert_false(more);
    return starting;
}

/* Take the first off a list. */
static struct blk_op *first(struct blk_op **list)
{
    struct blk_op *op = *list;

    *list = op->next;
    op->next = NULL;
    return op;
}

/* The guest is to speak up at once on an idle disk; with much under way what ends makes us look. */
static void test_events(void **state)
{
    struct blk_op *flying = turn(NULL), *more;

    assert_null(flying);
    assert_int_equal(ring->req_event, 1);
    put_reads(1);
    flying = turn(NULL);
    assert_int_equal(ring->req_event, 2); /* a second one goes beside it */
    put_reads(23);
    more = turn(NULL);
    assert_int_equal(vbd.in_flight, 24);
    assert_int_equal(ring->req_event, 24 + 7);
    /* Too few for an event; they are found with the next that ends. */
    put_reads(2);
    more = turn(first(&more));
    assert_non_null(more->next);
    assert_int_equal(vbd.in_flight, 25);
    /* All that is under way ends: then the next request is told. */
    assert_null(turn(flying));
    while (vbd.in_flight) {
        struct vbd_queue *q = &vbd.queue[0];
        struct blk_op *op = NULL;

        for (uint32_t i = 0; !op && i < q->ring.nr_entries; i++)
            if (q->requests[i].nr_grefs)
                op = &q->requests[i].op;
        assert_non_null(op);
        op->next = NULL;
        assert_null(turn(op));
    }
    assert_int_equal(ring->rsp_prod, 26);
    assert_int_equal(ring->req_event, 27);
}

/* What the host has in memory is read while the guest sleeps for it; for one that goes on working
 * the disk's thread does it. */
static void test_at_once(void **state)
{
    char path[] = "/tmp/test-serve-XXXXXX", page[PAGE_SIZE] = "page";
    const struct blk_file file = {mkstemp(path), -1, 0};
    struct iovec iov = {page, sizeof(page)};
    struct blk_op *flying;
    struct err err = {0};

    assert_int_equal(unlink(path), 0);
    assert_int_equal(pwrite(file.fd, page, sizeof(page), 0), sizeof(page));
    if (preadv2(file.fd, &iov, 1, 0, RWF_NOWAIT) < 0)
        skip(); /* not with every file system */
    vbd.disk.fd = file.fd;
    assert_int_equal(blk_io_create(&vbd.io, BLK_IO_THREADS, &file, &err), 0);
    put_reads(1);
    vbd_serve_event(&vbd.queue[0]);
    assert_int_equal(ring->rsp_prod, 1);
    assert_string_equal(frame(DATA_FRAME), "page");
    fix->awake[0] = true;
    put_reads(1);
    vbd_serve_event(&vbd.queue[0]);
    assert_int_equal(ring->rsp_prod, 1);
    flying = turn(NULL);
    assert_non_null(flying);
    assert_null(turn(flying));
    assert_int_equal(ring->rsp_prod, 2);
    blk_io_destroy(vbd.io);
    close(file.fd);
}

/* A producer that runs away is seen however far the event was put off. */
static void test_runaway(void **state)
{
    put_reads(24);
    assert_non_null(turn(NULL));
    ring->req_prod -= 3;
    assert_null(turn(NULL));
    assert_true(vbd.queue[0].broken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_events),
        TEST(test_at_once),
        TEST(test_runaway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
