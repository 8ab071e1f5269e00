/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_mini.c - the small xenstore's end of the guest's ring (ABI section 12.1).
 *
 * Requests are assembled byte by byte, since guests notify only when the ring was empty;
 * answers that do not fit wait in a queue, and no request is taken while that queue is long,
 * so what a guest can make us hold is bounded.
 */
#include "domain/xenstore_mini.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/evtchn.h"
#include "domain/xenstore_ops.h"
#include "domain/xenstore_seed.h"

#define OUT_LIMIT 65536        /* no new request while more than this is queued */
#define SERVE_LIMIT (1u << 20) /* bytes taken per call: nobody feeds us for ever */

/* --- ring ------------------------------------------------------------------------------- */

static void protocol_error(struct xsmini *s, const char *what)
{
    s->broken = true;
    log_guest(LOG_WARN, "domain", "xenstore: connection dropped: %s", what);
}

/* Bytes from the request ring; 0 = none. */
static size_t ring_read(struct xsmini *s, struct xenstore_domain_interface *ring, void *to,
                        size_t size)
{
    uint32_t cons = __atomic_load_n(&ring->req_cons, __ATOMIC_RELAXED);
    uint32_t have = __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE) - cons;
    uint32_t at = MASK_XENSTORE_IDX(cons);

    if (have > XENSTORE_RING_SIZE) {
        protocol_error(s, "bad request ring index");
        return 0;
    }
    if (size > have)
        size = have;
    if (size > XENSTORE_RING_SIZE - at)
        size = XENSTORE_RING_SIZE - at;
    memcpy(to, ring->req + at, size);
    __atomic_store_n(&ring->req_cons, cons + (uint32_t)size, __ATOMIC_RELEASE);
    return size;
}

/* Move queued output into the response ring; returns how much went. */
static size_t ring_write(struct xsmini *s, struct xenstore_domain_interface *ring)
{
    size_t done = 0;

    while (done < s->out_len) {
        uint32_t prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_RELAXED);
        uint32_t used = prod - __atomic_load_n(&ring->rsp_cons, __ATOMIC_ACQUIRE);
        uint32_t at = MASK_XENSTORE_IDX(prod);
        size_t n = s->out_len - done;

        if (used > XENSTORE_RING_SIZE) {
            protocol_error(s, "bad response ring index");
            break;
        }
        if (n > XENSTORE_RING_SIZE - used)
            n = XENSTORE_RING_SIZE - used;
        if (n > XENSTORE_RING_SIZE - at)
            n = XENSTORE_RING_SIZE - at;
        if (!n)
            break;
        memcpy(ring->rsp + at, s->out + done, n);
        __atomic_store_n(&ring->rsp_prod, prod + (uint32_t)n, __ATOMIC_SEQ_CST);
        done += n;
    }
    if (done)
        memmove(s->out, s->out + done, s->out_len - done);
    s->out_len -= done;
    return done;
}

/* Take bytes towards the current request; returns how many. */
static size_t receive(struct xsmini *s, struct xenstore_domain_interface *ring)
{
    size_t n;

    if (s->got < sizeof(s->hdr)) {
        n = ring_read(s, ring, (uint8_t *)&s->hdr + s->got, sizeof(s->hdr) - s->got);
        s->got += n;
        if (s->got == sizeof(s->hdr) && s->hdr.len > XENSTORE_PAYLOAD_MAX)
            protocol_error(s, "request too long");
    } else {
        size_t have = s->got - sizeof(s->hdr);

        n = ring_read(s, ring, s->body + have, s->hdr.len - have);
        s->got += n;
    }
    if (!s->broken && s->got >= sizeof(s->hdr) && s->got == sizeof(s->hdr) + s->hdr.len) {
        s->got = 0;
        xsops_handle(s);
    }
    return n;
}

void xsmini_serve(struct domain *d)
{
    struct xsmini *s = d->store;
    struct xenstore_domain_interface *ring = ram_frame(&d->ram, d->store_mfn);
    size_t taken = 0, sent = 0;

    if (!s || !ring)
        return;
    while (!s->broken && taken < SERVE_LIMIT) {
        size_t n = 0;

        sent += ring_write(s, ring);
        if (!s->broken && s->out_len <= OUT_LIMIT)
            n = receive(s, ring);
        if (!n)
            break;
        taken += n;
    }
    if (!s->broken)
        sent += ring_write(s, ring);
    if (taken || sent)
        evtchn_notify(d, d->store_port);
}

static void serve_port(struct domain *d, void *arg)
{
    xsmini_serve(d);
}

/* --- host side -------------------------------------------------------------------------- */

int xsmini_write(struct domain *d, const char *path, const char *value)
{
    int rc = d->store ? xsops_write(d->store, path, value, strlen(value)) : -ENOENT;

    xsmini_serve(d);
    return rc;
}

int xsmini_write_owned(struct domain *d, const char *path, const char *value, domid_t owner)
{
    int rc = xsmini_write(d, path, value);
    struct xsnode *n = rc == 0 ? xsops_find(d->store, path) : NULL;

    if (!n)
        return rc;
    n->perms[0] = (struct xsperm){.id = owner, .mode = 'n'};
    n->perms[1] = (struct xsperm){.id = d->domid, .mode = 'r'};
    n->nr_perms = owner == d->domid ? 1 : 2;
    return 0;
}

int xsmini_remove(struct domain *d, const char *path)
{
    int rc = d->store ? xsops_remove(d->store, path) : -ENOENT;

    xsmini_serve(d);
    return rc;
}

int xsmini_read(struct domain *d, const char *path, char *buf, size_t size)
{
    const struct xsnode *n = d->store ? xsops_find(d->store, path) : NULL;
    size_t len;

    if (!n)
        return -ENOENT;
    len = n->value_len < size ? n->value_len : size - 1;
    memcpy(buf, n->value, len);
    buf[len] = '\0';
    return (int)len;
}

int xsmini_init(struct domain *d, struct err *err)
{
    struct xsmini *s = calloc(1, sizeof(*s));

    d->store = s;
    if (!s)
        return err_set(err, ENOMEM, "xenstore: out of memory");
    s->domid = d->domid;
    snprintf(s->home, sizeof(s->home), "/local/domain/%u", d->domid);
    s->root = xsnode_root();
    if (!s->root || xsmini_seed(d) < 0) {
        xsmini_done(d);
        return err_set(err, ENOMEM, "xenstore: cannot make the domain's first entries");
    }
    return evtchn_set_handler(d, d->store_port, serve_port, NULL);
}

void xsmini_done(struct domain *d)
{
    if (!d->store)
        return;
    xsops_done(d->store);
    free(d->store);
    d->store = NULL;
}
