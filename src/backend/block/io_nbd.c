/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io_nbd.c - disk I/O through an NBD server (qemu.h), by libnbd. An operation becomes one
 * request for each of its buffers, straight from and to them; it has ended when all have. If
 * the server goes, everything fails from there on.
 */
#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/block/io_priv.h"

struct nbd {
    struct blk_io io;
    struct nbd_handle *handle;
    struct blk_op *ended;
};

static void end_part(struct nbd *n, struct blk_op *op, int error)
{
    if (error && !op->result)
        op->result = -error;
    if (--op->parts)
        return;
    op->next = n->ended;
    n->ended = op;
}

/* Called by libnbd from within our calls of it. 1: forget the request. */
static int on_part(void *arg, int *error)
{
    struct blk_op *op = arg;

    end_part(op->engine, op, *error);
    return 1;
}

/* Start the request for one part of op; what cannot be started has failed. */
static void start_part(struct nbd *n, struct blk_op *op, void *base, size_t len, uint64_t offset)
{
    nbd_completion_callback done = {.callback = on_part, .user_data = op};
    int64_t cookie = -1;

    switch (op->kind) {
    case BLK_READ:
        cookie = nbd_aio_pread(n->handle, base, len, offset, done, 0);
        break;
    case BLK_WRITE:
        cookie = nbd_aio_pwrite(n->handle, base, len, offset, done, 0);
        break;
    case BLK_FLUSH:
        cookie = nbd_aio_flush(n->handle, done, 0);
        break;
    case BLK_DISCARD:
        if (nbd_can_trim(n->handle) != 1) {
            end_part(n, op, EOPNOTSUPP);
            return;
        }
        cookie = nbd_aio_trim(n->handle, len, offset, done, 0);
        break;
    }
    if (cookie < 0)
        end_part(n, op, nbd_get_errno() ? nbd_get_errno() : EIO);
}

static void nbd_submit(struct blk_io *io, struct blk_op *op)
{
    struct nbd *n = (struct nbd *)io;
    bool transfers = op->kind == BLK_READ || op->kind == BLK_WRITE;
    uint64_t offset = op->offset;
    unsigned int parts = transfers ? op->nr_iov : 1;

    op->engine = n;
    op->result = 0;
    op->parts = parts;
    if (!transfers) {
        start_part(n, op, NULL, op->length, offset);
        return;
    }
    /* A part may end, and with the last one op, while it is being started. */
    for (unsigned int i = 0; i < parts; i++) {
        const struct iovec *iov = &op->iov[i];
        size_t len = iov->iov_len;

        start_part(n, op, iov->iov_base, len, offset);
        offset += len;
    }
}

static void serve_socket(struct nbd *n, short events)
{
    /* An error is also told to those who wait for their requests. */
    if (events & (POLLIN | POLLHUP | POLLERR))
        (void)nbd_aio_notify_read(n->handle);
    else if (events & POLLOUT)
        (void)nbd_aio_notify_write(n->handle);
}

static struct blk_op *nbd_turn(struct blk_io *io, bool wait)
{
    struct nbd *n = (struct nbd *)io;
    struct blk_op *ended;
    bool woken = false;

    do {
        unsigned int direction = nbd_aio_get_direction(n->handle);
        struct pollfd fds[] = {
            {.fd = nbd_aio_is_dead(n->handle) ? -1 : nbd_aio_get_fd(n->handle),
             .events = (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                               (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0))},
            {.fd = io->wake_fd, .events = POLLIN},
        };
        uint64_t count;

        if (poll(fds, ARRAY_SIZE(fds), wait && !n->ended ? -1 : 0) <= 0)
            continue;
        if (fds[1].revents)
            woken = read(io->wake_fd, &count, sizeof(count)) > 0;
        serve_socket(n, fds[0].revents);
    } while (wait && !woken && !n->ended);
    ended = n->ended;
    n->ended = NULL;
    return ended;
}

static void nbd_destroy(struct blk_io *io)
{
    struct nbd *n = (struct nbd *)io;

    nbd_close(n->handle);
    free(n);
}

static const struct blk_io_ops nbd_ops = {
    .name = "qemu-storage-daemon",
    .destroy = nbd_destroy,
    .submit = nbd_submit,
    .turn = nbd_turn,
};

int blk_io_nbd_create(struct blk_io **ret, int socket, int wake_fd)
{
    struct nbd *n = calloc(1, sizeof(*n));

    if (n)
        n->handle = nbd_create();
    /* libnbd closes the socket, whatever happens. */
    if (!n || !n->handle || nbd_set_export_name(n->handle, "disk") < 0 ||
        nbd_connect_socket(n->handle, socket) < 0) {
        if (!n || !n->handle)
            close(socket);
        else
            nbd_close(n->handle);
        free(n);
        return -EIO;
    }
    n->io = (struct blk_io){.ops = &nbd_ops, .file = {-1, -1, 0}, .wake_fd = wake_fd};
    *ret = &n->io;
    return 0;
}

int64_t blk_io_nbd_size(int socket)
{
    struct nbd_handle *handle = nbd_create();
    int64_t size = -1;

    if (!handle)
        close(socket);
    else if (nbd_set_export_name(handle, "disk") == 0 && nbd_connect_socket(handle, socket) == 0)
        size = nbd_get_size(handle);
    if (handle)
        nbd_close(handle);
    return size < 0 ? -EIO : size;
}
