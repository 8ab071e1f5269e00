/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * blkif - claim: a disk's backend waits in state 2 with its features, tells the disk's properties
 * at 4, and answers each request once by the protocol: data to and from any part of pages, flush,
 * barrier and indirect requests; bad requests with -1; events as the ring asks for them; no grant
 * in use behind an answer. It follows a frontend through closing, a second life (as GRUB leaves a
 * disk to the kernel it starts), rings of several pages, and broken frontends.
 *
 * Disks: the first 1 MiB, whose sectors begin with their numbers; the second the same, read-only.
 * Blind spots: several queues; what is on the host's disk after a flush.
 */
#include "device.h"

#include <xen/io/blkif.h>

#define SECTORS 2048
#define NR_PAGES 24

static struct device disk;
static blkif_sring_t *ring;
static uint32_t ring_ref, req_prod, rsp_cons, entries;
static long port;
static uint8_t *page[NR_PAGES];
static uint32_t ref[NR_PAGES];
static uint64_t next_id = 1000;

/* --- the ring --------------------------------------------------------------------------- */

static void init_ring(void)
{
    memset(ring, 0, PAGE_SIZE);
    ring->req_event = ring->rsp_event = 1;
    req_prod = rsp_cons = 0;
    entries = 32;
}

static void *slot(uint32_t index)
{
    return &ring->ring[index & (entries - 1)];
}

static void push(void)
{
    barrier();
    ring->req_prod = req_prod;
    event_send((uint32_t)port);
}

static bool wait_response(blkif_response_t *ret)
{
    uint64_t limit = now() + 5 * SECOND;

    while (*(volatile uint32_t *)&ring->rsp_prod == rsp_cons) {
        if (now() > limit)
            return false;
        sched_op(SCHEDOP_yield, NULL);
    }
    barrier();
    memcpy(ret, slot(rsp_cons++), sizeof(*ret));
    return true;
}

/* The status that the request gets; 99 = none. */
static int ask(const void *request)
{
    blkif_response_t rsp;
    blkif_request_t copy;

    memcpy(&copy, request, sizeof(copy));
    memcpy(slot(req_prod++), request, sizeof(copy));
    push();
    if (!wait_response(&rsp))
        return 99;
    /* Where id and operation are is the same for all that is asked here. */
    CHECK_EQ(rsp.id, copy.id, "id of the answer to operation %u", copy.operation);
    CHECK_EQ(rsp.operation, copy.operation, "operation of the answer");
    return rsp.status;
}

static blkif_request_t make(uint8_t op, uint64_t sector, unsigned int nseg)
{
    blkif_request_t r = {
        .operation = op, .nr_segments = (uint8_t)nseg, .id = next_id++, .sector_number = sector};

    for (unsigned int i = 0; i < nseg && i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        r.seg[i] = (struct blkif_request_segment){.gref = ref[i], .first_sect = 0, .last_sect = 7};
    return r;
}

static int simple(uint8_t op, uint64_t sector, unsigned int nseg)
{
    blkif_request_t r = make(op, sector, nseg);

    return ask(&r);
}

static uint64_t word(unsigned int p, unsigned int sector)
{
    return *(uint64_t *)(page[p] + sector * 512);
}

/* --- connecting ------------------------------------------------------------------------- */

static bool connect(void)
{
    init_ring();
    grant_again(ring_ref, ring);
    port = alloc_port();
    CHECK(port > 0, "alloc_unbound: %ld", port);
    xs_write_number(disk.front, "ring-ref", ring_ref);
    xs_write_number(disk.front, "event-channel", (unsigned long)port);
    xs_write(disk.front, "protocol", "x86_64-abi");
    return device_state(&disk, 3, 4) && xs_write_number(disk.front, "state", 4);
}

static void close_port(void)
{
    struct evtchn_close close = {.port = (uint32_t)port};

    CHECK_EQ(event_channel_op(EVTCHNOP_close, &close), 0, "close of the port");
}

/* As GRUB does it before the kernel it starts. */
static void disconnect(void)
{
    CHECK(device_state(&disk, 6, 6), "state 6: the backend has %s", xs_read(disk.back, "state"));
    CHECK(grant_is_idle(ring_ref), "the ring's grant is in use in state 6");
    xs_write(disk.front, "ring-ref", "");
    xs_write(disk.front, "event-channel", "");
    grant_table()[ring_ref].flags = 0;
    close_port();
    CHECK(device_state(&disk, 1, 2), "state 1: the backend has %s", xs_read(disk.back, "state"));
}

static void check_before(void)
{
    CHECK_EQ(xs_read_number(disk.back, "state"), 2, "the backend's first state");
    CHECK_EQ(xs_read_number(disk.front, "state"), 1, "our first state");
    CHECK_EQ(xs_read_number(disk.front, "virtual-device"), 51712, "virtual-device");
    CHECK_EQ(xs_read_number(disk.front, "backend-id"), 0, "backend-id");
    CHECK(xs_read(disk.front, "device-type") && !memcmp(xs_reply, "disk", 5), "device-type");
    CHECK(xs_read_number(disk.back, "feature-max-indirect-segments") >= 32, "indirect segments");
    CHECK(xs_read_number(disk.back, "max-ring-page-order") >= 1, "max-ring-page-order");
    CHECK(xs_read_number(disk.back, "multi-queue-max-queues") >= 1, "queues");
    CHECK_EQ(xs_read_number(disk.back, "online"), 1, "online");
    CHECK(xs_read(disk.back, "dev") && !memcmp(xs_reply, "xvda", 5), "dev is %s", xs_reply);
}

static void check_properties(long info, const char *mode)
{
    CHECK_EQ(xs_read_number(disk.back, "sectors"), SECTORS, "sectors");
    CHECK_EQ(xs_read_number(disk.back, "sector-size"), 512, "sector-size");
    CHECK(xs_read_number(disk.back, "physical-sector-size") >= 512, "physical-sector-size");
    CHECK_EQ(xs_read_number(disk.back, "info"), info, "info");
    CHECK_EQ(xs_read_number(disk.back, "feature-flush-cache"), 1, "feature-flush-cache");
    CHECK_EQ(xs_read_number(disk.back, "feature-barrier"), 1, "feature-barrier");
    CHECK(xs_read(disk.back, "mode") && !memcmp(xs_reply, mode, 2), "mode is %s", xs_reply);
}

/* --- requests --------------------------------------------------------------------------- */

static void check_data(void)
{
    blkif_request_t r = make(BLKIF_OP_READ, 5, 2);

    CHECK_EQ(simple(BLKIF_OP_READ, 16, 11), 0, "read of 11 pages");
    for (unsigned int i = 0; i < 88; i += 29)
        CHECK_EQ(word(i / 8, i % 8), 16 + i, "sector %u", 16 + i);
    CHECK(grant_is_idle(ref[0]) && grant_is_idle(ref[10]), "pages in use behind the answer");
    memset(page[0], 0xee, PAGE_SIZE);
    r.seg[0].first_sect = r.seg[0].last_sect = 3;
    r.seg[1].first_sect = 6;
    CHECK_EQ(ask(&r), 0, "read of parts of pages");
    CHECK_EQ(word(0, 3), 5, "sector 5");
    CHECK_EQ(word(1, 6), 6, "sector 6");
    CHECK_EQ(word(0, 2), 0xeeeeeeeeeeeeeeee, "what lies before it in memory");
    CHECK_EQ(word(0, 4), 0xeeeeeeeeeeeeeeee, "what lies behind it in memory");
    *(uint64_t *)(page[2] + 512) = 0x1234;
    r = make(BLKIF_OP_WRITE, 100, 1);
    r.seg[0] = (struct blkif_request_segment){.gref = ref[2], .first_sect = 1, .last_sect = 1};
    CHECK_EQ(ask(&r), 0, "write of a sector");
    CHECK_EQ(simple(BLKIF_OP_READ, 96, 1), 0, "read around it");
    CHECK(word(0, 3) == 99 && word(0, 4) == 0x1234 && word(0, 5) == 101, "sectors 99, 100, 101");
    CHECK_EQ(simple(BLKIF_OP_READ, SECTORS - 8, 1), 0, "the last page");
    CHECK_EQ(word(0, 7), SECTORS - 1, "the last sector");
    CHECK_EQ(simple(BLKIF_OP_FLUSH_DISKCACHE, 0, 0), 0, "flush");
    CHECK_EQ(simple(BLKIF_OP_FLUSH_DISKCACHE, 200, 1), 0, "flush with data");
    CHECK_EQ(simple(BLKIF_OP_WRITE_BARRIER, 208, 1), 0, "barrier");
    CHECK_EQ(simple(BLKIF_OP_READ, 200, 2), 0, "read of both");
    CHECK(word(0, 7) == SECTORS - 1 && word(1, 7) == SECTORS - 1, "what both wrote");
}

static void check_bad(void)
{
    blkif_request_t r;

    CHECK_EQ(simple(BLKIF_OP_READ, 0, 0), -1, "read of nothing");
    CHECK_EQ(simple(BLKIF_OP_READ, 0, 12), -1, "12 segments");
    CHECK_EQ(simple(BLKIF_OP_READ, SECTORS - 7, 1), -1, "over the disk's end");
    CHECK_EQ(simple(BLKIF_OP_READ, ~0ul, 1), -1, "a sector that overflows");
    CHECK_EQ(simple(BLKIF_OP_WRITE, SECTORS, 1), -1, "write behind the disk's end");
    CHECK_EQ(simple(77, 0, 1), -1, "operation 77");
    r = make(BLKIF_OP_READ, 0, 1);
    r.seg[0].first_sect = 4;
    r.seg[0].last_sect = 3;
    CHECK_EQ(ask(&r), -1, "last before first");
    r.seg[0] = (struct blkif_request_segment){.gref = ref[0], .last_sect = 8};
    CHECK_EQ(ask(&r), -1, "sector 8 of a page");
    r.seg[0] = (struct blkif_request_segment){.gref = 500, .last_sect = 7};
    CHECK_EQ(ask(&r), -1, "what is not granted");
    r.seg[0].gref = 0xffffffff;
    CHECK_EQ(ask(&r), -1, "grant 2^32-1");
    r.seg[0].gref = grant_page(page[3], true);
    CHECK_EQ(ask(&r), -1, "read into what is granted for reading");
    r.operation = BLKIF_OP_WRITE;
    r.sector_number = 300;
    CHECK_EQ(ask(&r), 0, "write from it");
    CHECK(grant_is_idle(r.seg[0].gref), "its grant is in use");
}

static void check_indirect(void)
{
    uint8_t *table = page_alloc();
    struct blkif_request_segment *seg = (struct blkif_request_segment *)table;
    struct blkif_request_indirect r = {.operation = BLKIF_OP_INDIRECT,
                                       .indirect_op = BLKIF_OP_READ,
                                       .nr_segments = 20,
                                       .id = 4444,
                                       .sector_number = 400};
    blkif_response_t rsp;

    r.indirect_grefs[0] = grant_page(table, true);
    for (unsigned int i = 0; i < 20; i++)
        seg[i] = (struct blkif_request_segment){.gref = ref[i], .last_sect = 7};
    for (unsigned int i = 0; i < 4; i++) {
        static const int16_t want[] = {0, -1, -1, -1};

        r.nr_segments = i == 1 ? 4097 : i == 2 ? 0 : 20;
        r.indirect_op = i == 3 ? BLKIF_OP_FLUSH_DISKCACHE : BLKIF_OP_READ;
        memcpy(slot(req_prod++), &r, sizeof(r));
        push();
        CHECK(wait_response(&rsp), "indirect request %u has no answer", i);
        CHECK(rsp.id == 4444 && rsp.status == want[i], "indirect request %u: id %lu, status %d", i,
              rsp.id, rsp.status);
    }
    CHECK_EQ(word(19, 7), 400 + 159, "the last sector of 20 pages");
}

/* Many at once, and around the ring. */
static void check_many(void)
{
    blkif_response_t rsp;
    uint64_t sum = 0;

    for (unsigned int round = 0; round < 3; round++) {
        uint64_t first = next_id;

        for (unsigned int i = 0; i < entries; i++) {
            blkif_request_t r = make(BLKIF_OP_READ, i, 1);

            r.seg[0].gref = ref[i % NR_PAGES];
            memcpy(slot(req_prod++), &r, sizeof(r));
        }
        push();
        for (unsigned int i = 0; i < entries && wait_response(&rsp); i++) {
            CHECK_EQ(rsp.status, 0, "request %u of a full ring", i);
            sum += rsp.id - first;
        }
    }
    CHECK_EQ(sum, 3 * entries * (entries - 1) / 2, "sum of the ids of three full rings");
}

static void check_events(void)
{
    event_clear((uint32_t)port);
    ring->rsp_event = rsp_cons + 5;
    barrier();
    CHECK_EQ(simple(BLKIF_OP_READ, 0, 1), 0, "read");
    spin_ns(5000000);
    CHECK(!event_pending((uint32_t)port), "an event that was not asked for");
    ring->rsp_event = rsp_cons + 1;
    barrier();
    CHECK_EQ(simple(BLKIF_OP_READ, 0, 1), 0, "read");
    spin_ns(5000000);
    CHECK(event_pending((uint32_t)port), "no event for an answer");
}

/* --- a frontend's lives ----------------------------------------------------------------- */

static void check_closing(void)
{
    CHECK(device_state(&disk, 5, 5), "state 5: the backend has %s", xs_read(disk.back, "state"));
    disconnect();
    CHECK(connect(), "a second life: the backend has %s", xs_read(disk.back, "state"));
    CHECK_EQ(simple(BLKIF_OP_READ, 8, 1), 0, "read in it");
    CHECK_EQ(word(0, 0), 8, "sector 8");
    disconnect();
}

static void check_large_ring(void)
{
    uint8_t *second = (uint8_t *)ring + PAGE_SIZE;

    init_ring();
    memset(second, 0, PAGE_SIZE);
    entries = 64;
    grant_again(ring_ref, ring);
    port = alloc_port();
    xs_write_number(disk.front, "ring-page-order", 1);
    xs_write_number(disk.front, "ring-ref0", ring_ref);
    xs_write_number(disk.front, "ring-ref1", grant_page(second, false));
    xs_write_number(disk.front, "event-channel", (unsigned long)port);
    CHECK(device_state(&disk, 4, 4), "frontend at 4: the backend has %s",
          xs_read(disk.back, "state"));
    check_many();
    disconnect();
    XS_ASK(XS_RM, "device/vbd/51712/ring-page-order");
}

static void check_broken(void)
{
    char path[64] = "error/";

    memcpy(path + 6, disk.front, sizeof(disk.front));
    xs_write_number(disk.front, "ring-ref", 499); /* not granted */
    port = alloc_port();
    xs_write_number(disk.front, "event-channel", (unsigned long)port);
    CHECK(device_state(&disk, 3, 5), "a ring that is not granted: the backend has %s",
          xs_read(disk.back, "state"));
    CHECK(xs_read(path, "error") && xs_reply_size > 5, "no error in %s", path);
    disconnect();
    CHECK(connect(), "connecting after it");
    ring->req_prod = req_prod + entries + 1;
    barrier();
    event_send((uint32_t)port);
    spin_ns(5000000);
    CHECK_EQ(*(volatile uint32_t *)&ring->rsp_prod, rsp_cons, "answers of a ring that ran away");
    disconnect();
    CHECK(connect(), "connecting after it");
    CHECK_EQ(simple(BLKIF_OP_READ, 8, 1), 0, "read");
    disconnect();
}

static void check_readonly(void)
{
    CHECK(device_find(&disk, "vbd", 1), "the second disk");
    CHECK(connect(), "connecting it: the backend has %s", xs_read(disk.back, "state"));
    check_properties(4, "r");
    CHECK_EQ(simple(BLKIF_OP_READ, 8, 1), 0, "read");
    CHECK_EQ(word(0, 1), 9, "sector 9");
    CHECK_EQ(simple(BLKIF_OP_WRITE, 8, 1), -1, "write");
    CHECK_EQ(simple(BLKIF_OP_FLUSH_DISKCACHE, 8, 1), -1, "flush with data");
}

void test_main(void)
{
    if (!device_find(&disk, "vbd", 0)) {
        error("no disk");
        return;
    }
    ring = page_alloc();
    (void)page_alloc(); /* behind it: a ring of two pages */
    ring_ref = grant_page(ring, false);
    for (unsigned int i = 0; i < NR_PAGES; i++) {
        page[i] = page_alloc();
        ref[i] = grant_page(page[i], false);
    }
    check_before();
    CHECK(connect(), "the backend has %s", xs_read(disk.back, "state"));
    check_properties(0, "w");
    check_data();
    check_bad();
    check_indirect();
    check_many();
    check_events();
    check_closing();
    check_large_ring();
    check_broken();
    check_readonly();
}
