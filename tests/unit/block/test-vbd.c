/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-vbd.c - the whole block backend: a guest made of memory, grants and ports talks to a
 * disk through xenbus and its rings, with both I/O engines.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend/block/io.h"
#include "backend/block/vbd.h"
#include "fake_store.h"

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>

#define FRONT "/local/domain/7/device/vbd/51712/"
#define BACK "/local/domain/0/backend/vbd/7/51712/"
#define SECTORS 256u
#define RING_FRAME 20u /* and the following */
#define DATA_FRAME 40u
#define RING_REF 8u
#define DATA_REF 100u
#define NR_DATA 64u
#define WAIT_MS 5000

static struct {
    char path[64];
    int fd;
    struct loop *loop;
    struct xenbus *bus;
    struct vbd *vbd;
    unsigned int removed;
    port_t port;
    struct blkif_sring *ring;
    RING_IDX rsp_cons, req_prod;
} t;

static void lock(void)
{
    pthread_mutex_lock(&fix->d.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&fix->d.lock);
}

static grant_entry_v1_t *grant(uint32_t ref)
{
    return (grant_entry_v1_t *)frame(fix->d.ram.grant_first) + ref;
}

static void allow(uint32_t ref, mfn_t mfn, uint16_t flags)
{
    *grant(ref) = (grant_entry_v1_t){.flags = flags, .domid = 0, .frame = (uint32_t)mfn};
}

static void on_removed(void *arg, struct vbd *v)
{
    t.removed++;
    vbd_destroy(v);
    t.vbd = NULL;
}

/* An image whose sectors say their number. */
static void make_image(void)
{
    uint64_t sector[64];

    strcpy(t.path, "/tmp/test-vbd-XXXXXX");
    t.fd = mkstemp(t.path);
    assert_true(t.fd >= 0);
    for (uint64_t i = 0; i < SECTORS; i++) {
        for (size_t j = 0; j < 64; j++)
            sector[j] = i << 8 | j;
        assert_int_equal(pwrite(t.fd, sector, 512, (off_t)(i * 512)), 512);
    }
}

static void describe_disk(struct disk_config *config, const char *path, const char *mode,
                          bool cdrom)
{
    json_t *object =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:b}", "name", "xvda", "devid", 51712, "path",
                  path, "type", "file", "params", path, "mode", mode, "cdrom", (int)cdrom);
    struct err err = {0};

    assert_int_equal(disk_config_parse(config, object, &err), 0);
    json_decref(object);
}

static void attach_device(const char *path, const char *mode, bool cdrom)
{
    struct disk_config config;
    struct err err = {0};
    int image = -1;

    describe_disk(&config, path, mode, cdrom);
    assert_int_equal(disk_open_image(&config, &image, &err), 0);
    if (vbd_create(&t.vbd, &config, image, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(vbd_attach(t.vbd, t.bus, on_removed, NULL, &err), 0);
    store_settle();
}

static void attach_disk(const char *mode)
{
    attach_device(t.path, mode, false);
}

/* Another medium, or a look at the size. 0 or -errno. */
static int change_disk(const char *path)
{
    struct disk_config config;
    struct err err = {0};
    int image = -1, rc;

    describe_disk(&config, path, "r", path[0] == '\0');
    rc = disk_open_image(&config, &image, &err);
    if (rc == 0)
        rc = vbd_change(t.vbd, &config, image, &err);
    disk_config_done(&config);
    store_settle();
    return rc;
}

static int setup(void **state)
{
    struct err err = {0};

    setup_four_vcpus(state);
    store_reset();
    memset(&t, 0, sizeof(t));
    make_image();
    for (uint32_t i = 0; i < NR_DATA; i++)
        allow(DATA_REF + i, DATA_FRAME + i, GTF_permit_access);
    assert_int_equal(loop_create(&t.loop, &err), 0);
    assert_int_equal(xenbus_create(&t.bus, t.loop, &fix->d, &err), 0);
    return 0;
}

static int done(void **state)
{
    xenbus_destroy(t.bus);
    if (t.vbd) {
        vbd_detached(t.vbd);
        vbd_destroy(t.vbd);
    }
    /* No grant may be left in use, whatever happened. */
    for (uint32_t ref = 8; ref < 512; ref++)
        if (grant(ref)->flags & (GTF_reading | GTF_writing))
            fail_msg("grant %u is still in use", ref);
    loop_destroy(t.loop);
    close(t.fd);
    unlink(t.path);
    return teardown(state);
}

/* --- the frontend ----------------------------------------------------------------------- */

static void front_number(const char *key, unsigned int value)
{
    char path[128], text[16];

    snprintf(path, sizeof(path), FRONT "%s", key);
    snprintf(text, sizeof(text), "%u", value);
    store_write(path, text);
}

static const char *front_state(unsigned int state)
{
    front_number("state", state);
    store_settle();
    return store_read(BACK "state");
}

static port_t alloc_port(void)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = 0};

    lock();
    assert_int_equal(CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &op), 0);
    unlock();
    return op.port;
}

static void make_ring(unsigned int pages)
{
    for (unsigned int i = 0; i < pages; i++) {
        memset(frame(RING_FRAME + i), 0, PAGE_SIZE);
        allow(RING_REF + i, RING_FRAME + i, GTF_permit_access);
    }
    t.ring = frame(RING_FRAME);
    t.ring->req_event = t.ring->rsp_event = 1;
    t.req_prod = t.rsp_cons = 0;
}

static void connect_front(void)
{
    make_ring(1);
    t.port = alloc_port();
    front_number("ring-ref", RING_REF);
    front_number("event-channel", t.port);
    store_write(FRONT "protocol", "x86_64-abi");
    assert_string_equal(front_state(3), "4");
    front_state(4);
}

static void notify(void)
{
    struct evtchn_send op = {.port = t.port};

    lock();
    assert_int_equal(CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op), 0);
    unlock();
}

static void put_request(const void *req)
{
    memcpy((uint8_t *)t.ring + 64 + (size_t)(t.req_prod++ % 32) * 112, req, 112);
    __atomic_store_n(&t.ring->req_prod, t.req_prod, __ATOMIC_SEQ_CST);
}

static blkif_response_t get_response(void)
{
    blkif_response_t rsp;

    for (int i = 0; __atomic_load_n(&t.ring->rsp_prod, __ATOMIC_SEQ_CST) == t.rsp_cons; i++) {
        if (i == WAIT_MS)
            fail_msg("no answer");
        usleep(1000);
    }
    memcpy(&rsp, (uint8_t *)t.ring + 64 + (size_t)(t.rsp_cons++ % 32) * 112, sizeof(rsp));
    return rsp;
}

/* A request on one data page. Returns its status. */
static int request(uint8_t op, uint64_t sector, uint32_t ref, uint8_t first, uint8_t last)
{
    static uint64_t id = 1000;
    blkif_request_t req = {.operation = op, .nr_segments = 1, .id = ++id, .sector_number = sector};
    blkif_response_t rsp;

    req.seg[0] =
        (struct blkif_request_segment){.gref = ref, .first_sect = first, .last_sect = last};
    put_request(&req);
    notify();
    rsp = get_response();
    assert_int_equal(rsp.id, id);
    assert_int_equal(rsp.operation, op);
    return rsp.status;
}

static uint64_t word(mfn_t mfn, unsigned int sector, unsigned int index)
{
    return ((uint64_t *)frame(mfn))[sector * 64 + index];
}

static uint64_t image_word(uint64_t sector, unsigned int index)
{
    uint64_t value;

    assert_int_equal(pread(t.fd, &value, 8, (off_t)(sector * 512 + index * 8)), 8);
    return value;
}

/* --- tests ------------------------------------------------------------------------------ */

static void test_properties(void **state)
{
    attach_disk("w");
    assert_string_equal(store_read(BACK "state"), "2");
    assert_string_equal(store_read(BACK "feature-max-indirect-segments"), "256");
    assert_string_equal(store_read(BACK "multi-queue-max-queues"), "4");
    assert_string_equal(store_read(FRONT "virtual-device"), "51712");
    connect_front();
    assert_string_equal(store_read(BACK "sectors"), "256");
    assert_string_equal(store_read(BACK "sector-size"), "512");
    assert_string_equal(store_read(BACK "info"), "0");
    assert_string_equal(store_read(BACK "mode"), "w");
}

static void test_read_write(void **state)
{
    attach_disk("w");
    connect_front();
    assert_int_equal(request(BLKIF_OP_READ, 10, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
    for (unsigned int s = 0; s < 8; s++)
        assert_int_equal(word(DATA_FRAME, s, 63), (10 + s) << 8 | 63);
    /* A part of a page only. */
    memset(frame(DATA_FRAME), 0xff, PAGE_SIZE);
    assert_int_equal(request(BLKIF_OP_READ, 255, DATA_REF, 3, 3), BLKIF_RSP_OKAY);
    assert_int_equal(word(DATA_FRAME, 3, 0), 255 << 8);
    assert_true(word(DATA_FRAME, 2, 63) == ~0ull && word(DATA_FRAME, 4, 0) == ~0ull);
    assert_int_equal(request(BLKIF_OP_WRITE, 100, DATA_REF, 3, 4), BLKIF_RSP_OKAY);
    assert_int_equal(image_word(100, 5), 255 << 8 | 5);
    assert_true(image_word(101, 0) == ~0ull);
    assert_int_equal(image_word(102, 0), 102 << 8);
    assert_int_equal(image_word(99, 0), 99 << 8);
}

static void test_refused(void **state)
{
    attach_disk("w");
    connect_front();
    allow(DATA_REF + 1, DATA_FRAME + 1, GTF_permit_access | GTF_readonly);
    allow(DATA_REF + 2, 1 << 20, GTF_permit_access);
    allow(DATA_REF + 3, DATA_FRAME, GTF_invalid);
    assert_int_equal(request(BLKIF_OP_READ, 249, DATA_REF, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF, 0, 8), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF + 1, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_WRITE, 0, DATA_REF + 1, 0, 7), BLKIF_RSP_OKAY);
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF + 2, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF + 3, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_READ, 0, 1u << 31, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(77, 0, DATA_REF, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
}

static void test_readonly(void **state)
{
    attach_disk("r");
    connect_front();
    assert_string_equal(store_read(BACK "info"), "4");
    assert_string_equal(store_read(BACK "feature-discard"), "0");
    assert_int_equal(request(BLKIF_OP_WRITE, 0, DATA_REF, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_WRITE_BARRIER, 0, DATA_REF, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
    assert_int_equal(image_word(0, 1), 1);
}

static void test_flush_and_barrier(void **state)
{
    blkif_request_t flush = {.operation = BLKIF_OP_FLUSH_DISKCACHE, .id = 1};

    attach_disk("w");
    connect_front();
    put_request(&flush);
    notify();
    assert_int_equal(get_response().status, BLKIF_RSP_OKAY);
    memset(frame(DATA_FRAME), 0x11, PAGE_SIZE);
    assert_int_equal(request(BLKIF_OP_FLUSH_DISKCACHE, 8, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
    assert_true(image_word(15, 63) == 0x1111111111111111ull);
    assert_int_equal(request(BLKIF_OP_WRITE_BARRIER, 16, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
    assert_true(image_word(23, 63) == 0x1111111111111111ull);
}

/* A full ring of writes to one place with a barrier in the middle: the answers of those before
 * it come first, of those after it last, and the last write is what remains. */
static void test_barrier_orders(void **state)
{
    unsigned int before = 0;

    attach_disk("w");
    connect_front();
    for (unsigned int i = 0; i < 32; i++) {
        blkif_request_t req = {.operation = i == 15 ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE,
                               .nr_segments = 1,
                               .id = i,
                               .sector_number = 8ull * (i % 16)};

        memset(frame(DATA_FRAME + i), (int)i, PAGE_SIZE);
        req.seg[0] = (struct blkif_request_segment){.gref = DATA_REF + i, .last_sect = 7};
        put_request(&req);
    }
    notify();
    for (unsigned int i = 0; i < 32; i++) {
        blkif_response_t rsp = get_response();

        assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
        if (i == 15)
            assert_int_equal(rsp.id, 15);
        if (i < 15)
            before += rsp.id < 15;
    }
    assert_int_equal(before, 15);
    for (uint64_t i = 0; i < 16; i++)
        assert_true(image_word(8 * i, 0) == (16 + i) * 0x0101010101010101ull);
}

static void test_indirect(void **state)
{
    struct blkif_request_indirect in = {.operation = BLKIF_OP_INDIRECT,
                                        .indirect_op = BLKIF_OP_READ,
                                        .nr_segments = 32,
                                        .id = 5,
                                        .sector_number = 0,
                                        .indirect_grefs = {DATA_REF + 60}};
    struct blkif_request_segment *segs = frame(DATA_FRAME + 60);
    uint8_t wire[112] = {0};
    blkif_response_t rsp;

    attach_disk("w");
    connect_front();
    for (uint32_t i = 0; i < 33; i++)
        segs[i] = (struct blkif_request_segment){.gref = DATA_REF + i, .last_sect = 7};
    memcpy(wire, &in, sizeof(in));
    put_request(wire);
    notify();
    rsp = get_response();
    assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
    assert_int_equal(rsp.operation, BLKIF_OP_READ); /* Linux stops at anything else */
    for (unsigned int s = 0; s < SECTORS; s++)
        assert_int_equal(word(DATA_FRAME + s / 8, s % 8, 7), s << 8 | 7);
    /* One segment more is beyond the end. */
    in.nr_segments = 33;
    memcpy(wire, &in, sizeof(in));
    put_request(wire);
    notify();
    assert_int_equal(get_response().status, BLKIF_RSP_ERROR);
}

static void test_discard(void **state)
{
    struct blkif_request_discard discard = {
        .operation = BLKIF_OP_DISCARD, .id = 1, .sector_number = 8, .nr_sectors = 16};
    uint8_t wire[112] = {0};
    blkif_response_t rsp;

    attach_disk("w");
    connect_front();
    assert_string_equal(store_read(BACK "feature-discard"), "1");
    memcpy(wire, &discard, sizeof(discard));
    put_request(wire);
    notify();
    rsp = get_response();
    if (rsp.status == BLKIF_RSP_EOPNOTSUPP)
        skip(); /* a file system without holes */
    assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
    assert_int_equal(image_word(8, 1), 0);
    assert_int_equal(image_word(23, 1), 0);
    assert_int_equal(image_word(24, 1), 24 << 8 | 1);
}

/* The image shrinks under a running guest: an error, and the disk goes on. */
static void test_host_error(void **state)
{
    attach_disk("w");
    connect_front();
    assert_int_equal(ftruncate(t.fd, 100 * 512), 0);
    assert_int_equal(request(BLKIF_OP_READ, 200, DATA_REF, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_READ, 8, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
}

/* No room on the host, as ENOSPC or EFBIG say it. */
static void test_no_room(void **state)
{
    struct rlimit before, small = {.rlim_cur = 64 * 512, .rlim_max = 64 * 512};

    attach_disk("w");
    connect_front();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(ftruncate(t.fd, 0), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(request(BLKIF_OP_WRITE, 128, DATA_REF, 0, 7), BLKIF_RSP_ERROR);
    assert_int_equal(request(BLKIF_OP_WRITE, 0, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

static void test_runaway_ring(void **state)
{
    attach_disk("w");
    connect_front();
    __atomic_store_n(&t.ring->req_prod, 1000, __ATOMIC_SEQ_CST);
    notify();
    usleep(20000);
    assert_int_equal(t.ring->rsp_prod, 0);
    /* A new frontend is served again. */
    assert_string_equal(front_state(6), "6");
    assert_string_equal(front_state(1), "2");
    connect_front();
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
}

/* As GRUB does it, many times: the grants of a ring are free when the backend reads 6. */
static void test_reconnect(void **state)
{
    attach_disk("w");
    for (int i = 0; i < 20; i++) {
        struct evtchn_close op;

        connect_front();
        assert_int_equal(request(BLKIF_OP_READ, 8, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
        assert_string_equal(front_state(6), "6");
        assert_int_equal(grant(RING_REF)->flags, GTF_permit_access);
        op.port = t.port;
        lock();
        assert_int_equal(CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &op), 0);
        unlock();
        store_write(FRONT "ring-ref", "");
        assert_string_equal(front_state(1), "2");
    }
}

/* Requests that are under way when the frontend goes end before their memory is given back. */
static void test_close_in_flight(void **state)
{
    attach_disk("w");
    for (int round = 0; round < 20; round++) {
        connect_front();
        for (unsigned int i = 0; i < 32; i++) {
            blkif_request_t req = {.operation = BLKIF_OP_WRITE_BARRIER, .nr_segments = 1, .id = i};

            req.seg[0] = (struct blkif_request_segment){.gref = DATA_REF + i, .last_sect = 7};
            put_request(&req);
        }
        notify();
        assert_string_equal(front_state(6), "6");
        for (uint32_t i = 0; i < 32; i++)
            assert_int_equal(grant(DATA_REF + i)->flags, GTF_permit_access);
        front_state(1);
    }
}

static void test_bad_frontends(void **state)
{
    attach_disk("w");
    make_ring(1);
    t.port = alloc_port();
    front_number("event-channel", t.port);
    assert_string_equal(front_state(3), "5"); /* no ring-ref */
    front_state(6);
    front_state(1);
    front_number("ring-ref", RING_REF + 1); /* not granted */
    assert_string_equal(front_state(3), "5");
    front_state(6);
    front_state(1);
    front_number("ring-ref", RING_REF);
    front_number("event-channel", 900); /* no such port */
    assert_string_equal(front_state(3), "5");
    assert_int_equal(grant(RING_REF)->flags, GTF_permit_access);
    front_state(6);
    front_state(1);
    front_number("event-channel", t.port);
    store_write(FRONT "protocol", "x86_32-abi");
    assert_string_equal(front_state(3), "5");
    front_state(6);
    front_state(1);
    store_write(FRONT "protocol", "x86_64-abi");
    front_number("multi-queue-num-queues", 5);
    assert_string_equal(front_state(3), "5");
    front_state(6);
    front_state(1);
    front_number("multi-queue-num-queues", 1);
    t.ring->req_prod = 33;
    assert_string_equal(front_state(3), "5");
    front_state(6);
    front_state(1);
    t.ring->req_prod = 0;
    assert_string_equal(front_state(3), "4");
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
}

static void connect_keys(unsigned int pages, const char *how_many, unsigned int value)
{
    make_ring(pages);
    t.port = alloc_port();
    front_number("event-channel", t.port);
    front_number(how_many, value);
    for (unsigned int i = 0; i < pages; i++) {
        char key[16];

        snprintf(key, sizeof(key), "ring-ref%u", i);
        front_number(key, RING_REF + i);
    }
}

/* Older words for the size of the ring, and a ring of one page that is named as the first. */
static void test_ring_keys(void **state)
{
    attach_disk("w");
    connect_keys(2, "num-ring-pages", 2);
    assert_string_equal(front_state(3), "4");
    assert_int_equal(request(BLKIF_OP_READ, 9, DATA_REF, 0, 0), BLKIF_RSP_OKAY);
    front_state(6);
    front_state(1);
    front_number("num-ring-pages", 3);
    assert_string_equal(front_state(3), "5");
    front_state(6);
    front_state(1);
    connect_keys(1, "ring-page-order", 0);
    assert_string_equal(front_state(3), "4");
    assert_int_equal(request(BLKIF_OP_READ, 9, DATA_REF, 0, 0), BLKIF_RSP_OKAY);
}

/* Two queues, rings of two pages each. */
static void test_queues(void **state)
{
    port_t ports[2];

    attach_disk("w");
    make_ring(4);
    memset(frame(RING_FRAME + 2), 0, PAGE_SIZE);
    for (unsigned int q = 0; q < 2; q++) {
        struct blkif_sring *ring = frame(RING_FRAME + 2 * q);
        char key[64];

        ring->req_event = ring->rsp_event = 1;
        ports[q] = alloc_port();
        snprintf(key, sizeof(key), "queue-%u/event-channel", q);
        front_number(key, ports[q]);
        for (unsigned int i = 0; i < 2; i++) {
            snprintf(key, sizeof(key), "queue-%u/ring-ref%u", q, i);
            front_number(key, RING_REF + 2 * q + i);
        }
    }
    front_number("multi-queue-num-queues", 2);
    front_number("ring-page-order", 1);
    assert_string_equal(front_state(3), "4");
    for (unsigned int q = 0; q < 2; q++) {
        t.ring = frame(RING_FRAME + 2 * q);
        t.req_prod = t.rsp_cons = 0;
        t.port = ports[q];
        assert_int_equal(request(BLKIF_OP_READ, 8 + q, DATA_REF + q, 0, 0), BLKIF_RSP_OKAY);
        assert_int_equal(word(DATA_FRAME + q, 0, 1), (8 + q) << 8 | 1);
    }
}

/* The image has become larger: the frontend is told, and gets at what is new. */
static void test_resize(void **state)
{
    attach_disk("w");
    connect_front();
    assert_int_equal(request(BLKIF_OP_READ, SECTORS, DATA_REF, 0, 0), BLKIF_RSP_ERROR);
    assert_int_equal(ftruncate(t.fd, 2 * SECTORS * 512), 0);
    store_write(BACK "state", "unseen");
    assert_int_equal(change_disk(t.path), 0);
    assert_int_equal(atoi(store_read(BACK "sectors")), 2 * SECTORS);
    assert_string_equal(store_read(BACK "state"), "4");
    assert_int_equal(request(BLKIF_OP_READ, SECTORS, DATA_REF, 0, 0), BLKIF_RSP_OKAY);
    assert_int_equal(change_disk("/dev/null"), -EINVAL);
    assert_int_equal(ftruncate(t.fd, 0), 0);
    assert_int_equal(change_disk(t.path), -EINVAL);
}

/* A medium is taken out and another put in; no request is lost over it. */
static void test_medium(void **state)
{
    blkif_request_t late = {.operation = BLKIF_OP_READ, .nr_segments = 1, .id = 77};

    late.seg[0].gref = DATA_REF;
    attach_device("", "r", true);
    connect_front();
    assert_string_equal(store_read(BACK "sectors"), "0");
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF, 0, 0), BLKIF_RSP_ERROR);
    put_request(&late); /* without an event: it is found when the disk is looked at again */
    assert_int_equal(change_disk(t.path), 0);
    assert_int_equal(get_response().id, 77);
    assert_int_equal(atoi(store_read(BACK "sectors")), SECTORS);
    assert_string_equal(store_read(BACK "params"), t.path);
    assert_int_equal(request(BLKIF_OP_READ, 3, DATA_REF, 0, 0), BLKIF_RSP_OKAY);
    assert_int_equal(word(DATA_FRAME, 0, 5), 3 << 8 | 5);
    assert_int_equal(request(BLKIF_OP_WRITE, 3, DATA_REF, 0, 0), BLKIF_RSP_ERROR);
    assert_int_equal(change_disk("/nowhere/image"), -ENOENT);
    assert_int_equal(request(BLKIF_OP_READ, 3, DATA_REF, 0, 0), BLKIF_RSP_OKAY);
    assert_int_equal(change_disk(""), 0);
    assert_int_equal(request(BLKIF_OP_READ, 3, DATA_REF, 0, 0), BLKIF_RSP_ERROR);
}

static void test_unplug(void **state)
{
    attach_disk("w");
    connect_front();
    vbd_unplug(t.vbd, false);
    store_settle();
    assert_int_equal(t.removed, 0);
    assert_int_equal(request(BLKIF_OP_READ, 0, DATA_REF, 0, 7), BLKIF_RSP_OKAY);
    front_state(6);
    assert_int_equal(t.removed, 1);
    assert_int_equal(store_count("/local/domain/7/device/vbd/51712"), 0);
}

static int open_by_path(struct disk *disk, const struct disk_config *c, struct err *err)
{
    int image, rc = disk_open_image(c, &image, err);

    return rc < 0 ? rc : disk_open(disk, c, image, err);
}

/* Nothing is opened here, and what comes allows what the config says: no less, no more. */
static void test_passed_images(void **state)
{
    static const struct {
        const char *format;
        enum disk_mode mode;
        int flags;
    } cases[] = {
        {"raw", DISK_WRITE, O_RDONLY},
        {"raw", DISK_READ, O_RDWR},
        {"raw", DISK_READ, O_PATH},
        {"qcow2", DISK_READ, O_RDONLY},
        {"qcow2", DISK_WRITE, O_RDWR},
        {"qcow2", DISK_WRITE, O_RDONLY | O_DSYNC},
        {"qcow2", DISK_READ, O_RDONLY | O_SYNC},
    };
    struct disk_config c = {.name = (char[]){"xvda"}, .path = t.path};
    struct err err = {0};
    struct disk disk;

    assert_int_equal(disk_open(&disk, &c, -1, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "has to come with the request"));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char format[8];
        int fd = open(t.path, cases[i].flags | O_CLOEXEC);

        assert_true(fd >= 0);
        snprintf(format, sizeof(format), "%s", cases[i].format);
        c.format = format;
        c.mode = cases[i].mode;
        if (disk_open(&disk, &c, fd, &err) != -EINVAL || !strstr(err.msg, "is not opened as"))
            fail_msg("case %zu: %s", i, err.msg);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
}

/* Xen's sharing rules. */
static void test_sharing(void **state)
{
    static const struct {
        const char *first, *second;
        int rc;
    } cases[] = {
        {"r", "r", 0},      {"r", "w", -EBUSY},  {"r", "w!", 0},
        {"w", "r", -EBUSY}, {"w", "w", -EBUSY},  {"w", "w!", 0},
        {"w!", "w!", 0},    {"w!", "w", -EBUSY}, {"w!", "r", -EBUSY},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct disk_config c = {.name = (char[]){"x"}, .path = t.path};
        struct disk first, second;
        struct err err = {0};
        int rc;

        for (c.mode = DISK_READ; strcmp(disk_mode_text(c.mode), cases[i].first) != 0;)
            c.mode++;
        assert_int_equal(open_by_path(&first, &c, &err), 0);
        for (c.mode = DISK_READ; strcmp(disk_mode_text(c.mode), cases[i].second) != 0;)
            c.mode++;
        rc = open_by_path(&second, &c, &err);
        if (rc != cases[i].rc)
            fail_msg("%s then %s: %d", cases[i].first, cases[i].second, rc);
        if (rc == 0)
            disk_close(&second);
        disk_close(&first);
        assert_int_equal(open_by_path(&second, &c, &err), 0);
        disk_close(&second);
    }
}

static void test_bad_images(void **state)
{
    char nowhere[] = "/nowhere", null[] = "/dev/null", tmp[] = "/tmp";
    struct disk_config c = {.name = (char[]){"xvda"}, .path = nowhere, .mode = DISK_READ};
    struct err err = {0};
    struct disk disk;

    assert_int_equal(open_by_path(&disk, &c, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "/nowhere"));
    c.path = null;
    assert_int_equal(open_by_path(&disk, &c, &err), -EINVAL);
    c.path = tmp;
    assert_int_equal(open_by_path(&disk, &c, &err), -EINVAL);
    c.path = t.path;
    assert_int_equal(ftruncate(t.fd, 511), 0);
    assert_int_equal(open_by_path(&disk, &c, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "shorter than a sector"));
}

/* --- engines alone ---------------------------------------------------------------------- */

static void drive(enum blk_io_engine engine)
{
    const struct blk_file file = {t.fd, -1, 0};
    struct err err = {0};
    struct blk_io *io;
    struct blk_op *ended;
    uint8_t buffer[300][512];
    struct iovec iov[300];
    struct blk_op op[300];
    unsigned int count = 0;

    if (blk_io_create(&io, engine, &file, &err) < 0) {
        assert_int_equal(engine, BLK_IO_URING);
        print_message("no io_uring here\n");
        return;
    }
    blk_io_wake(io);
    assert_null(blk_io_turn(io, true)); /* ended by the wake */
    assert_null(blk_io_turn(io, false));
    for (unsigned int i = 0; i < 300; i++) {
        iov[i] = (struct iovec){.iov_base = buffer[i], .iov_len = 512};
        op[i] = (struct blk_op){.kind = i == 299 ? BLK_FLUSH : BLK_READ,
                                .iov = &iov[i],
                                .nr_iov = 1,
                                .offset = i * 512ull,
                                .length = 512};
        blk_io_submit(io, &op[i]);
    }
    while (count < 300) {
        for (ended = blk_io_turn(io, true); ended; ended = ended->next) {
            /* The image has 256 sectors; a flush does not care. */
            bool beyond = ended != &op[299] && ended - op >= 256;

            assert_int_equal(ended->result, beyond ? -EIO : 0);
            count++;
        }
    }
    for (uint64_t i = 0; i < SECTORS; i++)
        assert_int_equal(*(uint64_t *)buffer[i], i << 8);
    blk_io_destroy(io);
}

static void test_uring(void **state)
{
    drive(BLK_IO_URING);
}

static void test_threads(void **state)
{
    drive(BLK_IO_THREADS);
}

/* What containers do: from here on there is no io_uring. */
static void refuse_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_properties),
        TEST(test_read_write),
        TEST(test_refused),
        TEST(test_readonly),
        TEST(test_flush_and_barrier),
        TEST(test_barrier_orders),
        TEST(test_indirect),
        TEST(test_discard),
        TEST(test_host_error),
        TEST(test_no_room),
        TEST(test_runaway_ring),
        TEST(test_reconnect),
        TEST(test_close_in_flight),
        TEST(test_bad_frontends),
        TEST(test_ring_keys),
        TEST(test_queues),
        TEST(test_unplug),
        TEST(test_sharing),
        TEST(test_passed_images),
        TEST(test_bad_images),
        TEST(test_resize),
        TEST(test_medium),
        TEST(test_uring),
        TEST(test_threads),
    };

    int failed = cmocka_run_group_tests_name("with what the host has", tests, NULL, NULL);

    refuse_uring();
    return failed + cmocka_run_group_tests_name("without io_uring", tests, NULL, NULL);
}
