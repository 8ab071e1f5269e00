/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * netif_priv.h - the inside of an interface, shared by netif.c, tx.c and rx.c. Everything is
 * whose who holds `work` but for what says otherwise: the worker's, or a vCPU thread's that has
 * a small packet to send. The worker takes the domain's lock within it. A vCPU thread has that
 * lock already, and so only tries to get `work`.
 */
#pragma once

#include <pthread.h>

#include "backend/net/multicast.h"
#include "backend/net/netif.h"
#include "backend/net/ring.h"
#include "base/credit.h"

#define NETIF_SMALL 2048 /* bytes of a frame at most for which waking somebody costs the most */

struct netif_queue {
    struct netif *n;
    struct netif_queue_config config;
    struct net_ring tx, rx;
    bool bound_tx, bound_rx;   /* the ports call us; with the lock */
    bool notify_tx, notify_rx; /* events that are owed to the guest */
};

struct netif {
    struct netif_config config;
    struct domain *d;
    struct net_link *link;
    struct netif_queue queue[NETIF_MAX_QUEUES];
    struct net_rate rate;
    struct net_multicast multicast;

    bool failed;
    bool asked;                 /* the last pass gave the guest one small frame with a payload */
    bool may_wait_awake;        /* a CPU is left for that */
    struct credit answers;      /* of the guest to such a frame, awaited awake */
    uint8_t *tx_buffer;         /* NET_FRAME_MAX */
    uint8_t *rx_buffer;         /* likewise; may hold `waiting` */
    struct net_frame waiting;   /* len > 0: came from the link, waits for buffers of the guest */
    uint64_t waiting_until;     /* ns: then it is dropped */
    unsigned int waiting_queue; /* the one it will go to */
    bool locked;                /* whoever works holds the domain's lock all the time */
    uint64_t throttled_ns;      /* how long the rate limit holds the guest's frames back, 0 = not */

    pthread_mutex_t work;
    pthread_t thread;
    bool started, stop; /* stop: atomic */
    int wake_fd;        /* eventfd: a guest's event, or stop */
};

/* The frontend broke the protocol: say so, serve no more. Without the lock. */
void netif_fail(struct netif *n, const char *fmt, ...) PRINTF_FMT(2, 3);

/* Send what the queue's guest has ready, some packets at most. True: there is more that could
 * go at once. */
bool netif_tx(struct netif_queue *q);
/* For an event of the guest, with the domain's lock: send a few packets if they are small and
 * nothing else is to be done. True: the worker has to look. */
bool netif_tx_at_once(struct netif_queue *q);
/* Give the guest what the link has, some frames at most. True: there may be more. */
bool netif_rx(struct netif *n);

uint64_t netif_now(void); /* monotonic ns */
/* The domain's lock, for as long as it takes. */
void netif_lock(struct netif *n);
void netif_unlock(struct netif *n);
