/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io_threads.c - disk I/O by a few threads, for hosts that refuse io_uring. Workers take
 * operations from one queue, do them whole, and put them on the list of ended ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/block/io_priv.h"

#define NR_WORKERS 4

struct threads {
    struct blk_io io;
    pthread_mutex_t lock; /* the rest of this structure */
    pthread_cond_t work;
    struct blk_op *queue, **queue_end;
    struct blk_op *ended;
    bool quit;
    unsigned int nr_workers;
    pthread_t worker[NR_WORKERS];
};

static int64_t do_once(const struct blk_file *file, const struct blk_op *op)
{
    int fd = blk_op_fd(file, op);
    int64_t n = 0;

    switch (op->kind) {
    case BLK_READ:
        n = preadv(fd, op->iov, (int)op->nr_iov, (off_t)op->offset);
        break;
    case BLK_WRITE:
        n = pwritev(fd, op->iov, (int)op->nr_iov, (off_t)op->offset);
        break;
    case BLK_FLUSH:
        n = fdatasync(fd);
        break;
    case BLK_DISCARD:
        n = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)op->offset,
                      (off_t)op->length);
        break;
    }
    return n < 0 ? -errno : n;
}

static void *work(void *arg)
{
    struct threads *t = arg;

    pthread_setname_np(pthread_self(), "disk-io");
    pthread_mutex_lock(&t->lock);
    while (!t->quit) {
        struct blk_op *op = t->queue;

        if (!op) {
            pthread_cond_wait(&t->work, &t->lock);
            continue;
        }
        t->queue = op->next;
        if (!t->queue)
            t->queue_end = &t->queue;
        pthread_mutex_unlock(&t->lock);
        while (!blk_op_advance(op, do_once(&t->io.file, op)))
            ;
        pthread_mutex_lock(&t->lock);
        op->next = t->ended;
        t->ended = op;
        blk_io_wake(&t->io);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void threads_submit(struct blk_io *io, struct blk_op *op)
{
    struct threads *t = (struct threads *)io;

    pthread_mutex_lock(&t->lock);
    op->next = NULL;
    *t->queue_end = op;
    t->queue_end = &op->next;
    pthread_cond_signal(&t->work);
    pthread_mutex_unlock(&t->lock);
}

static struct blk_op *threads_turn(struct blk_io *io, bool wait)
{
    struct threads *t = (struct threads *)io;
    struct pollfd pfd = {.fd = io->wake_fd, .events = POLLIN};
    struct blk_op *ended;
    uint64_t count;

    /* The eventfd blocks: read it only when there is something. An ended operation has been
     * put on the list before it was written. */
    if (wait ? poll(&pfd, 1, -1) > 0 : poll(&pfd, 1, 0) > 0) {
        if (read(io->wake_fd, &count, sizeof(count)) < 0) {
            /* Nothing to be done: what counts is on the list. */
        }
    }
    pthread_mutex_lock(&t->lock);
    ended = t->ended;
    t->ended = NULL;
    pthread_mutex_unlock(&t->lock);
    return ended;
}

static void threads_destroy(struct blk_io *io)
{
    struct threads *t = (struct threads *)io;

    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->lock);
    for (unsigned int i = 0; i < t->nr_workers; i++)
        pthread_join(t->worker[i], NULL);
    pthread_cond_destroy(&t->work);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static const struct blk_io_ops threads_ops = {
    .name = "threads",
    .destroy = threads_destroy,
    .submit = threads_submit,
    .turn = threads_turn,
};

int blk_io_threads_create(struct blk_io **ret, const struct blk_file *file, int wake_fd)
{
    struct threads *t = calloc(1, sizeof(*t));
    sigset_t all, before;
    int rc = 0;

    if (!t)
        return -ENOMEM;
    t->io = (struct blk_io){.ops = &threads_ops, .file = *file, .wake_fd = wake_fd};
    t->queue_end = &t->queue;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->work, NULL);
    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* the jail's way to say what it refused */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (rc == 0 && t->nr_workers < NR_WORKERS) {
        rc = pthread_create(&t->worker[t->nr_workers], NULL, work, t);
        if (rc == 0)
            t->nr_workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (t->nr_workers == 0) {
        threads_destroy(&t->io);
        return -rc;
    }
    *ret = &t->io;
    return 0;
}
