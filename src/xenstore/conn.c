/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * conn.c - see conn.h.
 */
#include "xenstore/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "xenstore/domains.h"
#include "xenstore/request.h"
#include "xenstore/transaction.h"
#include "xenstore/watch.h"

#define OUT_LIMIT 65536 /* no new request while more than this waits */
/* Events that nobody takes: a guest loses those beyond, a tool its connection. */
#define EVENT_LIMIT (256 * 1024)
#define EVENT_LIMIT_0 (16 * 1024 * 1024)

struct conn *conn_new(struct store *s)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->s = s;
    path_home(c->home, 0);
    c->next = s->conns;
    s->conns = c;
    return c;
}

void conn_free(struct conn *c)
{
    struct conn **p = &c->s->conns;
    struct xs_domain *d = c->domain;

    tx_abort_all(c);
    watch_remove_all(c);
    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    if (d && --d->connections == 0) {
        if (d->over)
            domains_put(c->s, d);
        else
            domains_release(c->s, d);
    }
    free(c->reserved);
    free(c->out);
    free(c);
}

int conn_bind(struct conn *c, domid_t id)
{
    if (!id)
        return EINVAL;
    if (c->watches || c->txs)
        return EBUSY;
    c->domain = domains_get(c->s, id);
    if (!c->domain)
        return ENOMEM;
    c->domain->connections++;
    c->domain->over = false;
    c->domid = id;
    c->only = 0; /* it may less from now on */
    path_home(c->home, id);
    return 0;
}

/* --- in --------------------------------------------------------------------------------- */

size_t conn_room(const struct conn *c)
{
    return sizeof(c->in) - c->in_len;
}

bool conn_takes_requests(const struct conn *c)
{
    return !c->broken && !c->mute && c->out_len <= OUT_LIMIT;
}

/* No more of it. A domain's connection stays: its end would mean that the domain is gone. */
static void give_up(struct conn *c)
{
    if (c->domid)
        c->mute = true;
    else
        c->broken = true;
}

/* The size of the message at `at` in the input, 0 if it is not complete. A header that nobody
 * may send counts as a message. */
static size_t message_size(const struct conn *c, size_t at)
{
    size_t have = c->in_len - at;
    struct xsd_sockmsg hdr;

    if (have < sizeof(hdr))
        return 0;
    memcpy(&hdr, c->in + at, sizeof(hdr));
    if (hdr.len > XENSTORE_PAYLOAD_MAX)
        return sizeof(hdr);
    return have < sizeof(hdr) + hdr.len ? 0 : sizeof(hdr) + hdr.len;
}

bool conn_has_request(const struct conn *c)
{
    return conn_takes_requests(c) && message_size(c, 0) > 0;
}

static void handle_message(struct conn *c, size_t at)
{
    memcpy(&c->hdr, c->in + at, sizeof(c->hdr));
    if (c->hdr.len > XENSTORE_PAYLOAD_MAX) {
        log_guest(LOG_WARN, "xenstore",
                  "domain %u is not listened to any more: a request of %u bytes", c->domid,
                  c->hdr.len);
        give_up(c);
        return;
    }
    memcpy(c->body, c->in + at + sizeof(c->hdr), c->hdr.len);
    c->body[c->hdr.len] = '\0';
    request_handle(c);
}

void conn_turn(struct conn *c, unsigned int max)
{
    size_t at = 0, size;

    for (; max && conn_takes_requests(c); max--) {
        size = message_size(c, at);
        if (!size)
            break;
        handle_message(c, at);
        at += size;
    }
    c->in_len -= at;
    memmove(c->in, c->in + at, c->in_len);
}

/* --- out -------------------------------------------------------------------------------- */

static int reserve(struct conn *c, size_t more)
{
    size_t size = c->out_size ? c->out_size : 4096;
    uint8_t *p;

    if (c->out_at + c->out_len + more <= c->out_size)
        return 0;
    if (c->out_at)
        memmove(c->out, c->out + c->out_at, c->out_len);
    c->out_at = 0;
    while (size < c->out_len + more)
        size *= 2;
    if (size == c->out_size)
        return 0;
    p = realloc(c->out, size);
    if (!p)
        return ENOMEM;
    c->out = p;
    c->out_size = size;
    return 0;
}

static void send_message(struct conn *c, const struct xsd_sockmsg *hdr, const void *body)
{
    uint8_t *to;

    if (c->broken || c->mute)
        return;
    if (reserve(c, sizeof(*hdr) + hdr->len)) {
        give_up(c); /* an answer that never comes would be worse to find */
        return;
    }
    to = c->out + c->out_at + c->out_len;
    memcpy(to, hdr, sizeof(*hdr));
    memcpy(to + sizeof(*hdr), body, hdr->len);
    c->out_len += sizeof(*hdr) + hdr->len;
}

void conn_taken(struct conn *c, size_t n)
{
    c->out_at += n;
    c->out_len -= n;
    c->out_taken += n;
    if (c->out_len)
        return;
    c->out_at = 0;
    c->events_lost = false;
    if (c->out_size > OUT_LIMIT) {
        free(c->out);
        c->out = NULL;
        c->out_size = 0;
    }
}

void conn_reply(struct conn *c, const void *body, size_t len)
{
    struct xsd_sockmsg hdr = c->hdr;

    if (len > XENSTORE_PAYLOAD_MAX) {
        conn_reply_error(c, E2BIG);
        return;
    }
    hdr.len = (uint32_t)len;
    send_message(c, &hdr, body);
}

void conn_reply_error(struct conn *c, int code)
{
    const char *name = xs_error_name(code);
    struct xsd_sockmsg hdr = c->hdr;

    hdr.type = XS_ERROR;
    hdr.len = (uint32_t)strlen(name) + 1;
    send_message(c, &hdr, name);
}

/* Too much waits already. Said once until the backlog is gone. */
static void lose_event(struct conn *c)
{
    if (!c->domid)
        c->broken = true;
    if (!c->events_lost)
        log_msg(LOG_WARN, "xenstore",
                c->domid ? "domain %u takes no events; it loses some"
                         : "a client of domain %u takes no events; it is disconnected",
                c->domid);
    c->events_lost = true;
}

/* Is the message at byte `at` of all output still there as a whole, with this path in it? */
static bool still_waits(const struct conn *c, uint64_t at, const char *path)
{
    const uint8_t *message;

    if (at < c->out_taken || at >= c->out_taken + c->out_len)
        return false;
    message = c->out + c->out_at + (at - c->out_taken);
    return !strcmp((const char *)message + sizeof(struct xsd_sockmsg), path);
}

void conn_send_event(struct conn *c, const char *path, const char *token, uint64_t *last)
{
    char body[XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg hdr = {.type = XS_WATCH_EVENT};
    size_t n = strlen(path) + 1, m = strlen(token) + 1;

    if (c->out_len > (c->domid ? EVENT_LIMIT : EVENT_LIMIT_0)) {
        lose_event(c);
        return;
    }
    if (n + m > sizeof(body))
        return; /* cannot be: both are limited */
    if (still_waits(c, *last, path))
        return;
    memcpy(body, path, n);
    memcpy(body + n, token, m);
    hdr.len = (uint32_t)(n + m);
    *last = c->out_taken + c->out_len;
    send_message(c, &hdr, body);
}
