/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * io.h - whole reads and writes on descriptors and small files. Every size that a file or a
 * peer decides has a cap given by the caller.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

/* Write all n bytes to a blocking descriptor. 0 or -errno. */
int io_write_all(int fd, const void *buf, size_t n) MUST_CHECK;

/* Read fd to its end. *ret is a new NUL-terminated buffer (the caller frees it), *ret_len
 * its length without the NUL. -EFBIG when there are more than max bytes. */
int io_read_fd(int fd, size_t max, char **ret, size_t *ret_len, struct err *err) MUST_CHECK;

/* As io_read_fd for a path. */
int io_read_file(const char *path, size_t max, char **ret, size_t *ret_len,
                 struct err *err) MUST_CHECK;

/* Replace the content of a file in one step (temporary file beside it, then rename). */
int io_write_file_atomic(const char *path, const void *buf, size_t n, struct err *err) MUST_CHECK;

/* Set or clear FD_CLOEXEC / O_NONBLOCK. 0 or -errno. */
int io_set_cloexec(int fd, bool on);
int io_set_nonblock(int fd, bool on);
