/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_ring.c - see xenstore_ring.h.
 *
 * Each direction has a buffer that is filled only when it is empty. What a side does not take
 * stays where it is, in the ring or in the socket, so that neither a guest nor xenstored can
 * make us hold more than that. Runs on the vCPU's thread when the guest has sent something, on
 * the main thread when the socket is ready.
 */
#include "domain/xenstore_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "domain/evtchn.h"

#include <xen/io/xs_wire.h>

#define MAX_STEPS 1024 /* per call: nobody feeds us for ever */

/* Bytes on their way. */
struct pipe {
    uint8_t bytes[4096];
    size_t at, len;
};

struct xenstore_ring {
    struct domain *d;
    int fd;
    struct loop_watch *watch; /* main thread only, but for its events */
    struct pipe requests, answers;
    bool broken; /* nothing is carried any more */
};

static void break_off(struct xenstore_ring *s, const char *why)
{
    s->broken = true;
    log_guest(LOG_WARN, "domain", "xenstore: the guest's connection is closed: %s", why);
}

/* --- the guest's side ------------------------------------------------------------------- */

/* Fill the empty pipe from the request ring. */
static void ring_read(struct xenstore_ring *s, struct xenstore_domain_interface *ring)
{
    uint32_t cons = __atomic_load_n(&ring->req_cons, __ATOMIC_RELAXED);
    uint32_t have = __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE) - cons;
    uint32_t at = MASK_XENSTORE_IDX(cons);

    if (have > XENSTORE_RING_SIZE) {
        break_off(s, "bad request ring index");
        return;
    }
    if (have > XENSTORE_RING_SIZE - at)
        have = XENSTORE_RING_SIZE - at;
    if (!have)
        return; /* and no index of the guest's is written for nothing */
    memcpy(s->requests.bytes, ring->req + at, have);
    s->requests.at = 0;
    s->requests.len = have;
    __atomic_store_n(&ring->req_cons, cons + have, __ATOMIC_RELEASE);
}

/* Put what fits of the pipe into the response ring. */
static void ring_write(struct xenstore_ring *s, struct xenstore_domain_interface *ring)
{
    uint32_t prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_RELAXED);
    uint32_t used = prod - __atomic_load_n(&ring->rsp_cons, __ATOMIC_ACQUIRE);
    uint32_t at = MASK_XENSTORE_IDX(prod);
    size_t n = s->answers.len;

    if (used > XENSTORE_RING_SIZE) {
        break_off(s, "bad response ring index");
        return;
    }
    if (n > XENSTORE_RING_SIZE - used)
        n = XENSTORE_RING_SIZE - used;
    if (n > XENSTORE_RING_SIZE - at)
        n = XENSTORE_RING_SIZE - at;
    if (!n)
        return;
    memcpy(ring->rsp + at, s->answers.bytes + s->answers.at, n);
    s->answers.at += n;
    s->answers.len -= n;
    __atomic_store_n(&ring->rsp_prod, prod + (uint32_t)n, __ATOMIC_SEQ_CST);
}

/* --- xenstored's side ------------------------------------------------------------------- */

static void check_socket(struct xenstore_ring *s, ssize_t n)
{
    if (n == 0)
        break_off(s, "xenstored closed it, or has ended");
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        break_off(s, strerror(errno));
}

static void socket_write(struct xenstore_ring *s)
{
    struct pipe *p = &s->requests;
    ssize_t n = send(s->fd, p->bytes + p->at, p->len, MSG_DONTWAIT | MSG_NOSIGNAL);

    check_socket(s, n);
    if (n > 0) {
        p->at += (size_t)n;
        p->len -= (size_t)n;
    }
}

static void socket_read(struct xenstore_ring *s)
{
    ssize_t n = recv(s->fd, s->answers.bytes, sizeof(s->answers.bytes), MSG_DONTWAIT);

    check_socket(s, n);
    s->answers.at = 0;
    s->answers.len = n > 0 ? (size_t)n : 0;
}

/* --- both ------------------------------------------------------------------------------- */

/* One step in each direction. Returns whether anything moved; *ring_moved, whether that was
 * something that the guest would like to hear of. */
static bool step(struct xenstore_ring *s, struct xenstore_domain_interface *ring, bool *ring_moved)
{
    size_t requests = s->requests.len, answers;
    bool moved = false;

    if (!requests) {
        ring_read(s, ring);
        requests = s->requests.len;
        *ring_moved = *ring_moved || requests;
    }
    if (!s->broken && requests)
        socket_write(s);
    moved = s->requests.len < requests;
    if (!s->broken && !s->answers.len)
        socket_read(s);
    answers = s->answers.len;
    if (!s->broken && answers)
        ring_write(s, ring);
    if (s->answers.len < answers)
        moved = *ring_moved = true;
    return moved;
}

/* What a full pipe waits for: the guest, by its event, or the socket. */
static uint32_t wanted_events(const struct xenstore_ring *s)
{
    uint32_t events = 0;

    if (!s->broken && !s->answers.len)
        events |= EPOLLIN;
    if (!s->broken && s->requests.len)
        events |= EPOLLOUT;
    return events;
}

/* Carry what can be carried. Lock held. */
static void serve(struct xenstore_ring *s)
{
    struct xenstore_domain_interface *ring = ram_frame(&s->d->ram, s->d->store_mfn);
    bool ring_moved = false;

    if (s->broken || !ring)
        return;
    for (unsigned int i = 0; i < MAX_STEPS && !s->broken; i++) {
        if (!step(s, ring, &ring_moved))
            break;
    }
    if (ring_moved)
        evtchn_notify(s->d, s->d->store_port);
    loop_change(s->watch, wanted_events(s));
}

static void on_guest(struct domain *d, void *arg)
{
    serve(arg);
}

static void on_socket(void *arg, uint32_t events)
{
    struct xenstore_ring *s = arg;

    pthread_mutex_lock(&s->d->lock);
    if (!s->broken && !(events & (EPOLLIN | EPOLLOUT)))
        break_off(s, "xenstored closed it, or has ended");
    serve(s);
    if (s->broken) { /* a watch for nothing would still be told of the end, again and again */
        loop_remove(s->watch);
        s->watch = NULL;
    }
    pthread_mutex_unlock(&s->d->lock);
}

int xenstore_ring_create(struct domain *d, struct loop *loop, int fd, struct err *err)
{
    struct xenstore_ring *s = calloc(1, sizeof(*s));
    int rc;

    if (!s) {
        close(fd);
        return err_set(err, ENOMEM, "out of memory");
    }
    s->d = d;
    s->fd = fd;
    d->store = s;
    s->watch = loop_add(loop, fd, EPOLLIN, on_socket, s);
    pthread_mutex_lock(&d->lock);
    rc = s->watch ? evtchn_set_handler(d, d->store_port, on_guest, s) : -ENOMEM;
    pthread_mutex_unlock(&d->lock);
    if (rc < 0) {
        xenstore_ring_destroy(d);
        return err_set(err, -rc, "cannot serve the xenstore ring: %s", strerror(-rc));
    }
    return 0;
}

void xenstore_ring_destroy(struct domain *d)
{
    struct xenstore_ring *s = d->store;

    if (!s)
        return;
    pthread_mutex_lock(&d->lock);
    (void)evtchn_set_handler(d, d->store_port, NULL, NULL);
    d->store = NULL;
    pthread_mutex_unlock(&d->lock);
    loop_remove(s->watch);
    close(s->fd);
    free(s);
}
