/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io_uring.c - disk I/O by io_uring. One system call a turn: what was submitted goes in, what
 * ended comes out, and the wait for a wake-up is a read of the eventfd in the same ring.
 * Created and used by different threads, but used by one.
 *
 * With much under way a turn waits a moment for more than one to end: what costs the guest most
 * of a small operation is to be interrupted for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/block/io_priv.h"

#define RING_ENTRIES 128
/* Completions are dealt with when the thread waits for them, not one by one in between. Linux 6.1.
 */
#define QUICK_FLAGS                                                                                \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED)
#define WAIT_PART 4       /* of what is under way a turn waits for */
#define PATIENCE_NS 50000 /* no longer than so */
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

struct uring {
    struct blk_io io;
    struct io_uring ring;
    struct blk_op *queue, **queue_end; /* submitted, not in the ring yet */
    uint64_t wake_count;               /* read from the eventfd */
    bool wake_armed;
    bool disabled;        /* until its thread comes for the first time */
    bool can_wait;        /* for some operations, with a limit of time */
    unsigned int in_ring; /* operations, without the wait for a wake-up */
};

/* A write past the host's cache has to wait for pages that are in there, clean as they may be, and
 * a wait costs a change of threads. */
static void forget_cached(const struct uring *u, const struct blk_op *op)
{
    uint64_t first = op->offset & PAGE_MASK;
    uint64_t end = (op->offset + op->length + PAGE_SIZE - 1) & PAGE_MASK;

    (void)posix_fadvise(u->io.file.fd, (off_t)first, (off_t)(end - first), POSIX_FADV_DONTNEED);
}

static void prepare(const struct uring *u, struct io_uring_sqe *sqe, struct blk_op *op)
{
    int fd = blk_op_fd(&u->io.file, op);

    switch (op->kind) {
    case BLK_READ:
        io_uring_prep_readv(sqe, fd, op->iov, op->nr_iov, op->offset);
        break;
    case BLK_WRITE:
        if (fd == u->io.file.direct_fd)
            forget_cached(u, op);
        io_uring_prep_writev(sqe, fd, op->iov, op->nr_iov, op->offset);
        break;
    case BLK_FLUSH:
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        break;
    case BLK_DISCARD:
        io_uring_prep_fallocate(sqe, fd, PUNCH, (off_t)op->offset, (off_t)op->length);
        break;
    }
    io_uring_sqe_set_data(sqe, op);
}

static void uring_submit(struct blk_io *io, struct blk_op *op)
{
    struct uring *u = (struct uring *)io;

    op->next = NULL;
    *u->queue_end = op;
    u->queue_end = &op->next;
}

/* As much of the queue as the ring takes. */
static void fill(struct uring *u)
{
    struct io_uring_sqe *sqe;

    if (!u->wake_armed && (sqe = io_uring_get_sqe(&u->ring))) {
        io_uring_prep_read(sqe, u->io.wake_fd, &u->wake_count, sizeof(u->wake_count), 0);
        io_uring_sqe_set_data(sqe, NULL);
        u->wake_armed = true;
    }
    while (u->queue && (sqe = io_uring_get_sqe(&u->ring))) {
        prepare(u, sqe, u->queue);
        u->in_ring++;
        u->queue = u->queue->next;
        if (!u->queue)
            u->queue_end = &u->queue;
    }
}

/* Take what has ended to the list at *ret. True if there was anything, a wake-up included. */
static bool reap(struct uring *u, struct blk_op **ret)
{
    struct io_uring_cqe *cqe;
    bool any = false;

    while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        struct blk_op *op = io_uring_cqe_get_data(cqe);
        int res = cqe->res;

        io_uring_cqe_seen(&u->ring, cqe);
        u->in_ring -= op != NULL;
        if (!op) {
            u->wake_armed = false;
            any = true;
        } else if (blk_op_advance(op, res)) {
            op->next = *ret;
            *ret = op;
            any = true;
        } else {
            uring_submit(&u->io, op);
        }
    }
    return any;
}

/* Start what is prepared, and wait for a part of what is under way, or a moment, but for one in
 * any case. Errors are EINTR, or EBUSY until completions have been taken, or that the moment is
 * over. */
static void submit_and_wait(struct uring *u)
{
    struct __kernel_timespec patience = {.tv_nsec = PATIENCE_NS};
    unsigned int count = 1 + u->in_ring / WAIT_PART;
    struct io_uring_cqe *cqe;

    if (count > 1 && u->can_wait)
        (void)io_uring_submit_and_wait_timeout(&u->ring, &cqe, count, &patience, NULL);
    if (!io_uring_cq_ready(&u->ring))
        (void)io_uring_submit_and_wait(&u->ring, 1);
}

/* The thread that uses the ring is the one that enables it. */
static void enable(struct uring *u)
{
    if (u->disabled &&
        syscall(SYS_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0)
        u->disabled = false;
}

static struct blk_op *uring_turn(struct blk_io *io, bool wait)
{
    struct uring *u = (struct uring *)io;
    struct blk_op *ended = NULL;
    bool any = false;

    enable(u);
    do {
        bool more;

        fill(u);
        more = u->queue != NULL;
        if (wait && !any && !more)
            submit_and_wait(u);
        else
            (void)io_uring_submit_and_get_events(&u->ring);
        any |= reap(u, &ended);
    } while (u->queue || (wait && !any));
    return ended;
}

static void uring_destroy(struct blk_io *io)
{
    struct uring *u = (struct uring *)io;

    io_uring_queue_exit(&u->ring);
    free(u);
}

static const struct blk_io_ops uring_ops = {
    .name = "io_uring",
    .destroy = uring_destroy,
    .submit = uring_submit,
    .turn = uring_turn,
};

static bool has_operations(struct io_uring *ring)
{
    static const int needed[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
                                 IORING_OP_FALLOCATE, IORING_OP_READ};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool ok = probe != NULL;

    for (size_t i = 0; ok && i < ARRAY_SIZE(needed); i++)
        ok = io_uring_opcode_supported(probe, needed[i]);
    io_uring_free_probe(probe);
    return ok;
}

int blk_io_uring_create(struct blk_io **ret, const struct blk_file *file, int wake_fd)
{
    struct uring *u = calloc(1, sizeof(*u));
    int rc;

    if (!u)
        return -ENOMEM;
    rc = io_uring_queue_init(RING_ENTRIES, &u->ring, QUICK_FLAGS);
    u->disabled = rc == 0;
    if (rc == -EINVAL)
        rc = io_uring_queue_init(RING_ENTRIES, &u->ring, 0);
    if (rc < 0) {
        free(u);
        return rc;
    }
    u->can_wait = u->ring.features & IORING_FEAT_EXT_ARG;
    if (!has_operations(&u->ring)) {
        uring_destroy(&u->io);
        return -ENOSYS;
    }
    u->io = (struct blk_io){.ops = &uring_ops, .file = *file, .wake_fd = wake_fd};
    u->queue_end = &u->queue;
    *ret = &u->io;
    return 0;
}
