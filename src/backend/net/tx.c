/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tx.c - what the guest sends: chains of requests become frames for the link.
 *
 * A packet is a first request, extra infos, further requests. All of it is copied out of the
 * ring and checked before anything is done. Every slot gets exactly one response, in the
 * order of the slots, as soon as the packet's bytes have been copied.
 */
#include <errno.h>
#include <string.h>

#include "backend/net/netif_priv.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/gnttab.h"

#include <xen/grant_table.h>
#include <xen/io/netif.h>

#define MAX_FRAGS XEN_NETIF_NR_SLOTS_MIN
#define RUN_PACKETS 64 /* then the other queues have a turn */
/* What one event of the guest may have sent under the lock, by its own vCPU's thread. */
#define AT_ONCE_PACKETS 4

struct frag {
    uint32_t ref;
    uint16_t offset, size;
    const uint8_t *page;
};

struct packet {
    unsigned int nr_slots; /* of the ring */
    unsigned int nr_extras;
    unsigned int nr_frags; /* may be more than fit frag[] */
    uint16_t id[NET_RING_SIZE];
    struct frag frag[MAX_FRAGS];
    size_t size;
    uint16_t flags; /* of the first request */
    bool is_dummy;  /* only carries a change of multicast groups */
    int16_t status; /* NETIF_RSP_* */
    enum net_gso gso;
    uint16_t gso_size;
    const char *broken; /* beyond an error response: why */
};

/* --- reading a chain -------------------------------------------------------------------- */

static int16_t change_groups(struct netif *n, const struct netif_extra_info *extra)
{
    if (extra->type == XEN_NETIF_EXTRA_TYPE_MCAST_DEL)
        net_multicast_del(&n->multicast, extra->u.mcast.addr);
    else if (net_multicast_add(&n->multicast, extra->u.mcast.addr) < 0)
        return NETIF_RSP_ERROR;
    return NETIF_RSP_OKAY;
}

static void read_extra(struct netif *n, struct packet *p, const struct netif_extra_info *extra)
{
    switch (extra->type) {
    case XEN_NETIF_EXTRA_TYPE_GSO:
        p->gso_size = extra->u.gso.size;
        if (extra->u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4)
            p->gso = NET_GSO_TCPV4;
        else if (extra->u.gso.type == XEN_NETIF_GSO_TYPE_TCPV6)
            p->gso = NET_GSO_TCPV6;
        else
            p->broken = "segmentation of an unknown type";
        if (!p->gso_size)
            p->broken = "segmentation into nothing";
        break;
    case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
    case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
        p->is_dummy = true;
        p->status = change_groups(n, extra);
        break;
    case XEN_NETIF_EXTRA_TYPE_HASH:
        break;
    default:
        p->broken = "extra info of an unknown type";
    }
}

static void read_extras(struct netif_queue *q, struct packet *p, unsigned int pending)
{
    struct netif_extra_info extra = {.flags = XEN_NETIF_EXTRA_FLAG_MORE};

    while ((extra.flags & XEN_NETIF_EXTRA_FLAG_MORE) && !p->broken) {
        if (p->nr_slots == pending) {
            p->broken = "extra info is announced and does not follow";
            break;
        }
        net_ring_peek(&q->tx, p->nr_slots++, &extra, sizeof(extra));
        p->nr_extras++;
        read_extra(q->n, p, &extra);
    }
}

/* Requests behind the first one. Their sizes are taken off the packet's: the rest is what the
 * first one holds. */
static void read_frags(struct netif_queue *q, struct packet *p, unsigned int pending)
{
    uint16_t flags = p->flags;
    size_t first = p->size;

    while (flags & NETTXF_more_data) {
        struct netif_tx_request req;

        if (p->nr_slots == pending) {
            p->broken = "more data is announced and does not follow";
            return;
        }
        net_ring_peek(&q->tx, p->nr_slots, &req, sizeof(req));
        p->id[p->nr_slots++] = req.id;
        flags = req.flags;
        if (req.offset + req.size > (int)PAGE_SIZE) {
            p->broken = "a request reaches over the end of its page";
            return;
        }
        if (req.size > first)
            p->status = NETIF_RSP_ERROR;
        else
            first -= req.size;
        if (p->nr_frags < MAX_FRAGS)
            p->frag[p->nr_frags] = (struct frag){req.gref, req.offset, req.size, NULL};
        p->nr_frags++;
    }
    if (p->size < NET_FRAME_MIN) {
        p->broken = "a packet is shorter than its header";
        return;
    }
    if (p->nr_frags > MAX_FRAGS)
        p->status = NETIF_RSP_ERROR;
    if (p->status != NETIF_RSP_OKAY)
        return;
    if (p->frag[0].offset + first > PAGE_SIZE)
        p->broken = "a request reaches over the end of its page";
    p->frag[0].size = (uint16_t)first;
}

/* Copy the next packet's slots and judge them. -EAGAIN: there is none. -EPROTO: broken. */
static int read_packet(struct netif_queue *q, struct packet *p)
{
    int pending = net_ring_pending(&q->tx);
    struct netif_tx_request req;

    p->nr_slots = p->nr_extras = p->nr_frags = 0;
    p->is_dummy = false;
    p->status = NETIF_RSP_OKAY;
    p->gso = NET_GSO_NONE;
    p->gso_size = 0;
    p->broken = pending < 0 ? "the send ring's index runs away" : NULL;
    if (pending > 0) {
        net_ring_peek(&q->tx, 0, &req, sizeof(req));
        p->id[p->nr_slots++] = req.id;
        p->flags = req.flags;
        p->size = req.size;
        p->frag[p->nr_frags++] = (struct frag){req.gref, req.offset, req.size, NULL};
        if (req.flags & NETTXF_extra_info)
            read_extras(q, p, (unsigned int)pending);
        if (!p->broken && !p->is_dummy)
            read_frags(q, p, (unsigned int)pending);
    }
    return p->broken ? -EPROTO : pending == 0 ? -EAGAIN : 0;
}

/* --- moving it -------------------------------------------------------------------------- */

static void put_grants(struct domain *d, const struct packet *p, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        gnttab_put(d, p->frag[i].ref, false);
}

/* With the lock held. */
static void get_grants(struct domain *d, struct packet *p)
{
    for (unsigned int i = 0; i < p->nr_frags; i++) {
        void *page;

        if (gnttab_get(d, 0, p->frag[i].ref, false, &page) != GNTST_okay) {
            p->status = NETIF_RSP_ERROR;
            put_grants(d, p, i);
            return;
        }
        p->frag[i].page = page;
    }
}

/* The packet's frame, with the work on checksums that the link cannot do. NETIF_RSP_*. */
static int16_t make_frame(struct netif *n, const struct packet *p, struct net_frame *f)
{
    size_t at = 0;

    for (unsigned int i = 0; i < p->nr_frags; i++) {
        memcpy(n->tx_buffer + at, p->frag[i].page + p->frag[i].offset, p->frag[i].size);
        at += p->frag[i].size;
    }
    *f = (struct net_frame){.data = n->tx_buffer,
                            .len = p->size,
                            .validated = (p->flags & NETTXF_data_validated) != 0,
                            .gso = p->gso,
                            .gso_size = p->gso_size};
    if (((p->flags & NETTXF_csum_blank) || p->gso) && net_frame_make_partial(f) < 0)
        return NETIF_RSP_ERROR;
    if (!n->link->finishes)
        net_frame_complete(f);
    return NETIF_RSP_OKAY;
}

static void respond(struct netif_queue *q, const struct packet *p)
{
    for (unsigned int i = 0; i < p->nr_slots; i++) {
        bool extra = i > 0 && i <= p->nr_extras;
        struct netif_tx_response rsp = {.id = extra ? 0 : p->id[i],
                                        .status = extra ? NETIF_RSP_NULL : p->status};

        net_ring_respond(&q->tx, &rsp, sizeof(rsp));
    }
    q->notify_tx |= net_ring_publish(&q->tx);
}

/* Does the rate limit let it pass now? */
static bool may_send(struct netif *n, const struct packet *p)
{
    if (p->is_dummy || !n->rate.bytes)
        return true;
    n->throttled_ns = net_rate_take(&n->rate, p->size, netif_now());
    return n->throttled_ns == 0;
}

/* A packet that was read. False: not now. */
static bool send_packet(struct netif_queue *q, struct packet *p)
{
    struct netif *n = q->n;
    bool data = false;

    if (!may_send(n, p))
        return false;
    net_ring_take(&q->tx, p->nr_slots);
    if (!p->is_dummy && p->status == NETIF_RSP_OKAY) {
        netif_lock(n);
        get_grants(n->d, p);
        netif_unlock(n);
        data = p->status == NETIF_RSP_OKAY;
    }
    if (data) {
        struct net_frame f;

        p->status = make_frame(n, p, &f);
        if (p->status == NETIF_RSP_OKAY && !n->link->lost && n->link->ops->send(n->link, &f) < 0)
            p->status = NETIF_RSP_DROPPED;
        netif_lock(n);
        put_grants(n->d, p, p->nr_frags);
        netif_unlock(n);
    }
    respond(q, p);
    return true;
}

/* False: nothing to do, or not now, or the interface has failed. */
static bool send_one(struct netif_queue *q)
{
    struct packet p;
    int rc = read_packet(q, &p);

    if (rc == -EPROTO)
        netif_fail(q->n, "queue %u: %s", (unsigned int)(q - q->n->queue), p.broken);
    return rc == 0 && send_packet(q, &p);
}

bool netif_tx(struct netif_queue *q)
{
    for (unsigned int i = 0; i < RUN_PACKETS; i++) {
        if (q->n->link->blocked || !send_one(q))
            return false;
    }
    return true;
}

static bool next_is_small(const struct netif_queue *q)
{
    struct netif_tx_request req;

    net_ring_peek(&q->tx, 0, &req, sizeof(req));
    return req.size <= NETIF_SMALL && !(req.flags & NETTXF_extra_info);
}

bool netif_tx_at_once(struct netif_queue *q)
{
    const struct netif *n = q->n;
    struct packet p;

    /* With a shared port the event may be about buffers that a frame waits for. */
    if (n->failed || n->throttled_ns || n->waiting.len > 0)
        return true;
    for (unsigned int i = 0; i < AT_ONCE_PACKETS; i++) {
        if (n->link->blocked || n->link->lost)
            return true;
        if (net_ring_pending(&q->tx) == 0)
            break;
        /* What breaks the protocol is for the worker to say. */
        if (net_ring_pending(&q->tx) < 0 || !next_is_small(q) || read_packet(q, &p) < 0 ||
            !send_packet(q, &p))
            return true;
    }
    return n->link->blocked || net_ring_want(&q->tx, 1);
}
