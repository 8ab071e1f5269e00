/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * client_priv.h - a client from the inside: shared by client.c and client_ops.c.
 */
#pragma once

#include "xenstore/client.h"
#include "xenstore/wire.h"

struct xs_event {
    struct xs_event *next;
    unsigned long long token;
    char path[];
};

struct xs_watch {
    struct xs_watch *next;
    unsigned long long token; /* what its events carry */
    xs_watch_fn *fn;
    void *arg;
    char path[];
};

struct xs_client {
    int fd, epoll_fd, event_fd;
    int lost; /* -errno once the connection is of no use */
    uint32_t last_id;
    unsigned long long last_token;
    struct xs_watch *watches;
    struct xs_event *events, *last_event; /* last_event is only good while events is not NULL */
    unsigned int nr_events;

    struct xsd_sockmsg hdr; /* the message that is received, or was last */
    char body[XENSTORE_PAYLOAD_MAX + 1];
    size_t got; /* bytes of hdr and body so far */
};

/* A piece of a request's payload. */
struct xs_part {
    const void *data;
    size_t len;
};

/* Send a request and wait: the answer is in c->hdr, c->body (a NUL behind it), until the next
 * request. 0 or -errno. */
int xs_request(struct xs_client *c, uint32_t type, xs_tx_t tx, const struct xs_part *parts,
               size_t count) MUST_CHECK;
