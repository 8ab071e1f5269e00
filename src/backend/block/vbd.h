/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vbd.h - a virtual disk: an image of the host that a guest uses through blkif. Made once, it
 * keeps the image open and locked; it is attached to each life of the domain.
 *
 * All functions are for the main thread, without the domain's lock.
 */
#pragma once

#include "backend/block/disk.h"
#include "backend/xenbus.h"

struct vbd;

/* `image`: the descriptor of the image, see disk_open(); taken in any case. Takes the content of
 * *config on success. 0 or -errno. */
int vbd_create(struct vbd **ret, struct disk_config *config, int image, struct err *err) MUST_CHECK;
/* Not while attached. NULL is fine. */
void vbd_destroy(struct vbd *v);
const struct disk_config *vbd_config(const struct vbd *v);

/* What the guest has had done since the disk was made, all its lives. */
struct vbd_counts {
    uint64_t reads, writes; /* requests */
    uint64_t read_sectors, written_sectors;
    uint64_t waits; /* for a request to end, as no more may be under way */
};
struct vbd_counts vbd_counts(const struct vbd *v);

/* Another medium for a drive: the image that *config names and `image` is a descriptor of, or none
 * if its path is empty; takes the content of *config (what is there afterwards is to be released).
 * For other disks *config must name the image that they have, whose size is read again, and `image`
 * is not looked at. It is taken in any case. The guest is told. 0 or -errno. */
int vbd_change(struct vbd *v, struct disk_config *config, int image, struct err *err) MUST_CHECK;

/* Called when an unplugged disk has left the guest. */
typedef void vbd_removed_fn(void *arg, struct vbd *v);

/* Show the disk to the guest. 0 or -errno. */
int vbd_attach(struct vbd *v, struct xenbus *bus, vbd_removed_fn *removed, void *arg,
               struct err *err) MUST_CHECK;
/* Ask for it back: `removed` is called, perhaps at once, when the guest has let go. */
void vbd_unplug(struct vbd *v, bool force);
/* The life is over, its xenbus destroyed. */
void vbd_detached(struct vbd *v);
/* NULL while not attached. */
struct xenbus_device *vbd_device(const struct vbd *v);
