/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif.c - see vif.h: which features are offered, which of them a frontend asked for, and the
 * way of a broken protocol from the worker thread (netif.h) to the frontend's state.
 */
#define _GNU_SOURCE
#include "backend/net/vif.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend/net/netif.h"
#include "backend/net/vif_open.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "domain/domain.h"

#define MAX_PORT 131071

struct vif {
    struct vif_config config;
    struct domain *d; /* NULL while not attached, like dev */
    struct xenbus_device *dev;
    struct net_link *link;
    struct netif *netif; /* while connected */
    char name[32];       /* vifDOMID.DEVID: what Xen calls it */
    vif_removed_fn *removed;
    void *removed_arg;
    int failed_fd; /* eventfd: `why` is filled */
    struct loop_watch *failed_watch;
    char why[256];
};

/* --- features --------------------------------------------------------------------------- */

static unsigned int max_queues(const struct vif *v)
{
    return v->d->nr_vcpus < NETIF_MAX_QUEUES ? v->d->nr_vcpus : NETIF_MAX_QUEUES;
}

static int init(struct xenbus_device *dev, void *arg, struct err *err)
{
    static const struct {
        const char *key;
        unsigned int value;
    } features[] = {
        {"feature-rx-copy", 1},
        {"feature-rx-flip", 0},
        {"feature-sg", 1},
        {"feature-gso-tcpv4", 1},
        {"feature-gso-tcpv6", 1},
        {"feature-ipv6-csum-offload", 1},
        {"feature-multicast-control", 1},
        {"feature-split-event-channels", 1},
    };
    const struct vif *v = arg;
    int rc = xenbus_printf(dev, "multi-queue-max-queues", "%u", max_queues(v));

    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(features); i++)
        rc = xenbus_printf(dev, features[i].key, "%u", features[i].value);
    return rc < 0
               ? err_set(err, -rc, "xenstored refuses the interface's features: %s", strerror(-rc))
               : 0;
}

/* --- a frontend's keys ------------------------------------------------------------------ */

/* A switch that a frontend may have written. */
static int read_switch(struct xenbus_device *dev, const char *key, bool otherwise, bool *ret,
                       struct err *err)
{
    uint64_t value = otherwise;
    int rc = xenbus_front_number(dev, key, UINT32_MAX, otherwise, &value, err);

    *ret = value != 0;
    return rc;
}

static int read_switches(struct xenbus_device *dev, struct netif_config *c, struct err *err)
{
    bool rx_copy = false, no_csum = false;
    const struct {
        const char *key;
        bool *to;
    } switches[] = {
        {"request-rx-copy", &rx_copy},
        {"feature-sg", &c->sg},
        {"feature-gso-tcpv4", &c->gso_tcpv4},
        {"feature-gso-tcpv6", &c->gso_tcpv6},
        {"feature-no-csum-offload", &no_csum},
        {"feature-ipv6-csum-offload", &c->csum_ipv6},
        {"request-multicast-control", &c->multicast_control},
    };

    for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
        int rc = read_switch(dev, switches[i].key, false, switches[i].to, err);

        if (rc < 0)
            return rc;
    }
    c->csum_ipv4 = !no_csum;
    return rx_copy ? 0
                   : err_set(err, ENOTSUP,
                             "the frontend does not want copies (request-rx-copy), "
                             "and nothing else is offered");
}

static int read_ports(struct xenbus_device *dev, const char *prefix, struct netif_queue_config *q,
                      struct err *err)
{
    char key[64];
    uint64_t tx = 0, rx = 0;
    int rc;

    snprintf(key, sizeof(key), "%sevent-channel-tx", prefix);
    rc = xenbus_front_number(dev, key, MAX_PORT, 0, &tx, err);
    if (rc == 0 && tx) {
        snprintf(key, sizeof(key), "%sevent-channel-rx", prefix);
        rc = xenbus_front_need(dev, key, MAX_PORT, &rx, err);
    } else if (rc == 0) {
        snprintf(key, sizeof(key), "%sevent-channel", prefix);
        rc = xenbus_front_need(dev, key, MAX_PORT, &tx, err);
        rx = tx;
    }
    if (rc < 0)
        return rc;
    q->tx_port = (port_t)tx;
    q->rx_port = (port_t)rx;
    return 0;
}

static int read_queue(struct xenbus_device *dev, unsigned int nr_queues, unsigned int nr,
                      struct netif_queue_config *q, struct err *err)
{
    char prefix[24] = "", key[64];
    uint64_t tx = 0, rx = 0;
    int rc;

    if (nr_queues > 1)
        snprintf(prefix, sizeof(prefix), "queue-%u/", nr);
    snprintf(key, sizeof(key), "%stx-ring-ref", prefix);
    rc = xenbus_front_need(dev, key, UINT32_MAX, &tx, err);
    if (rc < 0)
        return rc;
    snprintf(key, sizeof(key), "%srx-ring-ref", prefix);
    rc = xenbus_front_need(dev, key, UINT32_MAX, &rx, err);
    if (rc < 0)
        return rc;
    q->tx_ref = (uint32_t)tx;
    q->rx_ref = (uint32_t)rx;
    return read_ports(dev, prefix, q, err);
}

static int read_keys(struct xenbus_device *dev, const struct vif *v, struct netif_config *c,
                     struct err *err)
{
    uint64_t nr_queues = 1;
    int rc = xenbus_front_number(dev, "multi-queue-num-queues", max_queues(v), 1, &nr_queues, err);

    if (rc == 0 && nr_queues == 0)
        rc = err_set(err, EINVAL, "the frontend wants no queue");
    if (rc == 0)
        rc = read_switches(dev, c, err);
    c->nr_queues = (unsigned int)nr_queues;
    for (unsigned int i = 0; rc == 0 && i < c->nr_queues; i++)
        rc = read_queue(dev, c->nr_queues, i, &c->queue[i], err);
    return rc;
}

/* --- xenbus operations ------------------------------------------------------------------ */

/* On the worker thread, once per connection. */
static void on_failed(void *arg, const char *why)
{
    struct vif *v = arg;
    uint64_t one = 1;

    snprintf(v->why, sizeof(v->why), "%s", why);
    if (write(v->failed_fd, &one, sizeof(one)) < 0) {
        /* Cannot be: the counter is at 0 or 1. */
    }
}

/* The same on the main thread. */
static void on_failed_event(void *arg, uint32_t events)
{
    struct vif *v = arg;
    uint64_t count;

    if (read(v->failed_fd, &count, sizeof(count)) == (ssize_t)sizeof(count) && v->netif)
        xenbus_fatal(v->dev, "%s", v->why);
}

static void disconnect(struct xenbus_device *dev, void *arg)
{
    struct vif *v = arg;
    uint64_t count;

    netif_destroy(v->netif);
    v->netif = NULL;
    /* What the old connection had to complain of is not the next one's fault. */
    if (read(v->failed_fd, &count, sizeof(count)) < 0) {
        /* It had nothing. */
    }
}

static int connect(struct xenbus_device *dev, void *arg, struct err *err)
{
    struct vif *v = arg;
    struct netif_config c = {
        .d = v->d,
        .link = v->link,
        .name = v->name,
        .rate_bytes = v->config.rate_bytes,
        .rate_us = v->config.rate_us,
        .failed = on_failed,
        .arg = v,
    };
    int rc = read_keys(dev, v, &c, err);

    if (rc == 0)
        rc = netif_create(&v->netif, &c, err);
    if (rc < 0)
        return rc;
    rc = netif_start(v->netif, err);
    if (rc < 0) {
        disconnect(dev, v);
        return rc;
    }
    log_guest(LOG_INFO, "backend", "%s: %u queues%s%s on %s", v->name, c.nr_queues,
              c.sg ? ", scatter-gather" : "", c.gso_tcpv4 || c.gso_tcpv6 ? ", segmentation" : "",
              v->link->name);
    return 0;
}

static void removed(struct xenbus_device *dev, void *arg)
{
    struct vif *v = arg;

    v->dev = NULL;
    v->d = NULL;
    v->removed(v->removed_arg, v);
}

static const struct xenbus_ops vif_ops = {
    .type = "vif",
    .init = init,
    .connect = connect,
    .disconnect = disconnect,
    .removed = removed,
};

/* --- life ------------------------------------------------------------------------------- */

static int make_link(struct vif *v, int fd, domid_t domid, struct err *err)
{
    char tap[VIF_NAME_MAX];

    if (v->config.type == VIF_USER)
        return link_stream_create(&v->link, fd, "passt", err);
    vif_tap_name(&v->config, domid, tap);
    return link_tap_create(&v->link, fd, tap, err);
}

int vif_create(struct vif **ret, struct loop *loop, domid_t domid, struct vif_config *config,
               int fd, struct err *err)
{
    struct vif *v = calloc(1, sizeof(*v));
    int rc;

    if (!v) {
        close(fd);
        return err_set(err, ENOMEM, "out of memory");
    }
    v->config = *config;
    snprintf(v->name, sizeof(v->name), "vif%u.%u", domid, config->devid);
    rc = make_link(v, fd, domid, err);
    v->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (v->failed_fd >= 0)
        v->failed_watch = loop_add(loop, v->failed_fd, EPOLLIN, on_failed_event, v);
    if (rc == 0 && !v->failed_watch)
        rc = err_set(err, ENOMEM, "out of memory or descriptors");
    if (rc < 0) {
        memset(&v->config, 0, sizeof(v->config)); /* still the caller's */
        vif_destroy(v);
        return rc;
    }
    memset(config, 0, sizeof(*config));
    *ret = v;
    return 0;
}

void vif_destroy(struct vif *v)
{
    if (!v)
        return;
    net_link_destroy(v->link);
    loop_remove(v->failed_watch);
    if (v->failed_fd >= 0)
        close(v->failed_fd);
    vif_config_done(&v->config);
    free(v);
}

const struct vif_config *vif_config(const struct vif *v)
{
    return &v->config;
}

const char *vif_link_name(const struct vif *v)
{
    return v->link->name;
}

/* Keys of the backend's directory that are there only if they were given. */
static void add_given(struct xenbus_key *keys, size_t *count, const char *key, const char *value)
{
    if (value[0])
        keys[(*count)++] = (struct xenbus_key){key, value};
}

int vif_attach(struct vif *v, struct xenbus *bus, vif_removed_fn *fn, void *arg, struct err *err)
{
    const struct vif_config *c = &v->config;
    char number[16], rate[48] = "", mtu[16] = "";
    struct xenbus_key front[4] = {{"handle", number}, {"mac", c->mac}}, back[16];
    size_t nr_front = 2, nr_back = 0;

    snprintf(number, sizeof(number), "%u", c->devid);
    if (c->rate_bytes)
        snprintf(rate, sizeof(rate), "%llu,%llu", (unsigned long long)c->rate_bytes,
                 (unsigned long long)c->rate_us);
    if (c->mtu)
        snprintf(mtu, sizeof(mtu), "%u", c->mtu);
    add_given(front, &nr_front, "mtu", mtu);
    add_given(back, &nr_back, "handle", number);
    add_given(back, &nr_back, "mac", c->mac);
    add_given(back, &nr_back, "type", c->type == VIF_USER ? "user" : "vif");
    add_given(back, &nr_back, "bridge", c->bridge);
    add_given(back, &nr_back, "script", c->script);
    add_given(back, &nr_back, "ip", c->ip);
    add_given(back, &nr_back, "rate", rate);
    add_given(back, &nr_back, "mtu", mtu);
    add_given(back, &nr_back, "vifname", c->ifname);
    add_given(back, &nr_back, "hotplug-status", "connected");
    back[nr_back] = (struct xenbus_key){0};
    v->d = xenbus_bus_domain(bus);
    v->removed = fn;
    v->removed_arg = arg;
    return xenbus_add(bus, &vif_ops, v, c->devid, front, back, &v->dev, err);
}

void vif_unplug(struct vif *v, bool force)
{
    xenbus_unplug(v->dev, force);
}

void vif_detached(struct vif *v)
{
    v->dev = NULL;
    v->d = NULL;
}

struct xenbus_device *vif_device(const struct vif *v)
{
    return v->dev;
}
