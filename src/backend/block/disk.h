/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk.h - the image behind a virtual disk: a file or block device on the host, opened, its
 * size known, and locked against other domains by Xen's rules.
 */
#pragma once

#include "backend/block/blkif.h"
#include "base/err.h"
#include "base/json.h"

struct qemu_image; /* backend/block/qemu.h */

enum disk_mode {
    DISK_READ,        /* r: others may read, too */
    DISK_WRITE,       /* w: nobody else may use it */
    DISK_WRITE_SHARED /* w!: not checked */
};

/* A disk as the config has it; see docs/internals/domain-config.md, "disks". Strings belong to
 * the structure. */
struct disk_config {
    char *name;         /* the guest's name for it: "xvda" */
    unsigned int devid; /* its number */
    char *path;         /* on the host; "" = a drive without a medium */
    char *type;         /* "file", "phy", "tap": only shown in the store */
    char *params;       /* likewise */
    char *format;       /* of the image: "raw", or what qemu_image_knows() */
    enum disk_mode mode;
    bool cdrom;
    bool discard; /* the guest may give space back */
};

/* Read and check an object. 0, or -EINVAL; then *c needs no disk_config_done(). */
int disk_config_parse(struct disk_config *c, const json_t *object, struct err *err) MUST_CHECK;
void disk_config_done(struct disk_config *c);
/* "r", "w" or "w!". */
const char *disk_mode_text(enum disk_mode mode);

struct disk {
    int fd;                    /* a raw image's content; -1 for other formats */
    int direct_fd;             /* the same past the page cache; -1 where that cannot be */
    unsigned int direct_align; /* what is aligned to that many bytes can */
    int lock_fd;               /* the same image, for its lock */
    struct qemu_image *server; /* of another format's content; NULL for raw */
    struct blkif_limits limits;
    unsigned int physical_sector_size;
    unsigned int discard_granularity; /* bytes; 0 = no discard */
};

/* Open and lock. `run_dir`: for the socket of another format's server. -EBUSY: another domain uses
 * it in a way that does not go together. */
int disk_open(struct disk *disk, const struct disk_config *c, const char *run_dir,
              struct err *err) MUST_CHECK;
void disk_close(struct disk *disk);
/* Read the size of an open raw image again. 0 or -errno. */
int disk_measure(struct disk *disk, const struct disk_config *c, struct err *err) MUST_CHECK;
