/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io.h - asynchronous I/O on a disk image, for one thread: it starts operations, and waits for
 * some to end or for somebody to wake it. Behind it are io_uring (io_uring.c) or, where the
 * host refuses that, a few threads (io_threads.c); for formats other than raw an NBD server
 * (io_nbd.c).
 *
 * Buffers are the guest's own pages: their content may change at any time, their place not.
 */
#pragma once

#include <sys/uio.h>

#include "base/err.h"
#include "base/types.h"

enum blk_op_kind { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD };

/* One operation, the caller's memory until it comes back from blk_io_turn(). */
struct blk_op {
    enum blk_op_kind kind;
    struct iovec *iov; /* used up */
    unsigned int nr_iov;
    uint64_t offset, length; /* bytes; what is left to do of it */
    int result;              /* 0 or -errno, afterwards */
    struct blk_op *next;     /* of a list: for whoever holds it */
    void *engine;            /* the engine's own, while it has it, as is the next */
    unsigned int parts;
};

enum blk_io_engine { BLK_IO_BEST, BLK_IO_URING, BLK_IO_THREADS };

struct blk_io;

/* A raw image, perhaps open twice. Writes and large reads go past the host's page cache
 * (direct_fd) where they are aligned for that; small reads, and what the cache has, do not. */
struct blk_file {
    int fd;
    int direct_fd;             /* O_DIRECT; -1 = everything goes through the cache */
    unsigned int direct_align; /* of places, lengths and memory: bytes, a power of two */
};

/* The descriptors are borrowed. BLK_IO_BEST falls back to threads without an error. 0 or -errno. */
int blk_io_create(struct blk_io **ret, enum blk_io_engine engine, const struct blk_file *file,
                  struct err *err) MUST_CHECK;
/* The same on a connection to an NBD server, which is taken in any case. */
int blk_io_create_nbd(struct blk_io **ret, int socket, struct err *err) MUST_CHECK;
/* Size in bytes of what a server has, or -errno. Takes the connection. */
int64_t blk_io_nbd_size(int socket);
/* No operation may be under way. NULL is fine. */
void blk_io_destroy(struct blk_io *io);
const char *blk_io_name(const struct blk_io *io);

/* Take an operation; it is started by the next turn. */
void blk_io_submit(struct blk_io *io, struct blk_op *op);
/* Start what was submitted and return what has ended, as a list. `wait`: return only when
 * something has ended or somebody called blk_io_wake(). */
struct blk_op *blk_io_turn(struct blk_io *io, bool wait);
/* Do a read on the spot if the host has all of it in memory. True if it is done. Any thread,
 * also for an op that is submitted if this fails. */
bool blk_io_read_cached(int fd, const struct blk_op *op);
/* End a wait, the next one if none is going on. Any thread. */
void blk_io_wake(struct blk_io *io);
