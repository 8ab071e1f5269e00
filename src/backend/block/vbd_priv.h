/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vbd_priv.h - inside of a virtual disk, shared by vbd.c (xenbus, life) and vbd_serve.c (the
 * disk's thread, which serves the rings).
 *
 * Between vbd_serve_start() and vbd_serve_stop() queues and requests are under the domain's
 * lock, as grants and events are; I/O is done without it.
 */
#pragma once

#include <pthread.h>

#include "backend/block/blkif.h"
#include "backend/block/disk.h"
#include "backend/block/io.h"
#include "backend/block/vbd.h"
#include "domain/domain.h"

#define VBD_MAX_QUEUES 4
#define VBD_MAX_STEPS 3

struct vbd_queue;

/* A request under way: up to three operations one after the other. */
struct vbd_request {
    struct blk_op op; /* first: what comes back from blk_io_turn() */
    struct vbd_queue *queue;
    struct vbd_request *next; /* free list */
    uint64_t id, sector;
    uint8_t op_code; /* BLKIF_OP_* */
    bool barrier;
    bool writes_guest; /* the grants are held for writing: a read from disk */
    enum blk_op_kind steps[VBD_MAX_STEPS];
    unsigned int nr_steps, step;
    uint64_t bytes, nr_sectors; /* the latter of a discard */
    unsigned int nr_grefs, nr_iov;
    uint32_t gref[BLKIF_MAX_SEGMENTS];
    struct iovec iov[BLKIF_MAX_SEGMENTS];
};

struct vbd_queue {
    struct vbd *vbd;
    struct blkif_ring ring;
    uint32_t ring_ref[BLKIF_MAX_RING_PAGES];
    unsigned int nr_ring_refs; /* held */
    port_t port;               /* bound if not 0 */
    struct vbd_request *requests, *free;
    bool broken; /* the guest's indices are impossible: served no more */
};

/* Everything below `connected` is under the domain's lock while the disk is served, except
 * that io is the thread's own. */
struct vbd {
    struct disk_config config;
    struct disk disk;
    struct xenbus_device *dev;
    struct domain *d;
    vbd_removed_fn *removed;
    void *removed_arg;
    bool connected; /* served to a frontend; main thread only */

    struct vbd_queue queue[VBD_MAX_QUEUES];
    unsigned int nr_queues;
    struct blk_io *io;
    pthread_t thread;
    bool stop; /* atomic */
    unsigned int in_flight;
    struct blk_op *starting, **starting_end; /* for the thread to submit */
    uint64_t at_once;                        /* bytes that may be read by who holds the lock */
    struct vbd_request *barrier;             /* taken: nothing else is started until it is over */
    bool barrier_waits;                      /* for what was taken before it */
    struct vbd_counts counts;                /* atomic: read without the lock */
};

/* Write size and kind for the frontend. 0 or -errno. */
int vbd_publish(struct xenbus_device *dev, struct vbd *v, struct err *err) MUST_CHECK;
/* Handler of a queue's event channel (arg). Lock held. */
void vbd_on_event(struct domain *d, void *arg);

/* The guest has signalled a queue. Lock held. */
void vbd_serve_event(struct vbd_queue *q);
/* Begin to serve v->queue[0..nr_queues), whose rings are attached. 0 or -errno. */
int vbd_serve_start(struct vbd *v, struct err *err) MUST_CHECK;
/* What a start does before there is a thread, and the part of the thread that is not I/O: for
 * tests. */
int vbd_serve_prepare(struct vbd *v);
void vbd_serve_release(struct vbd *v);
/* Lock held. Takes back operations that have ended; `take`: looks for new requests. Returns
 * operations to submit; *more: requests may be left. */
struct blk_op *vbd_serve_turn(struct vbd *v, struct blk_op *ended, bool take, bool *more);
/* Finish what is under way, and no more. Nothing if it was not started. */
void vbd_serve_stop(struct vbd *v);
