/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-blkif.c - what a guest can do to the block backend by its shared memory. The first byte
 * is the ring's order (0 to 2); then records:
 *
 *   u8 0, 112 bytes        a request in the next entry; the producer moves on
 *   u8 1, u32              the producer := this
 *   u8 2, u16, 8 bytes     grant table entry := these
 *   u8 3, u8, u16, u8 n, n bytes    into page (u8 % 16) at (u16 % 4096)
 *   u8 4                   the guest signals
 *   u8 5, u8 n, u8         a turn of the disk's thread; n operations end, as the last says:
 *                          0 well, else with an error
 *
 * The host's disk is not there: operations that reach it are checked to lie within the disk
 * and the guest's memory, and ended. Afterwards each request that was taken has one answer, and
 * no grant is in use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/block/vbd_priv.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"
#include "fuzz_domain.h"
#include "fuzz_input.h"

#include <xen/xen.h>
#include <xen/grant_table.h>

#define PAGES 64u
#define RING_FRAME 8u
#define DATA_FRAME 16u
#define NR_DATA 16u
#define DATA_REF 16u
#define SECTORS 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct domain dom;
static struct vbd vbd;
static struct blk_op *flying; /* submitted, not ended */

/* --- fakes ------------------------------------------------------------------------------ */

static void check_op(const struct blk_op *op)
{
    uint64_t sum = 0;

    must(op->offset % 512 == 0 && op->offset <= SECTORS * 512ull, "the offset is in the disk");
    must(op->length <= SECTORS * 512ull - op->offset || op->kind == BLK_FLUSH, "so is the end");
    if (op->kind != BLK_READ && op->kind != BLK_WRITE)
        return;
    for (unsigned int i = 0; i < op->nr_iov; i++) {
        const uint8_t *base = op->iov[i].iov_base;

        must(base >= dom.ram.base && op->iov[i].iov_len > 0 &&
                 base + op->iov[i].iov_len <= dom.ram.base + (PAGES << PAGE_SHIFT),
             "buffers are the guest's memory");
        sum += op->iov[i].iov_len;
    }
    must(sum == op->length && sum > 0, "the buffers are as long as the transfer");
}

/* What one event has in memory: every other read. */
bool blk_io_read_cached(int fd, const struct blk_op *op)
{
    check_op(op);
    return op->offset & 512;
}

void blk_io_wake(struct blk_io *io)
{
}

/* The rest of io.h belongs to the thread, which is not there. */
int blk_io_create(struct blk_io **ret, enum blk_io_engine engine, const struct blk_file *file,
                  struct err *err)
{
    return -ENOSYS;
}

int blk_io_create_nbd(struct blk_io **ret, int socket, struct err *err)
{
    return -ENOSYS;
}

void blk_io_destroy(struct blk_io *io)
{
}

const char *blk_io_name(const struct blk_io *io)
{
    return "fake";
}

void blk_io_submit(struct blk_io *io, struct blk_op *op)
{
}

struct blk_op *blk_io_turn(struct blk_io *io, bool wait)
{
    return NULL;
}

/* --- a guest ---------------------------------------------------------------------------- */

static void *frame(mfn_t mfn)
{
    return dom.ram.base + (mfn << PAGE_SHIFT);
}

static void set_up_once(void)
{
    if (dom.ram.base)
        return;
    fuzz_domain_init(&dom, PAGES, 1, 2);
}

static void connect(unsigned int order)
{
    static char name[] = "x", path[] = "y";
    struct vbd_queue *q = &vbd.queue[0];
    grant_entry_v1_t *table = frame(dom.ram.grant_first);
    void *pages[BLKIF_MAX_RING_PAGES];

    memset(frame(RING_FRAME), 0, PAGE_SIZE * 8);
    memset(table + DATA_REF, 0, PAGE_SIZE - DATA_REF * sizeof(*table));
    for (uint32_t i = 0; i < NR_DATA; i++)
        table[DATA_REF + i] =
            (grant_entry_v1_t){.flags = GTF_permit_access, .domid = 0, .frame = DATA_FRAME + i};
    /* The last pages first: they are no neighbours. */
    pages[0] = frame(RING_FRAME);
    for (unsigned int i = 1; i < 1u << order; i++)
        pages[i] = frame(RING_FRAME + (1u << order) - i);
    vbd = (struct vbd){.d = &dom,
                       .config = {.name = name, .path = path},
                       .disk = {.fd = 0, .direct_fd = -1, .limits = {SECTORS, 512, true, true}},
                       .nr_queues = 1};
    q->vbd = &vbd;
    must(blkif_ring_attach(&q->ring, pages, 1u << order) == 0, "a ring");
    must(vbd_serve_prepare(&vbd) == 0, "requests");
    flying = NULL;
}

/* --- records ---------------------------------------------------------------------------- */

static uint32_t *producer(void)
{
    return (uint32_t *)vbd.queue[0].ring.page[0];
}

static void put_request(struct input *in)
{
    const struct blkif_ring *ring = &vbd.queue[0].ring;
    size_t at = 64 + (*producer() & (ring->nr_entries - 1)) * 112;
    uint8_t request[112];

    take(in, request, sizeof(request));
    for (size_t i = 0; i < sizeof(request); i++)
        ring->page[(at + i) / PAGE_SIZE][(at + i) % PAGE_SIZE] = request[i];
    ++*producer();
}

static void write_page(struct input *in)
{
    uint8_t page = (uint8_t)take_number(in, 1);
    size_t at = take_number(in, 2) % PAGE_SIZE;
    size_t n = take_number(in, 1);

    if (n > PAGE_SIZE - at)
        n = PAGE_SIZE - at;
    take(in, (uint8_t *)frame(DATA_FRAME + page % NR_DATA) + at, n);
}

static void turn(unsigned int nr_ended, int result)
{
    struct blk_op *ended = NULL, *start;
    bool more;

    while (nr_ended-- && flying) {
        struct blk_op *op = flying;

        flying = op->next;
        op->result = result;
        op->next = ended;
        ended = op;
    }
    start = vbd_serve_turn(&vbd, ended, true, &more);
    while (start) {
        struct blk_op *next = start->next;

        check_op(start);
        start->next = flying;
        flying = start;
        start = next;
    }
}

static void do_record(struct input *in)
{
    uint8_t what = (uint8_t)take_number(in, 1);
    unsigned int n;

    switch (what % 6) {
    case 0:
        put_request(in);
        break;
    case 1:
        *producer() = take_number(in, 4);
        break;
    case 2:
        n = take_number(in, 2) % 512;
        take(in, (grant_entry_v1_t *)frame(dom.ram.grant_first) + (n < 8 ? 8 : n), 8);
        break;
    case 3:
        write_page(in);
        break;
    case 4:
        vbd_serve_event(&vbd.queue[0]);
        break;
    default:
        n = take_number(in, 1);
        turn(n, take_number(in, 1) ? -EIO : 0);
        break;
    }
}

static void check_end(void)
{
    const struct vbd_queue *q = &vbd.queue[0];
    const grant_entry_v1_t *table = frame(dom.ram.grant_first);

    /* What is in the ring still may be taken now: the guest is quiet from here on. */
    for (unsigned int i = 0; i < 4096 && (flying || vbd.in_flight); i++)
        turn(~0u, 0);
    must(!flying && !vbd.in_flight && !vbd.barrier, "everything ends");
    must(q->ring.rsp_prod == q->ring.req_cons, "each request has one answer");
    /* Bits that the guest itself left in an entry are its own affair; ours are counted. */
    for (uint32_t ref = 8; ref < 512; ref++) {
        void *page;

        *((grant_entry_v1_t *)frame(dom.ram.grant_first) + ref) =
            (grant_entry_v1_t){.flags = GTF_permit_access, .domid = 0, .frame = DATA_FRAME};
        must(gnttab_get(&dom, 0, ref, true, &page) == GNTST_okay, "a grant can be had");
        gnttab_put(&dom, ref, true);
        must(table[ref].flags == GTF_permit_access, "no grant is in use");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    set_up_once();
    connect(take_number(&in, 1) % 3);
    while (in.left)
        do_record(&in);
    check_end();
    vbd_serve_release(&vbd);
    return 0;
}
