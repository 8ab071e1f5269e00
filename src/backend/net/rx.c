/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rx.c - what the guest receives: frames of the link go into the buffers that it posted.
 *
 * A response stands in the slot of the request it answers, and every request that is taken is
 * answered at once, so both indices move together. A frame that finds too few buffers waits,
 * one at most; the rest waits in the link, which drops what it cannot hold.
 */
#include <errno.h>
#include <string.h>

#include "backend/net/netif_priv.h"
#include "domain/domain.h"
#include "domain/gnttab.h"

#include <xen/grant_table.h>
#include <xen/io/netif.h>

#define RUN_FRAMES 64 /* then sending has a turn */
#define MAX_PAGES ((NET_FRAME_MAX + PAGE_SIZE - 1) / PAGE_SIZE)
#define PATIENCE_NS 10000000000ull /* with a guest that posts no buffers */

struct delivery {
    struct netif_rx_request req[MAX_PAGES + 1];
    uint8_t *page[MAX_PAGES + 1]; /* NULL: for the extra info */
    unsigned int nr_slots;
    unsigned int nr_granted; /* grants in use, from the first on */
    bool extra;
};

/* Leave nothing in the frame that this frontend does not know how to finish. */
static void finish(const struct netif *n, struct net_frame *f)
{
    struct net_headers h;
    bool can;

    if (!f->partial)
        return;
    net_headers_find(f->data, f->len, &h);
    can = h.version == 6 ? n->config.csum_ipv6 : n->config.csum_ipv4;
    /* The frontend looks for the checksum where TCP and UDP have it, and not behind a VLAN's tag.
     */
    if (!can || !h.protocol || h.transport != f->csum_start || h.ip != NET_FRAME_MIN)
        net_frame_complete(f);
}

static bool can_take(const struct netif *n, const struct net_frame *f)
{
    if (f->len > PAGE_SIZE && !n->config.sg)
        return false;
    if (f->gso == NET_GSO_TCPV4)
        return f->partial && n->config.gso_tcpv4;
    if (f->gso == NET_GSO_TCPV6)
        return f->partial && n->config.gso_tcpv6;
    return true;
}

/* A segment of this kind the guest cannot take, nor is it cut here; as the next ones would be lost,
 * too, the link is to cut them all. The sender repeats this one. */
static void refuse_segments(const struct netif *n)
{
    if (n->link->ops->set_offload)
        n->link->ops->set_offload(n->link, n->config.csum_ipv4 || n->config.csum_ipv6, false,
                                  false);
}

/* Which slots a frame will use. */
static void plan(struct delivery *v, const struct net_frame *f)
{
    v->extra = f->gso != NET_GSO_NONE;
    v->nr_slots = (unsigned int)((f->len + PAGE_SIZE - 1) / PAGE_SIZE) + v->extra;
    v->nr_granted = 0;
}

static bool is_extra(const struct delivery *v, unsigned int slot)
{
    return v->extra && slot == 1;
}

static void put_grants(struct domain *d, const struct delivery *v)
{
    for (unsigned int i = 0; i < v->nr_granted; i++)
        if (!is_extra(v, i))
            gnttab_put(d, v->req[i].gref, true);
}

/* Lock held. -EINVAL: a buffer is no page that we may write to; no grant is in use then. */
static int get_grants(struct domain *d, struct delivery *v)
{
    for (unsigned int i = 0; i < v->nr_slots; i++) {
        void *page = NULL;

        if (!is_extra(v, i) && gnttab_get(d, 0, v->req[i].gref, true, &page) != GNTST_okay) {
            put_grants(d, v);
            return -EINVAL;
        }
        v->page[i] = page;
        v->nr_granted++;
    }
    return 0;
}

static void copy(const struct delivery *v, const struct net_frame *f)
{
    size_t at = 0;

    for (unsigned int i = 0; i < v->nr_slots; i++) {
        size_t part = f->len - at < PAGE_SIZE ? f->len - at : PAGE_SIZE;

        if (is_extra(v, i))
            continue;
        memcpy(v->page[i], f->data + at, part);
        at += part;
    }
}

static void respond_extra(struct net_ring *ring, const struct net_frame *f)
{
    struct netif_extra_info extra = {.type = XEN_NETIF_EXTRA_TYPE_GSO};

    extra.u.gso.size = f->gso_size;
    extra.u.gso.type =
        f->gso == NET_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
    net_ring_respond(ring, &extra, sizeof(extra));
}

static uint16_t first_flags(const struct delivery *v, const struct net_frame *f)
{
    uint16_t flags = 0;

    if (f->partial)
        flags |= NETRXF_csum_blank;
    if (f->validated)
        flags |= NETRXF_data_validated;
    if (v->extra)
        flags |= NETRXF_extra_info;
    return flags;
}

static void respond(struct net_ring *ring, const struct delivery *v, const struct net_frame *f)
{
    size_t left = f->len;

    for (unsigned int i = 0; i < v->nr_slots; i++) {
        size_t part = left < PAGE_SIZE ? left : PAGE_SIZE;
        struct netif_rx_response rsp = {.id = v->req[i].id, .status = (int16_t)part};

        if (is_extra(v, i)) {
            respond_extra(ring, f);
            continue;
        }
        left -= part;
        rsp.flags =
            (uint16_t)((i == 0 ? first_flags(v, f) : 0) | (left > 0 ? NETRXF_more_data : 0));
        net_ring_respond(ring, &rsp, sizeof(rsp));
    }
}

/* Each buffer comes back alone and in error. */
static void respond_error(struct net_ring *ring, const struct delivery *v)
{
    for (unsigned int i = 0; i < v->nr_slots; i++) {
        struct netif_rx_response rsp = {.id = v->req[i].id, .status = NETIF_RSP_ERROR};

        net_ring_respond(ring, &rsp, sizeof(rsp));
    }
}

/* 0: the guest has it (or had its chance); -EAGAIN: too few buffers; -EPROTO. */
static int deliver(struct netif_queue *q, const struct net_frame *f)
{
    struct domain *d = q->n->d;
    struct delivery v;
    int pending, rc;

    plan(&v, f);
    pending = net_ring_pending(&q->rx);
    if (pending >= 0 && pending < (int)v.nr_slots && net_ring_want(&q->rx, v.nr_slots))
        pending = net_ring_pending(&q->rx);
    if (pending < 0) {
        netif_fail(q->n, "queue %u: the receive ring's index runs away",
                   (unsigned int)(q - q->n->queue));
        return -EPROTO;
    }
    if (pending < (int)v.nr_slots)
        return -EAGAIN;
    for (unsigned int i = 0; i < v.nr_slots; i++)
        net_ring_peek(&q->rx, i, &v.req[i], sizeof(v.req[i]));
    net_ring_take(&q->rx, v.nr_slots);
    pthread_mutex_lock(&d->lock);
    rc = get_grants(d, &v);
    pthread_mutex_unlock(&d->lock);
    if (rc < 0) {
        respond_error(&q->rx, &v);
    } else {
        copy(&v, f);
        pthread_mutex_lock(&d->lock);
        put_grants(d, &v);
        pthread_mutex_unlock(&d->lock);
        respond(&q->rx, &v, f);
    }
    q->notify_rx |= net_ring_publish(&q->rx);
    return 0;
}

/* Fetch the link's next frame into n->waiting. 0; -EAGAIN: none; -EIO: it was not for us. */
static int fetch(struct netif *n)
{
    struct net_frame *f = &n->waiting;
    int rc = n->link->lost ? -EAGAIN : n->link->ops->receive(n->link, n->rx_buffer, f);

    if (rc == 0 && n->config.multicast_control && !net_multicast_passes(&n->multicast, f->data))
        rc = -EIO;
    if (rc == 0) {
        finish(n, f);
        if (!can_take(n, f)) {
            if (f->gso)
                refuse_segments(n);
            rc = -EIO;
        }
    }
    if (rc < 0)
        f->len = 0;
    else if (n->config.nr_queues > 1)
        n->waiting_queue = net_frame_flow(f) % n->config.nr_queues;
    return rc;
}

bool netif_rx(struct netif *n)
{
    n->asked = false;
    for (unsigned int i = 0; i < RUN_FRAMES; i++) {
        bool fresh = n->waiting.len == 0;
        int rc = fresh ? fetch(n) : 0;

        if (rc == -EAGAIN)
            return false;
        if (rc < 0)
            continue;
        rc = deliver(&n->queue[n->waiting_queue], &n->waiting);
        if (rc == -EPROTO)
            return false;
        if (rc == -EAGAIN) {
            uint64_t now = netif_now();

            if (fresh)
                n->waiting_until = now + PATIENCE_NS;
            if (now < n->waiting_until)
                return false;
        }
        n->asked = i == 0 && n->waiting.len <= NETIF_SMALL && net_frame_has_payload(&n->waiting);
        n->waiting.len = 0;
    }
    return true;
}
