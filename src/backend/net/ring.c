/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ring.c - see ring.h. Layout: xen/io/ring.h, whose macros trust the page too much for us.
 */
#include "backend/net/ring.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#define ENTRIES offsetof(struct netif_tx_sring, ring)

struct header {
    uint32_t req_prod, req_event;
    uint32_t rsp_prod, rsp_event;
};

_Static_assert(offsetof(struct netif_tx_sring, rsp_event) == offsetof(struct header, rsp_event) &&
                   offsetof(struct netif_rx_sring, ring) == ENTRIES,
               "layout of a ring");
_Static_assert(ENTRIES + NET_RING_SIZE * sizeof(union netif_tx_sring_entry) <= PAGE_SIZE,
               "a ring fits a page");

static struct header *header(const struct net_ring *r)
{
    return (struct header *)r->page;
}

static uint8_t *entry(const struct net_ring *r, uint32_t index)
{
    return r->page + ENTRIES + (index % NET_RING_SIZE) * r->stride;
}

int net_ring_attach(struct net_ring *r, void *page, size_t stride)
{
    uint32_t prod;

    *r = (struct net_ring){.page = page, .stride = stride};
    prod = __atomic_load_n(&header(r)->rsp_prod, __ATOMIC_ACQUIRE);
    r->cons = r->prod = r->shown = prod;
    return net_ring_pending(r) < 0 ? -EPROTO : 0;
}

int net_ring_pending(const struct net_ring *r)
{
    uint32_t n = __atomic_load_n(&header(r)->req_prod, __ATOMIC_ACQUIRE) - r->cons;

    return n > NET_RING_SIZE ? -EPROTO : (int)n;
}

void net_ring_peek(const struct net_ring *r, unsigned int ahead, void *to, size_t size)
{
    memcpy(to, entry(r, r->cons + ahead), size);
    /* The compiler must not read the page again in place of the copy. */
    __asm__ volatile("" ::: "memory");
}

void net_ring_take(struct net_ring *r, unsigned int count)
{
    r->cons += count;
}

void net_ring_respond(struct net_ring *r, const void *response, size_t size)
{
    memcpy(entry(r, r->prod), response, size);
    r->prod++;
}

bool net_ring_publish(struct net_ring *r)
{
    uint32_t old = r->shown, event;

    if (r->prod == old)
        return false;
    r->shown = r->prod;
    __atomic_store_n(&header(r)->rsp_prod, r->prod, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    event = __atomic_load_n(&header(r)->rsp_event, __ATOMIC_RELAXED);
    return r->prod - event < r->prod - old;
}

void net_ring_want_none(struct net_ring *r)
{
    __atomic_store_n(&header(r)->req_event, r->cons, __ATOMIC_RELAXED);
}

bool net_ring_want(struct net_ring *r, unsigned int count)
{
    __atomic_store_n(&header(r)->req_event, r->cons + count, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return net_ring_pending(r) >= (int)count || net_ring_pending(r) < 0;
}
