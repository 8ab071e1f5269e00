/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk.h - the image behind a virtual disk: a file or block device on the host, opened, its
 * size known, and locked against other domains by Xen's rules. How images are opened: see
 * base/disk_image.h.
 */
#pragma once

#include "backend/block/blkif.h"
#include "base/disk_image.h"
#include "base/err.h"
#include "base/json.h"

struct qemu_image; /* backend/block/qemu.h */

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

/* Open the image by its path, for disk_open(): before the process is in its jail. *ret_fd: the
 * caller's; -1 for a drive without a medium. 0 or -errno. */
int disk_open_image(const struct disk_config *c, int *ret_fd, struct err *err) MUST_CHECK;
/* Is that (borrowed) a descriptor of an image, and does it allow what the config says? 0, or
 * -EINVAL with a sentence. */
int disk_check_image(const struct disk_config *c, int image, struct err *err) MUST_CHECK;
/* Take an image into use: look what it is, and lock it. `image`: its descriptor, taken in any case;
 * -1 for a drive without a medium. Opens no path. -EINVAL: it does not fit what the config says.
 * -EBUSY: another domain uses it in a way that does not go together. Main thread. */
int disk_open(struct disk *disk, const struct disk_config *c, int image,
              struct err *err) MUST_CHECK;
void disk_close(struct disk *disk);
/* Read the size of an open raw image again. 0 or -errno. */
int disk_measure(struct disk *disk, const struct disk_config *c, struct err *err) MUST_CHECK;
