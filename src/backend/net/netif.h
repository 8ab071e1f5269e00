/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * netif.h - the data path of a connected network interface: the guest's rings on one side, a
 * link on the other (ABI section 15). Which keys a frontend wrote is vif.c's business.
 *
 * A worker thread of each interface does all the work; guests' events only wake it. It takes
 * the domain's lock for grants and events and lets go of it while bytes are copied or the link
 * is used. What a frontend does wrong beyond an error response stops the interface for good:
 * `failed` is called and nothing more is served until it is connected anew.
 */
#pragma once

#include "backend/net/link.h"
#include "backend/net/rate.h"
#include "base/err.h"

#define NETIF_MAX_QUEUES 8

struct domain;
struct netif;

struct netif_queue_config {
    uint32_t tx_ref, rx_ref; /* grants of the ring pages */
    port_t tx_port, rx_port; /* the same number when not split */
};

struct netif_config {
    struct domain *d;
    struct net_link *link; /* borrowed */
    const char *name;      /* for the log */
    unsigned int nr_queues;
    struct netif_queue_config queue[NETIF_MAX_QUEUES];
    /* What the frontend takes. */
    bool sg, gso_tcpv4, gso_tcpv6, csum_ipv4, csum_ipv6;
    bool multicast_control;       /* only multicast frames of groups that it named */
    uint64_t rate_bytes, rate_us; /* limit on what it sends; bytes 0 = none */
    /* Called once at most, on the worker thread without locks, with a sentence. */
    void (*failed)(void *arg, const char *why);
    void *arg;
};

/* Take the rings and ports into use. The domain's lock must not be held, here and below.
 * -EINVAL with a sentence for grants and ports that are none. */
int netif_create(struct netif **ret, const struct netif_config *config, struct err *err) MUST_CHECK;
/* Let the worker thread begin. */
int netif_start(struct netif *n, struct err *err) MUST_CHECK;
/* Stop the worker, drop ports and grants. NULL is fine. */
void netif_destroy(struct netif *n);

/* One pass over everything that can be done now, for the worker and for tests. Returns how
 * long it makes sense to sleep unless something happens: milliseconds, 0 = go on at once,
 * -1 = for ever. */
int netif_work(struct netif *n);
/* Is it worth a pass when the link is readable? (Not while a frame waits for buffers.) */
bool netif_wants_frames(const struct netif *n);
