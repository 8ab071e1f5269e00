/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ring.h - one ring of a network interface (ABI section 15), the backend's end of it. The
 * page is the guest's to scribble on: indices that decide anything are kept here, a request
 * is copied out once, and a producer index that ran away is reported, not followed.
 */
#pragma once

#include "base/types.h"

#define NET_RING_SIZE 256u /* entries, of both rings of an interface */

struct net_ring {
    uint8_t *page;  /* NULL = not attached */
    size_t stride;  /* bytes of an entry */
    uint32_t cons;  /* the next request */
    uint32_t prod;  /* the next response; never ahead of cons */
    uint32_t shown; /* what the guest has been told of prod */
};

/* Start on a page whose frontend may have used it before. -EPROTO: impossible indices. */
int net_ring_attach(struct net_ring *r, void *page, size_t stride) MUST_CHECK;

/* Number of requests that wait, or -EPROTO: the index ran away. */
int net_ring_pending(const struct net_ring *r);
/* Copy the request `ahead` of the next one; ahead < net_ring_pending(). */
void net_ring_peek(const struct net_ring *r, unsigned int ahead, void *to, size_t size);
/* Requests that were looked at are taken. */
void net_ring_take(struct net_ring *r, unsigned int count);

/* Write the next response. A request has been taken for it. */
void net_ring_respond(struct net_ring *r, const void *response, size_t size);
/* Show the responses to the guest. True: it wants an event. */
bool net_ring_publish(struct net_ring *r);

/* Ask for an event when `count` requests wait. True: they do already. */
bool net_ring_want(struct net_ring *r, unsigned int count);
/* Ask for none: we look ourselves. Until the next net_ring_want(). */
void net_ring_want_none(struct net_ring *r);
