/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu.h - image formats other than raw: qemu-storage-daemon opens the image and serves its
 * content by NBD, on a socket that only this process can name.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/types.h"

struct qemu_image;

/* Start a daemon for the image at `path`; `format` is xl's word for what it is. It ends when
 * this process does, having written what it holds. -ENOENT when there is no such program, -EIO
 * with its words when it refuses the image. Main thread. */
int qemu_image_open(struct qemu_image **ret, const char *path, const char *format, bool writable,
                    bool discard, struct err *err) MUST_CHECK;
/* End it, and wait until it has written everything. NULL is fine. */
void qemu_image_close(struct qemu_image *image);
/* A new connection to it. The descriptor or -errno. */
int qemu_image_connect(const struct qemu_image *image);
/* Is this a format that it is for? */
bool qemu_image_knows(const char *format);
