/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenbus.h - the backend's side of xenbus (ABI section 13), once for all device types: makes
 * the two directories of a device in the store, follows the frontend's state, and calls the
 * device's operations at the right moments. Knows nothing of rings.
 *
 *     init ──> InitWait ──(frontend 3 or 4)──> connect ──> Connected
 *                 ^                                            │ frontend 5: we follow to 5
 *                 └──(frontend 1)── Closed <── disconnect <────┘ frontend 6, or it is gone
 *
 * A closed device waits for its next frontend (GRUB, then the kernel that it loads) unless it
 * was unplugged: then both directories go and `removed` is called.
 *
 * Threads: everything here is called, and calls back, on the main thread without the domain's
 * lock; operations take it where they touch grants or event channels.
 */
#pragma once

#include "base/err.h"
#include "base/loop.h"
#include "base/types.h"

#include <xen/io/xenbus.h>

struct domain;
struct xenbus;        /* the devices of one life of a domain */
struct xenbus_device; /* one device, both its ends */

#define XENBUS_VALUE_MAX 256 /* longest value that is read from a frontend */

struct xenbus_ops {
    const char *type; /* "vbd", "vif"...: names the directories and log lines */

    /* Before InitWait, each time: write features with xenbus_printf(). 0 or -errno. */
    int (*init)(struct xenbus_device *dev, void *arg, struct err *err);
    /* The frontend has written its keys: read them with xenbus_front_*(), map rings, bind
     * ports, write what goes with Connected. Failure is final until the frontend closes: its
     * sentence goes to the log and the guest, and disconnect is not called. -EAGAIN: not yet;
     * call xenbus_recheck() when it may work. */
    int (*connect)(struct xenbus_device *dev, void *arg, struct err *err);
    /* The frontend is gone: drop every mapping and port before returning. Called once after
     * each successful connect. */
    void (*disconnect)(struct xenbus_device *dev, void *arg);
    /* The device was unplugged (never at the end of a life); dev is freed afterwards. */
    void (*removed)(struct xenbus_device *dev, void *arg);
};

/* Connect to the store for a domain that has been introduced there. 0 or -errno. */
int xenbus_create(struct xenbus **ret, struct loop *loop, struct domain *d,
                  struct err *err) MUST_CHECK;
/* End of a life, vCPUs stopped: disconnects devices, removes their directories. NULL is fine. */
void xenbus_destroy(struct xenbus *bus);

/* One key of a directory; a list ends with a NULL key. */
struct xenbus_key {
    const char *key, *value;
};

/* Make a device: both directories with the toolstack's keys (`backend`, `backend-id`,
 * `frontend`, `frontend-id`, `online`, `state` are added), init, InitWait. `id` is its number
 * in the store; ops and arg must outlive it. 0, or -errno (-EEXIST: id is in use). */
int xenbus_add(struct xenbus *bus, const struct xenbus_ops *ops, void *arg, unsigned int id,
               const struct xenbus_key *front, const struct xenbus_key *back,
               struct xenbus_device **ret, struct err *err) MUST_CHECK;
/* Ask the frontend to let go; `removed` is called when it has. `force`: do not ask. dev may
 * be freed when this returns. */
void xenbus_unplug(struct xenbus_device *dev, bool force);

/* Properties of a connected device have changed: make the frontend look at them. */
void xenbus_announce(struct xenbus_device *dev);
/* Look at the frontend's state again (connect had said -EAGAIN). */
void xenbus_recheck(struct xenbus_device *dev);
/* The frontend broke the protocol: sentence to log and guest, device to Closing. */
void xenbus_fatal(struct xenbus_device *dev, const char *fmt, ...) PRINTF_FMT(2, 3);

/* Write a key of the backend's directory. 0 or -errno. */
int xenbus_printf(struct xenbus_device *dev, const char *key, const char *fmt, ...)
    PRINTF_FMT(3, 4);
/* Read one: new NUL-terminated text, at most XENBUS_VALUE_MAX bytes. NULL if it is not there
 * or too long. */
char *xenbus_back_string(struct xenbus_device *dev, const char *key);
char *xenbus_front_string(struct xenbus_device *dev, const char *key);
/* A decimal number that the frontend wrote: `otherwise` if the key is not there, -EINVAL (and a
 * sentence) if it is no number or above max. */
int xenbus_front_number(struct xenbus_device *dev, const char *key, uint64_t max,
                        uint64_t otherwise, uint64_t *ret, struct err *err) MUST_CHECK;
/* The same for a key that must be there. */
int xenbus_front_need(struct xenbus_device *dev, const char *key, uint64_t max, uint64_t *ret,
                      struct err *err) MUST_CHECK;

struct domain *xenbus_domain(const struct xenbus_device *dev);
struct domain *xenbus_bus_domain(const struct xenbus *bus);
/* Both states, for listings. */
enum xenbus_state xenbus_state(const struct xenbus_device *dev);
