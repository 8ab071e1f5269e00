/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * device_vifs.h - the network interfaces among a domain's devices (devices.h). Main thread,
 * without the domain's lock.
 */
#pragma once

#include "backend/xenbus.h"
#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"

struct device_vifs;

/* Open what `array` (NULL is fine) describes: before the jail. 0 or -errno. */
int device_vifs_create(struct device_vifs **ret, struct loop *loop, domid_t domid,
                       const json_t *array, struct err *err) MUST_CHECK;
void device_vifs_destroy(struct device_vifs *all); /* NULL is fine */
bool device_vifs_any(const struct device_vifs *all);

/* Show all to the guest / the bus has gone. */
int device_vifs_attach(struct device_vifs *all, struct xenbus *bus, struct err *err) MUST_CHECK;
void device_vifs_detached(struct device_vifs *all);

/* Plug one in; `bus` NULL: it is shown in the next life. `fd` is what it is connected to
 * (backend/net/vif_open.h), opened by who asks for it; taken, also on failure. 0 or -errno,
 * -EINVAL without one (-1), or if it is of another kind than the interface. */
int device_vifs_add(struct device_vifs *all, struct xenbus *bus, const json_t *object, int fd,
                    struct err *err) MUST_CHECK;
/* Named by number or MAC address. -ENODEV. */
int device_vifs_remove(struct device_vifs *all, const char *name, bool force,
                       struct err *err) MUST_CHECK;
/* New array; NULL when out of memory. */
json_t *device_vifs_list(const struct device_vifs *all);
