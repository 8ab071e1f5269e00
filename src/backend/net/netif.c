/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * netif.c - see netif.h: life of an interface's data path, its worker thread, and the order
 * in which a pass does things. Sending is tx.c, receiving rx.c.
 *
 * Before it sleeps the worker asks every ring for an event; what arrives in between is seen
 * because the ring is looked at once more after asking.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/net/netif_priv.h"
#include "base/log.h"
#include "base/loop.h"
#include "domain/domain.h"
#include "domain/evtchn.h"
#include "domain/gnttab.h"

#include <xen/grant_table.h>
#include <xen/io/netif.h>

#define ANSWER_NS 40000 /* about what two wake-ups take */

uint64_t netif_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

void netif_fail(struct netif *n, const char *fmt, ...)
{
    char why[256];
    va_list ap;

    if (n->failed)
        return;
    n->failed = true;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    log_guest(LOG_WARN, "backend", "%s: the guest broke the protocol, the interface stops: %s",
              n->config.name, why);
    if (n->config.failed)
        n->config.failed(n->config.arg, why);
}

void netif_lock(struct netif *n)
{
    if (!n->locked)
        pthread_mutex_lock(&n->d->lock);
}

void netif_unlock(struct netif *n)
{
    if (!n->locked)
        pthread_mutex_unlock(&n->d->lock);
}

/* --- a pass ----------------------------------------------------------------------------- */

static void notify(struct netif *n)
{
    bool any = false;

    for (unsigned int i = 0; i < n->config.nr_queues; i++)
        any |= n->queue[i].notify_tx || n->queue[i].notify_rx;
    if (!any)
        return;
    pthread_mutex_lock(&n->d->lock);
    for (unsigned int i = 0; i < n->config.nr_queues; i++) {
        struct netif_queue *q = &n->queue[i];

        if (q->notify_tx)
            evtchn_notify(n->d, q->config.tx_port);
        if (q->notify_rx && !(q->notify_tx && q->config.rx_port == q->config.tx_port))
            evtchn_notify(n->d, q->config.rx_port);
        q->notify_tx = q->notify_rx = false;
    }
    pthread_mutex_unlock(&n->d->lock);
}

/* Milliseconds until the clock, and nothing else, makes something possible. */
static int sleep_ms(const struct netif *n)
{
    uint64_t ns = n->throttled_ns;

    if (n->waiting.len > 0 && n->waiting_until) {
        uint64_t now = netif_now();
        uint64_t left = n->waiting_until > now ? n->waiting_until - now : 1;

        if (!ns || left < ns)
            ns = left;
    }
    return ns ? (int)((ns + 999999) / 1000000) : -1;
}

/* A guest often answers what it has just been given. To see it saves the guest an event and us two
 * wake-ups. Returns whether it has something to send. */
static bool await_answer(struct netif *n)
{
    uint64_t end = netif_now() + ANSWER_NS;
    bool answered = false;

    if (!n->may_wait_awake || !n->asked || n->link->blocked || n->throttled_ns)
        return false;
    for (unsigned int i = 0; i < n->config.nr_queues; i++)
        net_ring_want_none(&n->queue[i].tx);
    while (credit_left(&n->answers) && !answered && netif_now() < end) {
        __builtin_ia32_pause();
        for (unsigned int i = 0; i < n->config.nr_queues; i++)
            answered |= net_ring_pending(&n->queue[i].tx) != 0;
    }
    credit_note(&n->answers, answered);
    return answered;
}

int netif_work(struct netif *n)
{
    bool more = false;

    if (n->failed)
        return -1;
    n->throttled_ns = 0;
    for (unsigned int i = 0; i < n->config.nr_queues && !n->failed; i++)
        more |= netif_tx(&n->queue[i]);
    if (!n->failed)
        more |= netif_rx(n);
    notify(n);
    if (n->failed)
        return -1;
    if (!more)
        more = await_answer(n);
    if (!more && !n->link->blocked && !n->throttled_ns)
        for (unsigned int i = 0; i < n->config.nr_queues; i++)
            more |= net_ring_want(&n->queue[i].tx, 1);
    return more ? 0 : sleep_ms(n);
}

bool netif_wants_frames(const struct netif *n)
{
    return !n->failed && n->waiting.len == 0;
}

/* --- the worker ------------------------------------------------------------------------- */

struct worker {
    struct netif *n;
    struct loop *loop;
    struct loop_watch *wake, *link;
};

static void on_wake(void *arg, uint32_t events)
{
    struct worker *w = arg;
    uint64_t count;

    if (read(w->n->wake_fd, &count, sizeof(count)) < 0) {
        /* Only EAGAIN, which is as good. */
    }
}

static void on_link(void *arg, uint32_t events)
{
    struct worker *w = arg;

    pthread_mutex_lock(&w->n->work);
    if (events & EPOLLOUT)
        net_link_flush(w->n->link);
    /* Nobody would come to read that it has ended. */
    if ((events & (EPOLLHUP | EPOLLERR)) && !netif_wants_frames(w->n))
        w->n->link->lost = true;
    pthread_mutex_unlock(&w->n->work);
}

static void watch_link(struct worker *w)
{
    const struct net_link *l = w->n->link;
    uint32_t events = 0;

    if (!w->link)
        return;
    if (l->lost) {
        log_msg(LOG_WARN, "backend", "%s: %s has gone; the interface stays without a network",
                w->n->config.name, l->name);
        loop_remove(w->link);
        w->link = NULL;
        return;
    }
    if (netif_wants_frames(w->n))
        events |= EPOLLIN;
    if (l->blocked)
        events |= EPOLLOUT;
    loop_change(w->link, events);
}

static void *worker_main(void *arg)
{
    struct netif *n = arg;
    struct worker w = {.n = n};
    struct err err = {0};

    pthread_setname_np(pthread_self(), "net");
    if (loop_create(&w.loop, &err) == 0) {
        w.wake = loop_add(w.loop, n->wake_fd, EPOLLIN, on_wake, &w);
        if (!n->link->lost)
            w.link = loop_add(w.loop, n->link->fd, EPOLLIN, on_link, &w);
    }
    if (!w.wake || (!w.link && !n->link->lost))
        netif_fail(n, "out of memory");
    while (w.wake && !__atomic_load_n(&n->stop, __ATOMIC_ACQUIRE)) {
        int timeout;

        pthread_mutex_lock(&n->work);
        timeout = netif_work(n);
        watch_link(&w);
        pthread_mutex_unlock(&n->work);
        if (loop_run_once(w.loop, timeout) < 0)
            break;
    }
    loop_remove(w.link);
    loop_remove(w.wake);
    loop_destroy(w.loop);
    return NULL;
}

static void wake(struct netif *n)
{
    uint64_t one = 1;

    if (write(n->wake_fd, &one, sizeof(one)) < 0) {
        /* The counter is at its limit: the worker is awake anyway. */
    }
}

/* A guest's events, on a vCPU thread with the lock held. */
static void on_rx_event(struct domain *d, void *arg)
{
    struct netif_queue *q = arg;

    wake(q->n);
}

/* While the worker sleeps a small packet is on its way before the guest's hypercall is over: two
 * changes of threads are more than it costs. */
static void on_tx_event(struct domain *d, void *arg)
{
    struct netif_queue *q = arg;
    struct netif *n = q->n;
    bool more = true;

    if (pthread_mutex_trylock(&n->work) == 0) {
        n->locked = true;
        more = netif_tx_at_once(q);
        if (q->notify_tx)
            evtchn_notify(d, q->config.tx_port);
        q->notify_tx = false;
        n->locked = false;
        pthread_mutex_unlock(&n->work);
    }
    if (more)
        wake(n);
}

/* --- life ------------------------------------------------------------------------------- */

/* Lock held. */
static int attach_ring(struct netif *n, struct net_ring *ring, uint32_t ref, size_t stride,
                       const char *what, struct err *err)
{
    void *page;

    if (gnttab_get(n->d, 0, ref, true, &page) != GNTST_okay)
        return err_set(err, EINVAL, "grant %u for the %s ring cannot be used", ref, what);
    if (net_ring_attach(ring, page, stride) == 0)
        return 0;
    ring->page = NULL;
    gnttab_put(n->d, ref, true);
    return err_set(err, EINVAL, "the %s ring starts with impossible indices", what);
}

static int bind_port(struct netif_queue *q, port_t port, evtchn_handler *fn, bool *bound,
                     struct err *err)
{
    if (evtchn_set_handler(q->n->d, port, fn, q) < 0)
        return err_set(err, EINVAL, "event channel %u cannot be used", port);
    *bound = true;
    return 0;
}

static int attach_queue(struct netif_queue *q, struct err *err)
{
    struct netif *n = q->n;
    int rc =
        attach_ring(n, &q->tx, q->config.tx_ref, sizeof(union netif_tx_sring_entry), "send", err);

    if (rc == 0)
        rc = attach_ring(n, &q->rx, q->config.rx_ref, sizeof(union netif_rx_sring_entry), "receive",
                         err);
    if (rc == 0)
        rc = bind_port(q, q->config.tx_port, on_tx_event, &q->bound_tx, err);
    if (rc == 0 && q->config.rx_port != q->config.tx_port)
        rc = bind_port(q, q->config.rx_port, on_rx_event, &q->bound_rx, err);
    return rc;
}

/* Lock held. */
static void detach_queue(struct netif_queue *q)
{
    struct domain *d = q->n->d;

    /* Fails if the guest has closed the port, which is as good. */
    if (q->bound_tx)
        (void)evtchn_set_handler(d, q->config.tx_port, NULL, NULL);
    if (q->bound_rx)
        (void)evtchn_set_handler(d, q->config.rx_port, NULL, NULL);
    if (q->tx.page)
        gnttab_put(d, q->config.tx_ref, true);
    if (q->rx.page)
        gnttab_put(d, q->config.rx_ref, true);
}

static int attach_queues(struct netif *n, struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&n->d->lock);
    for (unsigned int i = 0; i < n->config.nr_queues && rc == 0; i++) {
        n->queue[i].n = n;
        n->queue[i].config = n->config.queue[i];
        rc = attach_queue(&n->queue[i], err);
    }
    pthread_mutex_unlock(&n->d->lock);
    return rc;
}

static unsigned int nr_cpus(void)
{
    cpu_set_t cpus;

    return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned int)CPU_COUNT(&cpus) : 1;
}

int netif_create(struct netif **ret, const struct netif_config *config, struct err *err)
{
    struct netif *n = calloc(1, sizeof(*n));
    int rc = 0;

    if (!n)
        return err_set(err, ENOMEM, "out of memory");
    n->config = *config;
    n->d = config->d;
    n->link = config->link;
    pthread_mutex_init(&n->work, NULL);
    n->may_wait_awake = nr_cpus() > n->d->nr_vcpus;
    n->answers = CREDIT_INIT;
    net_rate_init(&n->rate, config->rate_bytes, config->rate_us);
    n->tx_buffer = malloc(NET_FRAME_MAX);
    n->rx_buffer = malloc(NET_FRAME_MAX);
    n->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!n->tx_buffer || !n->rx_buffer || n->wake_fd < 0)
        rc = err_set(err, ENOMEM, "out of memory or descriptors");
    if (rc == 0)
        rc = attach_queues(n, err);
    if (rc < 0) {
        netif_destroy(n);
        return rc;
    }
    if (n->link->ops->set_offload)
        n->link->ops->set_offload(n->link, config->csum_ipv4 || config->csum_ipv6,
                                  config->gso_tcpv4 && config->sg, config->gso_tcpv6 && config->sg);
    *ret = n;
    return 0;
}

int netif_start(struct netif *n, struct err *err)
{
    int rc = pthread_create(&n->thread, NULL, worker_main, n);

    if (rc != 0)
        return err_set(err, rc, "cannot start a thread: %s", strerror(rc));
    n->started = true;
    return 0;
}

void netif_destroy(struct netif *n)
{
    if (!n)
        return;
    if (n->started) {
        __atomic_store_n(&n->stop, true, __ATOMIC_RELEASE);
        wake(n);
        pthread_join(n->thread, NULL);
    }
    pthread_mutex_lock(&n->d->lock);
    for (unsigned int i = 0; i < n->config.nr_queues; i++)
        if (n->queue[i].n)
            detach_queue(&n->queue[i]);
    pthread_mutex_unlock(&n->d->lock);
    pthread_mutex_destroy(&n->work);
    if (n->wake_fd >= 0)
        close(n->wake_fd);
    free(n->tx_buffer);
    free(n->rx_buffer);
    free(n);
}
