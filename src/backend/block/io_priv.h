/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io_priv.h - what an engine of io.h is made of.
 */
#pragma once

#include "backend/block/io.h"

struct blk_io_ops {
    const char *name;
    void (*destroy)(struct blk_io *io);
    void (*submit)(struct blk_io *io, struct blk_op *op);
    struct blk_op *(*turn)(struct blk_io *io, bool wait);
};

/* First member of an engine's own structure. */
struct blk_io {
    const struct blk_io_ops *ops;
    struct blk_file file;
    int wake_fd; /* eventfd */
};

/* 0 or -errno; wake_fd is the new engine's on success. */
int blk_io_uring_create(struct blk_io **ret, const struct blk_file *file, int wake_fd);
int blk_io_threads_create(struct blk_io **ret, const struct blk_file *file, int wake_fd);
int blk_io_nbd_create(struct blk_io **ret, int socket, int wake_fd);

/* Which of the file's descriptors what is left of op is to use. */
int blk_op_fd(const struct blk_file *file, const struct blk_op *op);
/* Account for what a system call returned for op: true if op is over (op->result is set),
 * false if the rest of it is to be done. */
bool blk_op_advance(struct blk_op *op, int64_t n);
