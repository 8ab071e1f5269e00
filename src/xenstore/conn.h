/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * conn.h - a connection to the store: bytes of requests go in, bytes of answers and events come
 * out. Its owner (server.c, a test) moves them. What a connection can make us hold is bounded:
 * no request is handled while OUT_LIMIT bytes wait to be taken.
 */
#pragma once

#include "xenstore/store.h"

struct watch;
struct tx;

struct conn {
    struct conn *next;
    struct store *s;
    domid_t domid;            /* whose rights it has; 0 may do all */
    struct xs_domain *domain; /* NULL for domain 0 */
    char home[XS_HOME_MAX];
    domid_t only;            /* of domain 0, but for this domain (confine.h); 0 = free */
    char only_vm[XS_VM_MAX]; /* what it has below /vm */
    char *reserved;          /* nobody who is confined names what is below this; NULL = nothing */
    struct watch *watches;   /* oldest first */
    struct tx *txs;
    bool broken; /* to be closed: its domain is gone, or a tool violated the protocol */
    bool mute;   /* a domain did: nothing is taken or sent any more, but the domain lives on */
    bool events_lost;

    struct xsd_sockmsg hdr; /* of the request that is received or handled */
    char body[XENSTORE_PAYLOAD_MAX + 1];

    uint8_t in[2 * (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)];
    size_t in_len;
    uint8_t *out; /* out_len bytes from out_at on wait to be taken */
    size_t out_at, out_len, out_size;
    uint64_t out_taken; /* bytes that the owner took, ever */
};

/* A connection of domain 0. NULL when out of memory. */
struct conn *conn_new(struct store *s);
/* Ends its transactions and watches. If it was the last one of its domain, the domain goes. */
void conn_free(struct conn *c);
/* Make it domain id's, for good. EBUSY if it has watches or transactions. */
int conn_bind(struct conn *c, domid_t id);

/* Room at c->in + c->in_len for more bytes; the caller adds to in_len. 0: conn_turn() first. */
size_t conn_room(const struct conn *c);
/* Handle up to `max` requests that are complete, as long as answers can be queued. */
void conn_turn(struct conn *c, unsigned int max);
/* Could conn_turn() do something? */
bool conn_has_request(const struct conn *c);
/* Does it take requests, or are too many answers waiting? */
bool conn_takes_requests(const struct conn *c);
/* The owner took n bytes of output. */
void conn_taken(struct conn *c, size_t n);

/* Queue the answer to the request in c->hdr. */
void conn_reply(struct conn *c, const void *body, size_t len);
void conn_reply_error(struct conn *c, int code);
/* Queue an event. `last` is the watch's: where in the output its last event is (UINT64_MAX: none).
 * If that still waits and says the same, it serves for this one, too. */
void conn_send_event(struct conn *c, const char *path, const char *token, uint64_t *last);
