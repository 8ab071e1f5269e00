/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_out.c - see console_out.h.
 *
 * Output is produced on vCPU threads and tried on each socket at once; what a socket does
 * not take is queued and moved on by the main thread's loop. Clients are added and freed on
 * the main thread only: a vCPU thread that finds one broken marks it, and the loop's next
 * event (a broken socket always has one) removes it.
 */
#include "backend/console_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend/console_log.h"
#include "base/io.h"
#include "base/log.h"

#define INPUT_SIZE 1024u

/* A byte queue over a ring; when full it takes no more (queue) or forgets the oldest (backlog). */
struct ring {
    char *data;
    size_t size, head, used; /* head: oldest byte */
};

struct client {
    struct console_out *out;
    struct client *next;
    int fd;
    struct loop_watch *watch;
    struct ring queue;
    uint64_t stalled_ms; /* since when nothing moved although the queue was not empty; 0 = no */
    size_t dropped;      /* bytes lost since patience ended; the queue takes none meanwhile */
    bool dropping, broken, input_ended;
    bool is_socket;         /* else a terminal */
    char input[INPUT_SIZE]; /* typed, not yet taken by the guest */
    size_t input_used;
};

struct console_out {
    struct loop *loop;
    pthread_mutex_t *lock;
    struct console_log *log;
    struct ring backlog;
    struct client *clients;
    unsigned int nr_clients;
    const struct console_out_ops *ops;
    void *arg;
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + 1;
}

static size_t ring_put(struct ring *r, const char *buf, size_t n)
{
    size_t tail = (r->head + r->used) % r->size;
    size_t first;

    if (n > r->size - r->used)
        n = r->size - r->used;
    first = n < r->size - tail ? n : r->size - tail;
    memcpy(r->data + tail, buf, first);
    memcpy(r->data, buf + first, n - first);
    r->used += n;
    return n;
}

static void ring_skip(struct ring *r, size_t n)
{
    r->head = (r->head + n) % r->size;
    r->used -= n;
}

/* The oldest bytes that lie together. */
static size_t ring_front(const struct ring *r, const char **ret)
{
    *ret = r->data + r->head;
    return r->used < r->size - r->head ? r->used : r->size - r->head;
}

static void ring_put_forgetting(struct ring *r, const char *buf, size_t n)
{
    if (n > r->size) {
        buf += n - r->size;
        n = r->size;
    }
    if (n > r->size - r->used)
        ring_skip(r, n - (r->size - r->used));
    ring_put(r, buf, n);
}

static void client_watch(struct client *cl)
{
    uint32_t events = 0;

    if (cl->queue.used || cl->broken)
        events |= EPOLLOUT;
    if (!cl->input_ended && cl->input_used < INPUT_SIZE)
        events |= EPOLLIN;
    loop_change(cl->watch, events);
}

/* Number of bytes that the client's descriptor took; marks a broken one. */
static size_t client_send(struct client *cl, const char *buf, size_t n)
{
    ssize_t r =
        cl->is_socket ? send(cl->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) : write(cl->fd, buf, n);

    if (r >= 0)
        return (size_t)r;
    if (errno != EAGAIN && errno != EINTR)
        cl->broken = true;
    return 0;
}

static void client_flush(struct client *cl)
{
    const char *front;
    size_t n, sent;

    while (!cl->broken && (n = ring_front(&cl->queue, &front)) > 0) {
        sent = client_send(cl, front, n);
        if (sent == 0)
            break;
        ring_skip(&cl->queue, sent);
        cl->stalled_ms = 0;
    }
    if (cl->broken)
        cl->queue.used = 0;
    if (cl->queue.used > 0 && cl->stalled_ms == 0)
        cl->stalled_ms = now_ms();
    if (cl->queue.used == 0 && cl->dropping) {
        char note[80];
        int len =
            snprintf(note, sizeof(note), "\r\n[console: %zu bytes lost here]\r\n", cl->dropped);

        cl->dropping = false;
        cl->dropped = 0;
        cl->stalled_ms = 0;
        ring_put(&cl->queue, note, (size_t)len);
    }
}

static void client_write(struct client *cl, const char *buf, size_t n)
{
    size_t put;

    if (cl->broken)
        return;
    if (cl->dropping) {
        cl->dropped += n;
        return;
    }
    put = ring_put(&cl->queue, buf, n);
    client_flush(cl);
    if (put < n && !cl->broken)
        put += ring_put(&cl->queue, buf + put, n - put);
    if (put < n) {
        cl->dropping = true;
        cl->dropped = n - put;
    }
    client_watch(cl);
}

static void client_remove(struct client *cl)
{
    struct console_out *o = cl->out;
    struct client **p = &o->clients;

    while (*p != cl)
        p = &(*p)->next;
    *p = cl->next;
    o->nr_clients--;
    loop_remove(cl->watch);
    close(cl->fd);
    free(cl->queue.data);
    free(cl);
}

static void client_offer_input(struct client *cl)
{
    size_t n;

    if (cl->input_used == 0)
        return;
    n = cl->out->ops->input(cl->out->arg, cl->input, cl->input_used);
    memmove(cl->input, cl->input + n, cl->input_used - n);
    cl->input_used -= n;
}

static void client_read(struct client *cl)
{
    ssize_t r;

    if (cl->input_ended || cl->input_used == INPUT_SIZE)
        return;
    r = read(cl->fd, cl->input + cl->input_used, INPUT_SIZE - cl->input_used);
    if (r > 0)
        cl->input_used += (size_t)r;
    else if (r == 0)
        cl->input_ended = true; /* its writing half only: it may still want output */
    else if (errno != EAGAIN && errno != EINTR)
        cl->broken = true;
}

static void on_client(void *arg, uint32_t events)
{
    struct client *cl = arg;
    struct console_out *o = cl->out;
    pthread_mutex_t *lock = o->lock;

    pthread_mutex_lock(lock);
    if (events & EPOLLIN)
        client_read(cl);
    client_offer_input(cl);
    client_flush(cl);
    if (cl->broken || (events & (EPOLLHUP | EPOLLERR)))
        client_remove(cl);
    else
        client_watch(cl);
    o->ops->drained(o->arg);
    pthread_mutex_unlock(lock);
}

int console_out_create(struct console_out **ret, const struct console_config *config,
                       const struct console_out_ops *ops, void *arg, struct err *err)
{
    struct console_out *o = calloc(1, sizeof(*o));
    int rc;

    if (!o)
        return err_set(err, ENOMEM, "out of memory");
    o->loop = config->loop;
    o->lock = config->lock;
    o->ops = ops;
    o->arg = arg;
    o->backlog.size = CONSOLE_BACKLOG;
    o->backlog.data = malloc(CONSOLE_BACKLOG);
    if (!o->backlog.data)
        rc = err_set(err, ENOMEM, "out of memory");
    else
        rc = console_log_open(&o->log, config->log_path, config->log_size, config->log_keep, err);
    if (rc < 0) {
        console_out_destroy(o);
        return rc;
    }
    *ret = o;
    return 0;
}

void console_out_destroy(struct console_out *o)
{
    if (!o)
        return;
    while (o->clients)
        client_remove(o->clients);
    console_log_close(o->log);
    free(o->backlog.data);
    free(o);
}

void console_out_write(struct console_out *o, const void *buf, size_t n)
{
    if (n == 0)
        return;
    console_log_write(o->log, buf, n);
    ring_put_forgetting(&o->backlog, buf, n);
    for (struct client *cl = o->clients; cl; cl = cl->next)
        client_write(cl, buf, n);
}

bool console_out_ready(struct console_out *o)
{
    for (const struct client *cl = o->clients; cl; cl = cl->next) {
        if (cl->broken || cl->dropping || cl->queue.used < CONSOLE_QUEUE / 2)
            continue;
        if (cl->stalled_ms && now_ms() - cl->stalled_ms < CONSOLE_STALL_MS)
            return false;
    }
    return true;
}

bool console_out_is_flushed(const struct console_out *o)
{
    for (const struct client *cl = o->clients; cl; cl = cl->next)
        if (cl->queue.used && !cl->broken)
            return false;
    return true;
}

bool console_out_is_full(const struct console_out *o)
{
    return o->nr_clients >= CONSOLE_MAX_CLIENTS;
}

bool console_out_has_terminal(const struct console_out *o)
{
    for (const struct client *cl = o->clients; cl; cl = cl->next)
        if (!cl->is_socket)
            return true;
    return false;
}

void console_out_remove_terminal(struct console_out *o)
{
    struct client *cl = o->clients, *next;

    for (; cl; cl = next) {
        next = cl->next;
        if (!cl->is_socket)
            client_remove(cl);
    }
}

static bool is_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

int console_out_add_client(struct console_out *o, int fd)
{
    struct client *cl;
    const char *front;
    size_t n;

    if (console_out_is_full(o))
        return -EBUSY;
    cl = calloc(1, sizeof(*cl));
    if (!cl)
        return -ENOMEM;
    cl->out = o;
    cl->fd = fd;
    cl->is_socket = is_socket(fd);
    cl->queue.size = CONSOLE_QUEUE;
    cl->queue.data = malloc(CONSOLE_QUEUE);
    if (cl->queue.data && io_set_nonblock(fd, true) == 0)
        cl->watch = loop_add(o->loop, fd, EPOLLIN, on_client, cl);
    if (!cl->watch) {
        free(cl->queue.data);
        free(cl);
        return -ENOMEM;
    }
    cl->next = o->clients;
    o->clients = cl;
    o->nr_clients++;
    n = ring_front(&o->backlog, &front);
    client_write(cl, front, n);
    client_write(cl, o->backlog.data, o->backlog.used - n);
    return 0;
}

void console_out_resume_input(struct console_out *o)
{
    for (struct client *cl = o->clients; cl; cl = cl->next) {
        client_offer_input(cl);
        client_watch(cl);
    }
}
