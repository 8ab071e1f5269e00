/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenbus.c - see xenbus.h. The state machine; directories are xenbus_dirs.c's.
 *
 * What a frontend writes is read when its state changes, once. The truth about a device is
 * kept here (connected, failed, unplugged): `state` in the backend's directory only shows it.
 */
#include "backend/xenbus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/xenbus_dirs.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "domain/domain.h"
#include "xenstore/client.h"

struct xenbus {
    struct domain *d;
    struct xs_client *store;
    struct loop_watch *watch;
    struct xenbus_device *devices;
};

struct xenbus_device {
    struct xenbus *bus;
    struct xenbus_device *next;
    const struct xenbus_ops *ops;
    void *arg;
    unsigned int id;
    struct xenbus_dirs dirs;
    struct xs_watch *watch; /* of the frontend's state */
    enum xenbus_state state, front_state;
    bool connected; /* ops->connect succeeded, disconnect is due */
    bool failed;    /* this frontend is not tried again */
    bool unplugged;
};

static void set_state(struct xenbus_device *dev, enum xenbus_state state)
{
    if (dev->state == state)
        return;
    dev->state = state;
    (void)xenbus_printf(dev, "state", "%d", (int)state);
}

static void report(struct xenbus_device *dev, const char *text)
{
    log_guest(LOG_WARN, "backend", "%s %u: %s", dev->ops->type, dev->id, text);
    (void)xs_write(dev->bus->store, XS_NO_TX, dev->dirs.error, text, strlen(text));
    (void)xs_write(dev->bus->store, XS_NO_TX, dev->dirs.front_error, text, strlen(text));
}

static void fail(struct xenbus_device *dev, const char *text)
{
    report(dev, text);
    dev->failed = true;
    set_state(dev, XenbusStateClosing);
}

static void drop(struct xenbus_device *dev)
{
    if (dev->connected) {
        dev->connected = false;
        dev->ops->disconnect(dev, dev->arg);
    }
    dev->failed = false;
}

static int prepare(struct xenbus_device *dev, struct err *err)
{
    int rc = dev->ops->init(dev, dev->arg, err);

    if (rc == 0)
        set_state(dev, XenbusStateInitWait);
    return rc;
}

/* Be there for the next frontend. */
static void await_frontend(struct xenbus_device *dev)
{
    struct err err = {0};

    drop(dev);
    if (dev->state == XenbusStateInitWait || dev->unplugged)
        return;
    if (prepare(dev, &err) < 0)
        fail(dev, err.msg);
}

static void connect_frontend(struct xenbus_device *dev)
{
    struct err err = {0};
    int rc = 0;

    if (dev->connected || dev->failed || dev->unplugged)
        return;
    /* It may have closed and come back between two looks of ours. */
    if (dev->state != XenbusStateInitWait)
        rc = prepare(dev, &err);
    if (rc == 0)
        rc = dev->ops->connect(dev, dev->arg, &err);
    if (rc == -EAGAIN)
        return;
    if (rc < 0) {
        fail(dev, err.msg);
        return;
    }
    dev->connected = true;
    set_state(dev, XenbusStateConnected);
    log_guest(LOG_INFO, "backend", "%s %u: connected", dev->ops->type, dev->id);
}

static void unlink_device(struct xenbus_device *dev)
{
    struct xenbus_device **p = &dev->bus->devices;

    while (*p != dev)
        p = &(*p)->next;
    *p = dev->next;
}

static void free_device(struct xenbus_device *dev)
{
    xs_unwatch(dev->bus->store, dev->watch);
    xenbus_dirs_done(&dev->dirs);
    free(dev);
}

/* The end of an unplugged device. */
static void remove_device(struct xenbus_device *dev)
{
    unlink_device(dev);
    xenbus_dirs_remove(dev->bus->store, &dev->dirs);
    log_msg(LOG_INFO, "backend", "%s %u: unplugged", dev->ops->type, dev->id);
    dev->ops->removed(dev, dev->arg);
    free_device(dev);
}

/* The frontend has let go. May free dev. */
static void close_device(struct xenbus_device *dev)
{
    bool was_connected = dev->connected;

    drop(dev);
    set_state(dev, XenbusStateClosed);
    if (was_connected)
        log_guest(LOG_INFO, "backend", "%s %u: closed by the guest", dev->ops->type, dev->id);
    if (dev->unplugged)
        remove_device(dev);
}

/* The frontend's state; Unknown when it is no number, or not there. What we had thought of it
 * if xenstored does not answer: that says nothing about the frontend. */
static enum xenbus_state frontend_state(struct xenbus_device *dev)
{
    uint64_t state;
    int rc = xs_read_number(dev->bus->store, XS_NO_TX, dev->dirs.front_state, &state);

    if (rc == 0 && state <= XenbusStateReconfigured)
        dev->front_state = (enum xenbus_state)state;
    else if (rc == 0 || rc == -ENOENT || rc == -EINVAL)
        dev->front_state = XenbusStateUnknown;
    return dev->front_state;
}

void xenbus_recheck(struct xenbus_device *dev)
{
    switch (frontend_state(dev)) {
    case XenbusStateInitialising:
        await_frontend(dev);
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        connect_frontend(dev);
        break;
    case XenbusStateClosing:
        /* It may still use the device, and wait until its last user has gone. */
        if (dev->state != XenbusStateClosed)
            set_state(dev, XenbusStateClosing);
        break;
    case XenbusStateClosed:
    case XenbusStateUnknown:
        close_device(dev);
        break;
    case XenbusStateInitWait:
    case XenbusStateReconfiguring:
    case XenbusStateReconfigured:
        break;
    }
}

static void on_frontend(void *arg, const char *path)
{
    xenbus_recheck(arg);
}

static void on_store(void *arg, uint32_t events)
{
    struct xenbus *bus = arg;
    int rc = xs_dispatch(bus->store);

    if (rc < 0) {
        log_msg(LOG_ERROR, "backend", "connection to xenstored lost (%s): devices stay as they are",
                strerror(-rc));
        loop_remove(bus->watch);
        bus->watch = NULL;
    }
}

int xenbus_create(struct xenbus **ret, struct loop *loop, struct domain *d, struct err *err)
{
    struct xenbus *bus = calloc(1, sizeof(*bus));
    int rc;

    if (!bus)
        return err_set(err, ENOMEM, "out of memory");
    bus->d = d;
    rc = xs_connect(&bus->store, d->store_socket, err);
    if (rc < 0) {
        free(bus);
        return rc;
    }
    bus->watch = loop_add(loop, xs_fd(bus->store), EPOLLIN, on_store, bus);
    if (!bus->watch) {
        xenbus_destroy(bus);
        return err_set(err, ENOMEM, "out of memory");
    }
    *ret = bus;
    return 0;
}

void xenbus_destroy(struct xenbus *bus)
{
    if (!bus)
        return;
    while (bus->devices) {
        struct xenbus_device *dev = bus->devices;

        unlink_device(dev);
        drop(dev);
        xenbus_dirs_remove(bus->store, &dev->dirs);
        free_device(dev);
    }
    loop_remove(bus->watch);
    xs_close(bus->store);
    free(bus);
}

static struct xenbus_device *find(const struct xenbus *bus, const char *type, unsigned int id)
{
    for (struct xenbus_device *dev = bus->devices; dev; dev = dev->next)
        if (dev->id == id && strcmp(dev->ops->type, type) == 0)
            return dev;
    return NULL;
}

int xenbus_add(struct xenbus *bus, const struct xenbus_ops *ops, void *arg, unsigned int id,
               const struct xenbus_key *front, const struct xenbus_key *back,
               struct xenbus_device **ret, struct err *err)
{
    struct xenbus_device *dev;
    int rc;

    if (find(bus, ops->type, id))
        return err_set(err, EEXIST, "the domain has a %s %u already", ops->type, id);
    dev = calloc(1, sizeof(*dev));
    if (!dev)
        return err_set(err, ENOMEM, "out of memory");
    *dev = (struct xenbus_device){.bus = bus,
                                  .ops = ops,
                                  .arg = arg,
                                  .id = id,
                                  .state = XenbusStateInitialising,
                                  .front_state = XenbusStateInitialising};
    rc = xenbus_dirs_init(&dev->dirs, ops->type, bus->d->domid, bus->d->name, id);
    if (rc == 0)
        rc = xenbus_dirs_make(bus->store, &dev->dirs, front, back);
    if (rc < 0)
        err_set(err, -rc, "%s %u: xenstored refuses its entries: %s", ops->type, id, strerror(-rc));
    if (rc == 0)
        rc = prepare(dev, err);
    if (rc == 0) {
        rc = xs_watch(bus->store, dev->dirs.front_state, on_frontend, dev, &dev->watch);
        if (rc < 0)
            err_set(err, -rc, "%s %u: cannot watch its frontend: %s", ops->type, id, strerror(-rc));
    }
    if (rc < 0) {
        xenbus_dirs_remove(bus->store, &dev->dirs);
        free_device(dev);
        return rc;
    }
    dev->next = bus->devices;
    bus->devices = dev;
    *ret = dev;
    return 0;
}

void xenbus_unplug(struct xenbus_device *dev, bool force)
{
    dev->unplugged = true;
    if (force) {
        drop(dev);
        remove_device(dev);
        return;
    }
    /* In this order: a frontend looks at online when it sees the state change. */
    (void)xenbus_printf(dev, "online", "0");
    /* Closed already, or never looked at: the guest has no driver for it. */
    if (dev->state == XenbusStateClosed || frontend_state(dev) == XenbusStateInitialising) {
        drop(dev);
        remove_device(dev);
    } else {
        set_state(dev, XenbusStateClosing);
    }
}

/* The frontend watches our state, and a write of the same state is an event, too. */
void xenbus_announce(struct xenbus_device *dev)
{
    if (dev->state == XenbusStateConnected)
        (void)xenbus_printf(dev, "state", "%d", (int)dev->state);
}

void xenbus_fatal(struct xenbus_device *dev, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fail(dev, text);
}

int xenbus_printf(struct xenbus_device *dev, const char *key, const char *fmt, ...)
{
    CLEANUP_FREE char *path = xenbus_dirs_path(dev->dirs.back, key);
    char value[XENBUS_VALUE_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    if (!path)
        return -ENOMEM;
    if (n < 0 || n >= (int)sizeof(value))
        return -E2BIG;
    return xs_write(dev->bus->store, XS_NO_TX, path, value, (size_t)n);
}

static char *read_string(struct xenbus_device *dev, const char *dir, const char *key)
{
    CLEANUP_FREE char *path = xenbus_dirs_path(dir, key);
    char *value = NULL;
    size_t len;

    if (!path || xs_read(dev->bus->store, XS_NO_TX, path, &value, &len) < 0)
        return NULL;
    if (len > XENBUS_VALUE_MAX || memchr(value, '\0', len)) {
        free(value);
        return NULL;
    }
    return value;
}

char *xenbus_back_string(struct xenbus_device *dev, const char *key)
{
    return read_string(dev, dev->dirs.back, key);
}

char *xenbus_front_string(struct xenbus_device *dev, const char *key)
{
    return read_string(dev, dev->dirs.front, key);
}

int xenbus_front_need(struct xenbus_device *dev, const char *key, uint64_t max, uint64_t *ret,
                      struct err *err)
{
    CLEANUP_FREE char *path = xenbus_dirs_path(dev->dirs.front, key);
    int rc = path ? xs_read_number(dev->bus->store, XS_NO_TX, path, ret) : -ENOMEM;

    if (rc == -EINVAL)
        return err_set(err, EINVAL, "the frontend's %s is no number", key);
    if (rc < 0)
        return err_set(err, -rc, "the frontend's %s cannot be read: %s", key, strerror(-rc));
    if (*ret > max)
        return err_set(err, EINVAL, "the frontend's %s is %" PRIu64 ", more than %" PRIu64, key,
                       *ret, max);
    return 0;
}

int xenbus_front_number(struct xenbus_device *dev, const char *key, uint64_t max,
                        uint64_t otherwise, uint64_t *ret, struct err *err)
{
    int rc = xenbus_front_need(dev, key, max, ret, err);

    if (rc == -ENOENT) {
        *ret = otherwise;
        rc = 0;
    }
    return rc;
}

struct domain *xenbus_domain(const struct xenbus_device *dev)
{
    return dev->bus->d;
}

struct domain *xenbus_bus_domain(const struct xenbus *bus)
{
    return bus->d;
}

enum xenbus_state xenbus_state(const struct xenbus_device *dev)
{
    return dev->state;
}
