/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif.h - a network interface of a domain: its link on the host, kept over reboots, and its
 * entries in the store while a life is going on.
 *
 * All functions are for the main thread, without the domain's lock.
 */
#pragma once

#include "backend/net/vif_config.h"
#include "backend/xenbus.h"
#include "base/loop.h"

struct vif;

/* `fd` is what it is connected to (vif_open.h), taken, also on failure. Takes the content of
 * *config on success. 0 or -errno, -EINVAL: a descriptor of another kind. */
int vif_create(struct vif **ret, struct loop *loop, domid_t domid, struct vif_config *config,
               int fd, struct err *err) MUST_CHECK;
/* Not while attached. NULL is fine. */
void vif_destroy(struct vif *v);
const struct vif_config *vif_config(const struct vif *v);
/* The tap device's name, or "passt". */
const char *vif_link_name(const struct vif *v);

/* Called when an unplugged interface has left the guest. */
typedef void vif_removed_fn(void *arg, struct vif *v);

/* Show the interface to the guest. 0 or -errno. */
int vif_attach(struct vif *v, struct xenbus *bus, vif_removed_fn *removed, void *arg,
               struct err *err) MUST_CHECK;
/* Ask for it back: `removed` is called, perhaps at once, when the guest has let go. */
void vif_unplug(struct vif *v, bool force);
/* The life is over, its xenbus destroyed. */
void vif_detached(struct vif *v);
/* NULL while not attached. */
struct xenbus_device *vif_device(const struct vif *v);
