/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * devices.h - the devices of a domain, from its configuration and from later requests. They
 * outlive a life of the domain: images stay open and locked over a reboot.
 *
 * All functions are for the main thread, without the domain's lock.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "domain/domain.h"
#include "domain/options.h"

struct devices;
struct fb; /* backend/fb/fb.h */

/* What the launcher has to know for them, before it is made. 0 or -errno. */
int devices_prepare(const struct domain_options *o, struct err *err) MUST_CHECK;
/* Open what the configuration names, before the process is in its jail. 0 or -errno. */
int devices_create(struct devices **ret, struct loop *loop, const struct domain_options *o,
                   struct err *err) MUST_CHECK;
/* NULL is fine. */
void devices_destroy(struct devices *all);

/* A life begins: its store is there, its vCPUs do not run yet. */
int devices_attach(struct devices *all, struct domain *d, struct err *err) MUST_CHECK;
/* It has ended: vCPUs are stopped, memory and store are still there. */
void devices_detach(struct devices *all);

/* Plug a disk in (an object as in the configuration), whose image is open as `image` (taken in any
 * case; -1 for a drive without a medium). 0 or -errno. */
int devices_add_disk(struct devices *all, const json_t *object, int image,
                     struct err *err) MUST_CHECK;
/* Ask the guest to let go of a disk, named as it or by number; it may go later, or never. */
int devices_remove_disk(struct devices *all, const char *name, bool force,
                        struct err *err) MUST_CHECK;
/* Another medium in a drive, or another size of the disk that an object (as above) names. `image`:
 * of the medium, taken in any case; otherwise -1. */
int devices_change_disk(struct devices *all, const json_t *object, int image,
                        struct err *err) MUST_CHECK;
/* New array of objects: the disks. NULL when out of memory. */
json_t *devices_list_disks(const struct devices *all);

/* The same for network interfaces, which are named by number or MAC address. fd: see
 * device_vifs_add(). */
int devices_add_vif(struct devices *all, const json_t *object, int fd, struct err *err) MUST_CHECK;
int devices_remove_vif(struct devices *all, const char *name, bool force,
                       struct err *err) MUST_CHECK;
json_t *devices_list_vifs(const struct devices *all);

/* The display, NULL = none. */
struct fb *devices_fb(const struct devices *all);
