/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk_image.h - the image of a disk is opened by who has the right to: the domain process at its
 * start, later the tool that wants the disk plugged in, which passes the descriptor. How is said
 * here, once.
 *
 * What may be done with an image is what its descriptor allows, whoever has it. A raw one is read
 * and written by it. Of other formats nothing but the server (backend/block/qemu.h) reads the
 * content: their descriptor is only read, so that nobody who was given one can write what the
 * server believes. It carries marks, which fcntl() tells and cannot set: O_DSYNC, it is meant for
 * the server; O_SYNC, the server may also write it; O_NOFOLLOW, it is a vhd. That format is known
 * by its end and all others by their beginning, and either may be data of a guest in the other.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

enum disk_mode {
    DISK_READ,        /* r: others may read, too */
    DISK_WRITE,       /* w: nobody else may use it */
    DISK_WRITE_SHARED /* w!: not checked */
};

/* "r", "w" or "w!". */
const char *disk_mode_text(enum disk_mode mode);
/* The other way. 0, or -EINVAL with a sentence. */
int disk_mode_parse(const char *text, enum disk_mode *ret, struct err *err) MUST_CHECK;

/* Strings are borrowed. */
struct disk_image {
    const char *name; /* the guest's, for sentences */
    const char *path;
    const char *format; /* NULL or "" is raw */
    enum disk_mode mode;
};

bool disk_image_is_raw(const char *format);

/* Open it for its mode and format. A new descriptor that does not block, or -errno with a sentence;
 * -EBUSY: a block device that the host uses itself. Anybody who may open paths. */
int disk_image_open(const struct disk_image *image, struct err *err) MUST_CHECK;
/* Does this descriptor allow what is needed of it, and no more? */
bool disk_image_fits(int fd, const char *format, enum disk_mode mode);
/* Is it meant for a server of that format? *writable: may that write the image? */
bool disk_image_is_served(int fd, const char *format, bool *writable);
