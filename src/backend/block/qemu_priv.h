/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu_priv.h - what passes between who wants an image served (qemu.c) and who becomes its server
 * (qemu_exec.c).
 */
#pragma once

#include "backend/block/qemu.h"

#define QEMU_PROGRAM "qemu-storage-daemon"
#define QEMU_NOT_INSTALLED QEMU_PROGRAM " is not installed (Debian: qemu-system-common)"
#define QEMU_SOCKET "%s/disk-%016llx" /* run directory and a random number */

/* qemu_exec()'s descriptors: a file for the sentence why it fails; the image; a stream socket that
 * holds a struct qemu_order, and takes the inode of the daemon's socket, beside one byte. */
enum { QEMU_WORDS, QEMU_IMAGE, QEMU_LINE, NR_QEMU_FDS };

struct qemu_order {
    uint32_t format;  /* for qemu_format() */
    uint32_t discard; /* 0 = space is kept */
};

/* xl's word for a format, and QEMU's. */
struct qemu_format {
    const char *name, *driver;
};

/* A format by its number; NULL: there is none. */
const struct qemu_format *qemu_format(uint32_t number);
/* What qemu_prepare() was told. */
const char *qemu_run_dir(void);
