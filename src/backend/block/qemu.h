/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu.h - image formats other than raw: qemu-storage-daemon opens the image and serves its
 * content by NBD on a socket that has no name any more when the guest starts. The daemon runs with
 * the launcher's rights: for which image, and whether it may write it, is told by the image's
 * descriptor (base/disk_image.h), never by a request.
 */
#pragma once

#include "base/err.h"
#include "base/launcher.h"
#include "base/types.h"

struct qemu_image;

/* One of the launcher's programs: becomes the daemon. */
launcher_fn qemu_exec;
/* One of its services: with the descriptor of a daemon's socket (O_PATH) comes a new connection. */
launcher_service qemu_connect_service;

/* Where sockets are made: a directory that nobody else may write. Before launcher_start(). */
void qemu_prepare(const char *run_dir);

/* Start a daemon for the image that is open for it as `image` (borrowed); `path` is for sentences,
 * `format` xl's word for what it is. It ends when this process does, having written what it holds.
 * -ENOENT when there is no such program, -EIO with its words when it refuses the image. Main
 * thread. */
int qemu_image_open(struct qemu_image **ret, int image, const char *path, const char *format,
                    bool discard, struct err *err) MUST_CHECK;
/* End it, and wait until it has written everything. NULL is fine. */
void qemu_image_close(struct qemu_image *image);
/* A new connection to it. The descriptor or -errno. */
int qemu_image_connect(const struct qemu_image *image);
/* Is this a format that it is for? */
bool qemu_image_knows(const char *format);
