/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * blkif.c - see blkif.h. A ring's pages are apart in memory and its entries (112 bytes) cross
 * their borders, hence ring_read() and ring_write().
 */
#include "backend/block/blkif.h"

#include <errno.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#define RING_HEADER 64u
#define ENTRY_SIZE sizeof(blkif_request_t)
#define SEGMENTS_PER_PAGE (PAGE_SIZE / sizeof(struct blkif_request_segment))
#define SECTORS_PER_PAGE (PAGE_SIZE / BLKIF_SECTOR)

_Static_assert(sizeof(blkif_request_t) == 112 && sizeof(struct blkif_request_segment) == 8, "ABI");
_Static_assert(offsetof(struct blkif_request_indirect, indirect_grefs) == 28, "ABI");
_Static_assert(offsetof(struct blkif_sring, ring) == RING_HEADER, "ABI");
_Static_assert(BLKIF_MAX_SEGMENTS <= BLKIF_MAX_INDIRECT_PAGES * 512, "ABI");

static struct blkif_sring *header(const struct blkif_ring *ring)
{
    return (struct blkif_sring *)ring->page[0];
}

static size_t entry_offset(const struct blkif_ring *ring, uint32_t index)
{
    return RING_HEADER + (index & (ring->nr_entries - 1)) * ENTRY_SIZE;
}

static void ring_read(const struct blkif_ring *ring, size_t at, void *to, size_t n)
{
    size_t in_page = at % PAGE_SIZE;
    size_t first = n < PAGE_SIZE - in_page ? n : PAGE_SIZE - in_page;

    memcpy(to, ring->page[at / PAGE_SIZE] + in_page, first);
    if (first < n)
        memcpy((uint8_t *)to + first, ring->page[at / PAGE_SIZE + 1], n - first);
}

static void ring_write(struct blkif_ring *ring, size_t at, const void *from, size_t n)
{
    size_t in_page = at % PAGE_SIZE;
    size_t first = n < PAGE_SIZE - in_page ? n : PAGE_SIZE - in_page;

    memcpy(ring->page[at / PAGE_SIZE] + in_page, from, first);
    if (first < n)
        memcpy(ring->page[at / PAGE_SIZE + 1], (const uint8_t *)from + first, n - first);
}

int blkif_ring_attach(struct blkif_ring *ring, void *const *pages, unsigned int nr_pages)
{
    uint32_t entries = 1, prod;

    if (!nr_pages || nr_pages > BLKIF_MAX_RING_PAGES)
        return -EINVAL;
    memset(ring, 0, sizeof(*ring));
    for (unsigned int i = 0; i < nr_pages; i++)
        ring->page[i] = pages[i];
    ring->nr_pages = nr_pages;
    while (entries * 2 * ENTRY_SIZE + RING_HEADER <= nr_pages * PAGE_SIZE)
        entries *= 2;
    ring->nr_entries = entries;
    ring->rsp_prod = __atomic_load_n(&header(ring)->rsp_prod, __ATOMIC_RELAXED);
    ring->rsp_shown = ring->req_cons = ring->rsp_prod;
    prod = __atomic_load_n(&header(ring)->req_prod, __ATOMIC_ACQUIRE);
    return prod - ring->rsp_prod > entries ? -EINVAL : 0;
}

static void take_segments(struct blkif_copy *c, const blkif_request_t *wire)
{
    for (unsigned int i = 0; i < c->nr_segs && i < BLKIF_MAX_DIRECT; i++)
        c->seg[i] = (struct blkif_segment){.gref = wire->seg[i].gref,
                                           .first = wire->seg[i].first_sect,
                                           .last = wire->seg[i].last_sect};
}

/* From the private copy of an entry to what it means. */
static void decode(struct blkif_copy *c, const blkif_request_t *wire)
{
    const struct blkif_request_indirect *indirect = (const void *)wire;
    const struct blkif_request_discard *discard = (const void *)wire;

    memset(c, 0, sizeof(*c));
    c->op = wire->operation;
    c->id = wire->id;
    c->sector = wire->sector_number;
    switch (wire->operation) {
    case BLKIF_OP_INDIRECT:
        c->op = indirect->indirect_op;
        c->indirect = true;
        c->nr_segs = indirect->nr_segments;
        c->id = indirect->id;
        c->sector = indirect->sector_number;
        memcpy(c->indirect_gref, indirect->indirect_grefs, sizeof(c->indirect_gref));
        break;
    case BLKIF_OP_DISCARD:
        c->flag = discard->flag;
        c->nr_sectors = discard->nr_sectors;
        break;
    default:
        c->nr_segs = wire->nr_segments;
        take_segments(c, wire);
        break;
    }
}

int blkif_ring_take(struct blkif_ring *ring, struct blkif_copy *ret)
{
    uint32_t prod = __atomic_load_n(&header(ring)->req_prod, __ATOMIC_ACQUIRE);
    blkif_request_t wire;

    /* What is not answered must fit: an answer goes where its request was. */
    if (prod - ring->rsp_prod > ring->nr_entries)
        return -EPROTO;
    /* Unsigned distance: a producer behind what was taken has run away, too. */
    if (prod - ring->rsp_prod < ring->req_cons - ring->rsp_prod)
        return -EPROTO;
    if (prod == ring->req_cons)
        return 0;
    ring_read(ring, entry_offset(ring, ring->req_cons), &wire, sizeof(wire));
    ring->req_cons++;
    decode(ret, &wire);
    return 1;
}

bool blkif_ring_sleep(struct blkif_ring *ring, uint32_t count)
{
    __atomic_store_n(&header(ring)->req_event, ring->req_cons + count, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&header(ring)->req_prod, __ATOMIC_ACQUIRE) - ring->req_cons < count;
}

void blkif_ring_respond(struct blkif_ring *ring, uint64_t id, uint8_t op, int16_t status)
{
    blkif_response_t rsp = {.id = id, .operation = op, .status = status};

    ring_write(ring, entry_offset(ring, ring->rsp_prod), &rsp, sizeof(rsp));
    ring->rsp_prod++;
}

bool blkif_ring_push(struct blkif_ring *ring)
{
    uint32_t old = ring->rsp_shown;
    uint32_t event;

    if (old == ring->rsp_prod)
        return false;
    __atomic_store_n(&header(ring)->rsp_prod, ring->rsp_prod, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->rsp_shown = ring->rsp_prod;
    event = __atomic_load_n(&header(ring)->rsp_event, __ATOMIC_RELAXED);
    return ring->rsp_prod - event < ring->rsp_prod - old;
}

unsigned int blkif_indirect_pages(unsigned int nr_segs)
{
    return (unsigned int)((nr_segs + SEGMENTS_PER_PAGE - 1) / SEGMENTS_PER_PAGE);
}

void blkif_indirect_take(const void *page, unsigned int count, struct blkif_segment *ret)
{
    const volatile struct blkif_request_segment *from = page;

    for (unsigned int i = 0; i < count && i < SEGMENTS_PER_PAGE; i++)
        ret[i] = (struct blkif_segment){
            .gref = from[i].gref, .first = from[i].first_sect, .last = from[i].last_sect};
}

static int check_discard(const struct blkif_copy *c, const struct blkif_limits *l)
{
    if (!l->discard || (c->flag & BLKIF_DISCARD_SECURE))
        return BLKIF_RSP_EOPNOTSUPP;
    if (!l->writable || !c->nr_sectors || c->nr_sectors > l->sectors ||
        c->sector > l->sectors - c->nr_sectors)
        return BLKIF_RSP_ERROR;
    return BLKIF_RSP_OKAY;
}

int blkif_check_request(const struct blkif_copy *c, const struct blkif_limits *l)
{
    unsigned int max = c->indirect ? BLKIF_MAX_SEGMENTS : BLKIF_MAX_DIRECT;

    switch (c->op) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
        if (!c->nr_segs)
            return BLKIF_RSP_ERROR;
        break;
    case BLKIF_OP_WRITE_BARRIER:
    case BLKIF_OP_FLUSH_DISKCACHE:
        if (c->indirect)
            return BLKIF_RSP_ERROR;
        break;
    case BLKIF_OP_DISCARD:
        return c->indirect ? BLKIF_RSP_ERROR : check_discard(c, l);
    default:
        return BLKIF_RSP_ERROR;
    }
    if (c->nr_segs > max || (c->op != BLKIF_OP_READ && c->nr_segs && !l->writable))
        return BLKIF_RSP_ERROR;
    return BLKIF_RSP_OKAY;
}

int blkif_check_segments(const struct blkif_copy *c, const struct blkif_segment *segs,
                         const struct blkif_limits *l, uint64_t *ret_bytes)
{
    unsigned int unit = l->sector_size / BLKIF_SECTOR;
    uint64_t sectors = 0;

    *ret_bytes = 0;
    for (unsigned int i = 0; i < c->nr_segs; i++) {
        unsigned int count;

        if (segs[i].first > segs[i].last || segs[i].last >= SECTORS_PER_PAGE)
            return BLKIF_RSP_ERROR;
        count = segs[i].last - segs[i].first + 1u;
        if (segs[i].first % unit || count % unit)
            return BLKIF_RSP_ERROR;
        sectors += count;
    }
    if (c->nr_segs &&
        (sectors > l->sectors || c->sector > l->sectors - sectors || c->sector % unit))
        return BLKIF_RSP_ERROR;
    *ret_bytes = sectors * BLKIF_SECTOR;
    return BLKIF_RSP_OKAY;
}
