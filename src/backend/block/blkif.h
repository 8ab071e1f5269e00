/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * blkif.h - the block protocol on the wire (ABI section 14): a ring of one or more guest
 * pages, and requests as they lie in it. No grants, no I/O.
 *
 * The ring is written by the guest at any time. A request is copied out once and then judged
 * on the copy; of the ring's indices only the guest's producer is believed, after a check.
 */
#pragma once

#include "base/types.h"

#define BLKIF_MAX_RING_ORDER 4
#define BLKIF_MAX_RING_PAGES (1u << BLKIF_MAX_RING_ORDER)
#define BLKIF_MAX_DIRECT 11    /* segments in the request itself */
#define BLKIF_MAX_SEGMENTS 256 /* with indirect pages: what we advertise */
#define BLKIF_MAX_INDIRECT_PAGES 8
#define BLKIF_SECTOR 512u

struct blkif_ring {
    uint8_t *page[BLKIF_MAX_RING_PAGES];
    unsigned int nr_pages;
    uint32_t nr_entries; /* a power of two */
    uint32_t req_cons;   /* ours */
    uint32_t rsp_prod;   /* ours: responses written, not yet shown up to here... */
    uint32_t rsp_shown;  /* ...but up to here */
};

/* One part of a page, in sectors of it: first..last, both included. */
struct blkif_segment {
    uint32_t gref;
    uint8_t first, last;
};

/* A request, copied out. `seg` is complete for direct requests only. */
struct blkif_copy {
    uint8_t op; /* BLKIF_OP_*: of an indirect request the one inside. The response's, too. */
    bool indirect;
    unsigned int nr_segs;
    uint64_t id;
    uint64_t sector;
    uint64_t nr_sectors; /* discard only */
    uint8_t flag;        /* discard only */
    uint32_t indirect_gref[BLKIF_MAX_INDIRECT_PAGES];
    struct blkif_segment seg[BLKIF_MAX_DIRECT];
};

/* Take up a ring where it stands (a frontend may have put requests in already). -EINVAL when
 * its indices cannot be. */
int blkif_ring_attach(struct blkif_ring *ring, void *const *pages, unsigned int nr_pages);

/* Copy the next request out. 1 = done, 0 = there is none, -EPROTO = the guest's producer ran
 * away: the ring is not to be used any more. */
int blkif_ring_take(struct blkif_ring *ring, struct blkif_copy *ret);
/* Ask for an event when `count` requests wait. False if they do already. */
bool blkif_ring_sleep(struct blkif_ring *ring, uint32_t count);
/* Write a response. It is shown by blkif_ring_push(), which returns whether the guest wants
 * an event. */
void blkif_ring_respond(struct blkif_ring *ring, uint64_t id, uint8_t op, int16_t status);
bool blkif_ring_push(struct blkif_ring *ring);

/* Indirect pages that a request with so many segments has. */
unsigned int blkif_indirect_pages(unsigned int nr_segs);
/* Copy `count` segments out of an indirect page. */
void blkif_indirect_take(const void *page, unsigned int count, struct blkif_segment *ret);

/* The disk, as far as requests are judged by it. */
struct blkif_limits {
    uint64_t sectors;         /* capacity in BLKIF_SECTORs */
    unsigned int sector_size; /* bytes, a multiple of BLKIF_SECTOR */
    bool writable;
    bool discard;
};

/* Is the request one that we do? Before its segments are looked at: operation, number of
 * segments. A BLKIF_RSP_*. */
int blkif_check_request(const struct blkif_copy *c, const struct blkif_limits *l);
/* Are the segments sound and within the disk? *ret_bytes is their sum. A BLKIF_RSP_*. */
int blkif_check_segments(const struct blkif_copy *c, const struct blkif_segment *segs,
                         const struct blkif_limits *l, uint64_t *ret_bytes);
