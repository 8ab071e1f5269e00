/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vbd_serve.c - the thread of a virtual disk: takes requests from the rings, maps what they
 * grant, has the I/O done straight from and to guest memory, and answers.
 *
 * Each request that was taken gets exactly one answer. A flush is a fdatasync of the image
 * that begins after every write that was answered; a barrier also waits for what was taken
 * before it and holds up what comes after. One turn of the thread is: I/O without lock; then
 * under the domain's lock answers for what ended and grants for what is new.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backend/block/qemu.h"
#include "backend/block/vbd_priv.h"
#include "base/log.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>

#define HOST_DOMID 0
/* Requests of one queue that are taken under one hold of the lock. */
#define MAX_BATCH 64
/* With much under way the next that ends is soon there, and the rings are looked at then: the
 * guest says something only when it has so much again, divided by this. */
#define EVENT_PART 4
/* What one event of the guest may have copied under the lock, by its own vCPU's thread. */
#define MAX_AT_ONCE (64 * 1024)

/* --- grants ----------------------------------------------------------------------------- */

static void put_grants(struct vbd_request *r)
{
    for (unsigned int i = 0; i < r->nr_grefs; i++)
        gnttab_put(r->queue->vbd->d, r->gref[i], r->writes_guest);
    r->nr_grefs = 0;
}

/* Add a piece of memory, to the last one if it follows on it. */
static void add_iov(struct vbd_request *r, void *base, size_t len)
{
    struct iovec *last = r->nr_iov ? &r->iov[r->nr_iov - 1] : NULL;

    if (last && (uint8_t *)last->iov_base + last->iov_len == base) {
        last->iov_len += len;
        return;
    }
    r->iov[r->nr_iov++] = (struct iovec){.iov_base = base, .iov_len = len};
}

static int get_grants(struct vbd_request *r, const struct blkif_segment *segs, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        void *page;

        if (gnttab_get(r->queue->vbd->d, HOST_DOMID, segs[i].gref, r->writes_guest, &page) !=
            GNTST_okay)
            return BLKIF_RSP_ERROR;
        r->gref[r->nr_grefs++] = segs[i].gref;
        add_iov(r, (uint8_t *)page + segs[i].first * BLKIF_SECTOR,
                (segs[i].last - segs[i].first + 1u) * BLKIF_SECTOR);
    }
    return BLKIF_RSP_OKAY;
}

/* Copy the segments of an indirect request out of its pages. */
static int get_indirect(struct vbd *v, const struct blkif_copy *c, struct blkif_segment *segs)
{
    const unsigned int per_page = PAGE_SIZE / 8;
    unsigned int left = c->nr_segs;

    for (unsigned int i = 0; i < blkif_indirect_pages(c->nr_segs); i++) {
        unsigned int count = left < per_page ? left : per_page;
        void *page;

        if (gnttab_get(v->d, HOST_DOMID, c->indirect_gref[i], false, &page) != GNTST_okay)
            return BLKIF_RSP_ERROR;
        blkif_indirect_take(page, count, segs + (size_t)i * per_page);
        gnttab_put(v->d, c->indirect_gref[i], false);
        left -= count;
    }
    return BLKIF_RSP_OKAY;
}

/* --- one request ------------------------------------------------------------------------ */

static void plan(struct vbd_request *r, uint8_t op)
{
    unsigned int n = 0;

    switch (op) {
    case BLKIF_OP_READ:
        r->steps[n++] = BLK_READ;
        break;
    case BLKIF_OP_WRITE:
        r->steps[n++] = BLK_WRITE;
        break;
    case BLKIF_OP_DISCARD:
        r->steps[n++] = BLK_DISCARD;
        break;
    default: /* flush or barrier, with or without data */
        r->steps[n++] = BLK_FLUSH;
        if (r->bytes) {
            r->steps[n++] = BLK_WRITE;
            r->steps[n++] = BLK_FLUSH;
        }
        break;
    }
    r->nr_steps = n;
    r->step = 0;
    r->barrier = op == BLKIF_OP_WRITE_BARRIER;
}

/* The lock is held by all who add; who reads does not take it. */
static void add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static void count_request(struct vbd *v, const struct vbd_request *r, uint8_t op)
{
    if (op == BLKIF_OP_READ) {
        add(&v->counts.reads, 1);
        add(&v->counts.read_sectors, r->bytes / BLKIF_SECTOR);
    } else if (r->bytes > 0) { /* no flush, no discard */
        add(&v->counts.writes, 1);
        add(&v->counts.written_sectors, r->bytes / BLKIF_SECTOR);
    }
}

/* From a copied request to one that can be started. BLKIF_RSP_*; on failure r holds nothing. */
static int accept_request(struct vbd_request *r, const struct blkif_copy *c)
{
    struct vbd *v = r->queue->vbd;
    struct blkif_segment indirect[BLKIF_MAX_SEGMENTS];
    const struct blkif_segment *segs = c->indirect ? indirect : c->seg;
    int status = blkif_check_request(c, &v->disk.limits);

    r->nr_grefs = r->nr_iov = 0;
    r->bytes = 0;
    r->writes_guest = c->op == BLKIF_OP_READ;
    r->sector = c->sector;
    r->nr_sectors = c->nr_sectors;
    if (status == BLKIF_RSP_OKAY && c->indirect)
        status = get_indirect(v, c, indirect);
    if (status == BLKIF_RSP_OKAY && c->op != BLKIF_OP_DISCARD)
        status = blkif_check_segments(c, segs, &v->disk.limits, &r->bytes);
    if (status == BLKIF_RSP_OKAY && c->op != BLKIF_OP_DISCARD)
        status = get_grants(r, segs, c->nr_segs);
    if (status != BLKIF_RSP_OKAY) {
        put_grants(r);
        return status;
    }
    count_request(v, r, c->op);
    plan(r, c->op);
    return status;
}

static void prepare_step(struct vbd_request *r)
{
    enum blk_op_kind kind = r->steps[r->step];

    r->op = (struct blk_op){.kind = kind};
    if (kind == BLK_FLUSH)
        return; /* its sector was not looked at */
    r->op.iov = r->iov;
    r->op.nr_iov = r->nr_iov;
    r->op.offset = r->sector * BLKIF_SECTOR;
    r->op.length = kind == BLK_DISCARD ? r->nr_sectors * BLKIF_SECTOR : r->bytes;
}

/* The thread submits it when it has let go of the lock. */
static void start_step(struct vbd_request *r)
{
    struct vbd *v = r->queue->vbd;

    prepare_step(r);
    *v->starting_end = &r->op;
    v->starting_end = &r->op.next;
}

/* --- answers (lock held) ---------------------------------------------------------------- */

static void answer(struct vbd_request *r, int status)
{
    struct vbd_queue *q = r->queue;

    put_grants(r);
    blkif_ring_respond(&q->ring, r->id, r->op_code, (int16_t)status);
    r->next = q->free;
    q->free = r;
}

static void report_failure(const struct vbd_request *r)
{
    static const char *const words[] = {"reading", "writing", "flushing", "discarding"};
    const struct vbd *v = r->queue->vbd;

    if (r->op.kind == BLK_FLUSH)
        log_guest(LOG_ERROR, "backend", "disk %s: flushing %s failed: %s", v->config.name,
                  v->config.path, strerror(-r->op.result));
    else
        log_guest(LOG_ERROR, "backend", "disk %s: %s sector %llu of %s failed: %s", v->config.name,
                  words[r->op.kind], (unsigned long long)(r->op.offset / BLKIF_SECTOR),
                  v->config.path, strerror(-r->op.result));
}

static int status_of(const struct vbd_request *r)
{
    if (r->op.result == 0)
        return BLKIF_RSP_OKAY;
    if (r->op.kind == BLK_DISCARD && r->op.result == -EOPNOTSUPP)
        return BLKIF_RSP_EOPNOTSUPP;
    report_failure(r);
    return BLKIF_RSP_ERROR;
}

/* An operation has ended: the next step, or the answer. */
static void finish_step(struct vbd *v, struct vbd_request *r)
{
    if (r->op.result == 0 && ++r->step < r->nr_steps) {
        start_step(r);
        return;
    }
    v->in_flight--;
    if (v->barrier == r)
        v->barrier = NULL;
    answer(r, status_of(r));
}

/* --- requests (lock held) --------------------------------------------------------------- */

static void start_request(struct vbd *v, struct vbd_request *r)
{
    v->in_flight++;
    if (!r->barrier) {
        start_step(r);
        return;
    }
    v->barrier = r;
    v->barrier_waits = v->in_flight > 1;
    if (!v->barrier_waits)
        start_step(r);
}

static void stop_queue(struct vbd_queue *q)
{
    q->broken = true;
    log_guest(LOG_WARN, "backend", "disk %s: impossible ring indices; the ring is served no more",
              q->vbd->config.name);
}

/* A read of what the host has in memory needs no other thread. */
static bool read_at_once(struct vbd *v, struct vbd_request *r)
{
    bool done;

    if (v->disk.fd < 0 || r->bytes > v->at_once || r->steps[0] != BLK_READ)
        return false;
    v->at_once -= r->bytes;
    prepare_step(r);
    done = blk_io_read_cached(v->disk.fd, &r->op);
    if (!done)
        v->at_once = 0;
    return done;
}

/* Take what is there, up to a limit. True if the queue may hold more. */
static bool take_requests(struct vbd *v, struct vbd_queue *q)
{
    for (unsigned int i = 0; i < MAX_BATCH; i++) {
        struct vbd_request *r = q->free;
        struct blkif_copy copy;
        int rc, status;

        if (!r)
            add(&v->counts.waits, 1);
        if (v->barrier || !r || q->broken)
            return false;
        rc = blkif_ring_take(&q->ring, &copy);
        if (rc < 0)
            stop_queue(q);
        if (rc <= 0)
            return rc == 0 && !blkif_ring_sleep(&q->ring, 1 + v->in_flight / EVENT_PART);
        q->free = r->next;
        r->id = copy.id;
        r->op_code = copy.op;
        status = accept_request(r, &copy);
        if (status != BLKIF_RSP_OKAY || read_at_once(v, r))
            answer(r, status);
        else
            start_request(v, r);
    }
    return true;
}

static void push_answers(struct vbd *v)
{
    for (unsigned int i = 0; i < v->nr_queues; i++)
        if (blkif_ring_push(&v->queue[i].ring))
            evtchn_notify(v->d, v->queue[i].port);
}

/* While the disk is idle a small read is over before the guest has thought of it again: two changes
 * of threads are more than a page costs. A guest that goes on instead of sleeping will have more to
 * ask, and interrupting it for each page costs it more than that. */
void vbd_serve_event(struct vbd_queue *q)
{
    struct vbd *v = q->vbd;
    bool more = true;

    if (!v->in_flight && evtchn_is_awaited(v->d, q->port)) {
        v->at_once = MAX_AT_ONCE;
        more = take_requests(v, q);
        v->at_once = 0;
        push_answers(v);
    }
    if (more || v->starting)
        blk_io_wake(v->io);
}

/* --- the thread ------------------------------------------------------------------------- */

static struct blk_op *take_starting(struct vbd *v)
{
    struct blk_op *list = v->starting;

    v->starting = NULL;
    v->starting_end = &v->starting;
    return list;
}

struct blk_op *vbd_serve_turn(struct vbd *v, struct blk_op *ended, bool take, bool *more)
{
    *more = false;
    while (ended) {
        struct blk_op *next = ended->next;

        finish_step(v, (struct vbd_request *)ended);
        ended = next;
    }
    if (v->barrier_waits && v->in_flight == 1) {
        v->barrier_waits = false;
        start_step(v->barrier);
    }
    for (unsigned int i = 0; take && i < v->nr_queues; i++)
        *more |= take_requests(v, &v->queue[i]);
    push_answers(v);
    return take_starting(v);
}

static void *disk_thread(void *arg)
{
    struct vbd *v = arg;
    bool more = true, stop = false;
    char name[16];

    snprintf(name, sizeof(name), "disk-%.10s", v->config.name);
    pthread_setname_np(pthread_self(), name);
    while (!stop || v->in_flight) {
        struct blk_op *ended = blk_io_turn(v->io, !more), *starting;

        stop = __atomic_load_n(&v->stop, __ATOMIC_SEQ_CST);
        pthread_mutex_lock(&v->d->lock);
        starting = vbd_serve_turn(v, ended, !stop, &more);
        pthread_mutex_unlock(&v->d->lock);
        while (starting) {
            struct blk_op *next = starting->next;

            blk_io_submit(v->io, starting);
            starting = next;
        }
    }
    return NULL;
}

static int make_requests(struct vbd_queue *q)
{
    q->requests = calloc(q->ring.nr_entries, sizeof(*q->requests));
    if (!q->requests)
        return -ENOMEM;
    q->free = NULL;
    for (uint32_t i = 0; i < q->ring.nr_entries; i++) {
        struct vbd_request *r = &q->requests[i];

        r->queue = q;
        r->next = q->free;
        q->free = r;
    }
    return 0;
}

int vbd_serve_prepare(struct vbd *v)
{
    int rc = 0;

    v->stop = false;
    v->in_flight = 0;
    v->barrier = NULL;
    v->barrier_waits = false;
    v->at_once = 0;
    (void)take_starting(v);
    for (unsigned int i = 0; rc == 0 && i < v->nr_queues; i++)
        rc = make_requests(&v->queue[i]);
    return rc;
}

void vbd_serve_release(struct vbd *v)
{
    for (unsigned int i = 0; i < v->nr_queues; i++) {
        free(v->queue[i].requests);
        v->queue[i].requests = v->queue[i].free = NULL;
    }
}

static int start_thread(struct vbd *v)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* the jail's way to say what it refused */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&v->thread, NULL, disk_thread, v);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static int create_io(struct vbd *v, struct err *err)
{
    const struct blk_file file = {v->disk.fd, v->disk.direct_fd, v->disk.direct_align};
    int socket;

    if (!v->disk.server)
        return blk_io_create(&v->io, BLK_IO_BEST, &file, err);
    socket = qemu_image_connect(v->disk.server);
    if (socket < 0)
        return err_set(err, -socket, "the server of the disk image has gone");
    return blk_io_create_nbd(&v->io, socket, err);
}

int vbd_serve_start(struct vbd *v, struct err *err)
{
    int rc = create_io(v, err);

    if (rc < 0)
        return rc;
    rc = vbd_serve_prepare(v);
    if (rc == 0)
        rc = start_thread(v);
    if (rc == 0)
        return 0;
    vbd_serve_release(v);
    blk_io_destroy(v->io);
    v->io = NULL;
    return err_set(err, -rc, "cannot serve the disk: %s", strerror(-rc));
}

void vbd_serve_stop(struct vbd *v)
{
    if (!v->io)
        return;
    __atomic_store_n(&v->stop, true, __ATOMIC_SEQ_CST);
    blk_io_wake(v->io);
    pthread_join(v->thread, NULL);
    vbd_serve_release(v);
    blk_io_destroy(v->io);
    v->io = NULL;
}
