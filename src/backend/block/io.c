/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io.c - see io.h: choice of the engine, and what the engines share.
 */
#define _GNU_SOURCE
#include "backend/block/io.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend/block/io_priv.h"
#include "base/log.h"

/* Reads of up to so many bytes cost less by the page cache than past it. */
#define SMALL_READ (64 * 1024)
#ifndef SYS_cachestat
#define SYS_cachestat 451 /* from Linux 6.5 on */
#endif

int blk_io_create(struct blk_io **ret, enum blk_io_engine engine, const struct blk_file *file,
                  struct err *err)
{
    int wake_fd = eventfd(0, EFD_CLOEXEC);
    int rc = wake_fd < 0 ? -errno : -ENOSYS;

    if (wake_fd >= 0 && engine != BLK_IO_THREADS)
        rc = blk_io_uring_create(ret, file, wake_fd);
    if (wake_fd >= 0 && rc < 0 && engine != BLK_IO_URING) {
        if (engine == BLK_IO_BEST)
            log_msg(LOG_DEBUG, "backend", "no io_uring here (%s): disks are served by threads",
                    strerror(-rc));
        rc = blk_io_threads_create(ret, file, wake_fd);
    }
    if (rc == 0)
        return 0;
    if (wake_fd >= 0)
        close(wake_fd);
    return err_set(err, -rc, "cannot set up disk I/O: %s", strerror(-rc));
}

int blk_io_create_nbd(struct blk_io **ret, int socket, struct err *err)
{
    int wake_fd = eventfd(0, EFD_CLOEXEC);
    int rc;

    if (wake_fd < 0) {
        close(socket);
        return err_set(err, EMFILE, "cannot set up disk I/O: %s", strerror(errno));
    }
    rc = blk_io_nbd_create(ret, socket, wake_fd);
    if (rc < 0) {
        close(wake_fd);
        return err_set(err, -rc, "the server of the disk image does not answer");
    }
    return 0;
}

void blk_io_destroy(struct blk_io *io)
{
    int wake_fd;

    if (!io)
        return;
    wake_fd = io->wake_fd;
    io->ops->destroy(io);
    close(wake_fd);
}

const char *blk_io_name(const struct blk_io *io)
{
    return io->ops->name;
}

void blk_io_submit(struct blk_io *io, struct blk_op *op)
{
    io->ops->submit(io, op);
}

struct blk_op *blk_io_turn(struct blk_io *io, bool wait)
{
    return io->ops->turn(io, wait);
}

void blk_io_wake(struct blk_io *io)
{
    uint64_t one = 1;

    while (write(io->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

bool blk_io_read_cached(int fd, const struct blk_op *op)
{
    ssize_t n = preadv2(fd, op->iov, (int)op->nr_iov, (off_t)op->offset, RWF_NOWAIT);

    return n >= 0 && (uint64_t)n == op->length;
}

/* Does the host have all of it in memory? Not known before Linux 6.5: then no. */
static bool is_cached(int fd, uint64_t offset, uint64_t length)
{
    struct {
        uint64_t offset, length;
    } range = {offset, length};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } pages;
    uint64_t first = offset / PAGE_SIZE, last = (offset + length - 1) / PAGE_SIZE;

    return syscall(SYS_cachestat, fd, &range, &pages, 0) == 0 && pages.cached == last - first + 1;
}

static bool is_aligned(const struct blk_op *op, unsigned int align)
{
    uint64_t bits = op->offset | op->length;

    for (unsigned int i = 0; i < op->nr_iov; i++)
        bits |= (uintptr_t)op->iov[i].iov_base | op->iov[i].iov_len;
    return !(bits & (align - 1));
}

int blk_op_fd(const struct blk_file *file, const struct blk_op *op)
{
    bool direct = file->direct_fd >= 0 && is_aligned(op, file->direct_align);

    if (direct && op->kind == BLK_READ)
        direct = op->length > SMALL_READ && !is_cached(file->fd, op->offset, op->length);
    return direct && (op->kind == BLK_READ || op->kind == BLK_WRITE) ? file->direct_fd : file->fd;
}

static void skip_bytes(struct blk_op *op, uint64_t n)
{
    op->offset += n;
    op->length -= n;
    while (op->nr_iov && n >= op->iov->iov_len) {
        n -= op->iov->iov_len;
        op->iov++;
        op->nr_iov--;
    }
    if (n) {
        op->iov->iov_base = (uint8_t *)op->iov->iov_base + n;
        op->iov->iov_len -= n;
    }
}

bool blk_op_advance(struct blk_op *op, int64_t n)
{
    bool transfers = op->kind == BLK_READ || op->kind == BLK_WRITE;

    if (n == -EINTR || n == -EAGAIN)
        return false;
    op->result = n < 0 ? (int)n : 0;
    if (n < 0 || !transfers)
        return true;
    /* The image has become shorter than it was when it was opened. */
    if (n == 0 || (uint64_t)n > op->length) {
        op->result = -EIO;
        return true;
    }
    skip_bytes(op, (uint64_t)n);
    return op->length == 0;
}
