/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vbd.c - see vbd.h: a disk's life, its entries in the store, and how a frontend's rings are
 * taken up and given back. vbd_serve.c does the work between connect and disconnect.
 */
#define _GNU_SOURCE
#include "backend/block/vbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/block/vbd_priv.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"

#include <xen/grant_table.h>
#include <xen/io/blkif.h>

#define HOST_DOMID 0
#define MAX_PORT 131071
#define NOT_THERE UINT64_MAX
#define PROTOCOL "x86_64-abi"

/* --- features --------------------------------------------------------------------------- */

/* Numbers of the backend's directory, written one after the other. */
static int put(struct xenbus_device *dev, int rc, const char *key, unsigned long long value)
{
    return rc < 0 ? rc : xenbus_printf(dev, key, "%llu", value);
}

static unsigned int max_queues(const struct vbd *v)
{
    return v->d->nr_vcpus < VBD_MAX_QUEUES ? v->d->nr_vcpus : VBD_MAX_QUEUES;
}

/* feature-persistent is not there: pages are reached without mapping them, so a pool of
 * long-lived grants would only make the guest copy. */
static int init(struct xenbus_device *dev, void *arg, struct err *err)
{
    struct vbd *v = arg;
    const struct disk *disk = &v->disk;
    int rc = put(dev, 0, "feature-flush-cache", 1);

    rc = put(dev, rc, "feature-barrier", 1);
    rc = put(dev, rc, "feature-persistent", 0);
    rc = put(dev, rc, "feature-max-indirect-segments", BLKIF_MAX_SEGMENTS);
    rc = put(dev, rc, "max-ring-page-order", BLKIF_MAX_RING_ORDER);
    rc = put(dev, rc, "max-ring-pages", BLKIF_MAX_RING_PAGES);
    rc = put(dev, rc, "multi-queue-max-queues", max_queues(v));
    rc = put(dev, rc, "feature-discard", disk->limits.discard);
    if (disk->limits.discard) {
        rc = put(dev, rc, "discard-granularity", disk->discard_granularity);
        rc = put(dev, rc, "discard-alignment", 0);
        rc = put(dev, rc, "discard-secure", 0);
    }
    return rc < 0 ? err_set(err, -rc, "xenstored refuses the disk's features: %s", strerror(-rc))
                  : 0;
}

int vbd_publish(struct xenbus_device *dev, struct vbd *v, struct err *err)
{
    const struct blkif_limits *l = &v->disk.limits;
    unsigned int info =
        (v->config.cdrom ? VDISK_CDROM | VDISK_REMOVABLE : 0) | (l->writable ? 0 : VDISK_READONLY);
    int rc = put(dev, 0, "sectors", l->sectors);

    rc = put(dev, rc, "sector-size", l->sector_size);
    rc = put(dev, rc, "physical-sector-size", v->disk.physical_sector_size);
    rc = put(dev, rc, "info", info);
    return rc < 0 ? err_set(err, -rc, "xenstored refuses the disk's properties: %s", strerror(-rc))
                  : 0;
}

/* --- a frontend's keys ------------------------------------------------------------------ */

/* What a frontend wrote for one queue. */
struct queue_keys {
    uint64_t ring_ref[BLKIF_MAX_RING_PAGES];
    uint64_t port;
};

struct front_keys {
    uint64_t nr_queues, ring_order;
    struct queue_keys queue[VBD_MAX_QUEUES];
};

/* A ring of one page has a name of its own, or that of the first of several. */
static int read_ring_ref(struct xenbus_device *dev, const char *prefix, unsigned int order,
                         unsigned int nr, uint64_t *ret, struct err *err)
{
    char key[64];
    int rc = 0;

    *ret = NOT_THERE;
    if (order == 0) {
        snprintf(key, sizeof(key), "%sring-ref", prefix);
        rc = xenbus_front_number(dev, key, UINT32_MAX, NOT_THERE, ret, err);
    }
    if (rc < 0 || *ret != NOT_THERE)
        return rc;
    snprintf(key, sizeof(key), "%sring-ref%u", prefix, nr);
    return xenbus_front_need(dev, key, UINT32_MAX, ret, err);
}

static int read_queue(struct xenbus_device *dev, const struct front_keys *k, unsigned int nr,
                      struct queue_keys *ret, struct err *err)
{
    char prefix[24] = "", key[64];
    int rc;

    if (k->nr_queues > 1)
        snprintf(prefix, sizeof(prefix), "queue-%u/", nr);
    snprintf(key, sizeof(key), "%sevent-channel", prefix);
    rc = xenbus_front_need(dev, key, MAX_PORT, &ret->port, err);
    for (unsigned int i = 0; rc == 0 && i < 1u << k->ring_order; i++)
        rc = read_ring_ref(dev, prefix, (unsigned int)k->ring_order, i, &ret->ring_ref[i], err);
    return rc;
}

/* 32-bit frontends pack their requests otherwise. Without the key it is our own layout. */
static int check_protocol(struct xenbus_device *dev, struct err *err)
{
    CLEANUP_FREE char *protocol = xenbus_front_string(dev, "protocol");

    if (!protocol || strcmp(protocol, PROTOCOL) == 0)
        return 0;
    return err_set(err, ENOTSUP, "the frontend's protocol is '%.32s', not " PROTOCOL, protocol);
}

/* Some say how many pages, a power of two, instead of the order. */
static int read_ring_order(struct xenbus_device *dev, uint64_t *ret, struct err *err)
{
    uint64_t pages = 1;
    int rc = xenbus_front_number(dev, "ring-page-order", BLKIF_MAX_RING_ORDER, NOT_THERE, ret, err);

    if (rc < 0 || *ret != NOT_THERE)
        return rc;
    rc = xenbus_front_number(dev, "num-ring-pages", BLKIF_MAX_RING_PAGES, 1, &pages, err);
    if (rc == 0 && (pages == 0 || (pages & (pages - 1))))
        rc = err_set(err, EINVAL, "the frontend's num-ring-pages is no power of two");
    *ret = rc == 0 ? (unsigned int)__builtin_ctzll(pages) : 0;
    return rc;
}

static int read_keys(struct xenbus_device *dev, const struct vbd *v, struct front_keys *k,
                     struct err *err)
{
    int rc = check_protocol(dev, err);

    memset(k, 0, sizeof(*k));
    if (rc == 0)
        rc = xenbus_front_number(dev, "multi-queue-num-queues", max_queues(v), 1, &k->nr_queues,
                                 err);
    if (rc == 0)
        rc = read_ring_order(dev, &k->ring_order, err);
    if (rc == 0 && k->nr_queues == 0)
        rc = err_set(err, EINVAL, "the frontend wants no queue");
    for (unsigned int i = 0; rc == 0 && i < k->nr_queues; i++)
        rc = read_queue(dev, k, i, &k->queue[i], err);
    return rc;
}

/* --- rings and ports (lock held) -------------------------------------------------------- */

void vbd_on_event(struct domain *d, void *arg)
{
    vbd_serve_event(arg);
}

static int map_queue(struct vbd *v, struct vbd_queue *q, const struct queue_keys *k,
                     unsigned int nr_pages, struct err *err)
{
    void *pages[BLKIF_MAX_RING_PAGES];

    *q = (struct vbd_queue){.vbd = v};
    for (unsigned int i = 0; i < nr_pages; i++) {
        uint32_t ref = (uint32_t)k->ring_ref[i];
        int status = gnttab_get(v->d, HOST_DOMID, ref, true, &pages[i]);

        if (status != GNTST_okay)
            return err_set(err, EINVAL, "the frontend's ring: grant %u cannot be used (%d)", ref,
                           status);
        q->ring_ref[q->nr_ring_refs++] = ref;
    }
    if (blkif_ring_attach(&q->ring, pages, nr_pages) < 0)
        return err_set(err, EINVAL, "the frontend's ring has impossible indices");
    return 0;
}

static void release_ports(struct vbd *v)
{
    for (unsigned int i = 0; i < v->nr_queues; i++) {
        if (v->queue[i].port)
            (void)evtchn_set_handler(v->d, v->queue[i].port, NULL, NULL);
        v->queue[i].port = 0;
    }
}

static void release_rings(struct vbd *v)
{
    for (unsigned int i = 0; i < v->nr_queues; i++) {
        struct vbd_queue *q = &v->queue[i];

        for (unsigned int j = 0; j < q->nr_ring_refs; j++)
            gnttab_put(v->d, q->ring_ref[j], true);
        *q = (struct vbd_queue){0};
    }
    v->nr_queues = 0;
}

static int map_queues(struct vbd *v, const struct front_keys *k, struct err *err)
{
    int rc = 0;

    for (unsigned int i = 0; rc == 0 && i < k->nr_queues; i++) {
        v->nr_queues = i + 1;
        rc = map_queue(v, &v->queue[i], &k->queue[i], 1u << k->ring_order, err);
    }
    return rc;
}

/* After the thread is there: from here on the guest can wake it. */
static int bind_ports(struct vbd *v, const struct front_keys *k, struct err *err)
{
    for (unsigned int i = 0; i < v->nr_queues; i++) {
        port_t port = (port_t)k->queue[i].port;

        if (evtchn_set_handler(v->d, port, vbd_on_event, &v->queue[i]) < 0)
            return err_set(err, EINVAL, "the frontend's event channel %u cannot be bound", port);
        v->queue[i].port = port;
    }
    return 0;
}

/* --- xenbus operations ------------------------------------------------------------------ */

static int connect_rings(struct vbd *v, const struct front_keys *k, struct err *err)
{
    int rc;

    pthread_mutex_lock(&v->d->lock);
    rc = map_queues(v, k, err);
    pthread_mutex_unlock(&v->d->lock);
    if (rc == 0)
        rc = vbd_serve_start(v, err);
    if (rc < 0) {
        pthread_mutex_lock(&v->d->lock);
        release_rings(v);
        pthread_mutex_unlock(&v->d->lock);
    }
    return rc;
}

static void disconnect(struct xenbus_device *dev, void *arg)
{
    struct vbd *v = arg;

    v->connected = false;
    /* Ports first: their handler wakes what stops next. */
    pthread_mutex_lock(&v->d->lock);
    release_ports(v);
    pthread_mutex_unlock(&v->d->lock);
    vbd_serve_stop(v);
    pthread_mutex_lock(&v->d->lock);
    release_rings(v);
    pthread_mutex_unlock(&v->d->lock);
}

static int connect(struct xenbus_device *dev, void *arg, struct err *err)
{
    struct vbd *v = arg;
    struct front_keys k;
    int rc = read_keys(dev, v, &k, err);

    if (rc == 0)
        rc = connect_rings(v, &k, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&v->d->lock);
    rc = bind_ports(v, &k, err);
    pthread_mutex_unlock(&v->d->lock);
    if (rc == 0)
        rc = vbd_publish(dev, v, err);
    if (rc < 0) {
        disconnect(dev, v);
        return rc;
    }
    v->connected = true;
    log_guest(LOG_INFO, "backend", "disk %s: %llu queues of %u requests, served by %s",
              v->config.name, (unsigned long long)k.nr_queues, v->queue[0].ring.nr_entries,
              blk_io_name(v->io));
    return 0;
}

static void removed(struct xenbus_device *dev, void *arg)
{
    struct vbd *v = arg;

    v->dev = NULL;
    v->removed(v->removed_arg, v);
}

static const struct xenbus_ops vbd_ops = {
    .type = "vbd",
    .init = init,
    .connect = connect,
    .disconnect = disconnect,
    .removed = removed,
};

/* --- life ------------------------------------------------------------------------------- */

int vbd_create(struct vbd **ret, struct disk_config *config, int image, struct err *err)
{
    CLEANUP_CLOSE int fd = image;
    struct vbd *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return err_set(err, ENOMEM, "out of memory");
    rc = disk_open(&v->disk, config, STEAL_FD(fd), err);
    if (rc < 0) {
        free(v);
        return rc;
    }
    v->config = *config;
    memset(config, 0, sizeof(*config));
    *ret = v;
    return 0;
}

void vbd_destroy(struct vbd *v)
{
    if (!v)
        return;
    disk_close(&v->disk);
    disk_config_done(&v->config);
    free(v);
}

const struct disk_config *vbd_config(const struct vbd *v)
{
    return &v->config;
}

struct vbd_counts vbd_counts(const struct vbd *v)
{
    const struct vbd_counts *c = &v->counts;

    return (struct vbd_counts){
        .reads = __atomic_load_n(&c->reads, __ATOMIC_RELAXED),
        .writes = __atomic_load_n(&c->writes, __ATOMIC_RELAXED),
        .read_sectors = __atomic_load_n(&c->read_sectors, __ATOMIC_RELAXED),
        .written_sectors = __atomic_load_n(&c->written_sectors, __ATOMIC_RELAXED),
        .waits = __atomic_load_n(&c->waits, __ATOMIC_RELAXED),
    };
}

int vbd_attach(struct vbd *v, struct xenbus *bus, vbd_removed_fn *fn, void *arg, struct err *err)
{
    const struct disk_config *c = &v->config;
    const char *device_type = c->cdrom ? "cdrom" : "disk";
    char number[16];
    const struct xenbus_key front[] = {
        {"virtual-device", number}, {"device-type", device_type}, {0}};
    const struct xenbus_key back[] = {{"dev", c->name},
                                      {"type", c->type},
                                      {"params", c->params},
                                      {"mode", c->mode == DISK_READ ? "r" : "w"},
                                      {"device-type", device_type},
                                      {"removable", c->cdrom ? "1" : "0"},
                                      {"bootable", "1"},
                                      {"hotplug-status", "connected"},
                                      {0}};

    snprintf(number, sizeof(number), "%u", c->devid);
    v->d = xenbus_bus_domain(bus);
    v->removed = fn;
    v->removed_arg = arg;
    return xenbus_add(bus, &vbd_ops, v, c->devid, front, back, &v->dev, err);
}

void vbd_unplug(struct vbd *v, bool force)
{
    xenbus_unplug(v->dev, force);
}

void vbd_detached(struct vbd *v)
{
    v->dev = NULL;
}

struct xenbus_device *vbd_device(const struct vbd *v)
{
    return v->dev;
}
