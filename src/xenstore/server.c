/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * server.c - see server.h. In each round every client that has something to do gets one turn of
 * a few requests, so the time until a request is handled depends on how many clients there are,
 * not on what they do. From one that does not take its answers nothing is read.
 */
#define _GNU_SOURCE
#include "xenstore/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "xenstore/conn.h"
#include "xenstore/domains.h"

#define TURN_REQUESTS 8
#define MAX_CLIENTS 500
#define IDLE_MS 2000

struct client {
    struct client *next;
    struct conn *conn;
    struct loop_watch *watch;
    int fd;
    bool gone;
};

struct server {
    const struct server_config *config;
    struct store store;
    struct loop *loop;
    struct loop_watch *listen_watch, *stop_watch;
    struct client *clients;
    unsigned int nr_clients;
    bool stop;
};

static uint64_t monotonic_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- one client ------------------------------------------------------------------------- */

static void on_client(void *arg, uint32_t events)
{
    struct client *cl = arg;
    struct conn *c = cl->conn;
    size_t room = conn_room(c);
    ssize_t n;

    if (!(events & EPOLLIN)) {
        cl->gone = cl->gone || events & (EPOLLHUP | EPOLLERR);
        return;
    }
    if (!room)
        return;
    n = recv(cl->fd, c->in + c->in_len, room, MSG_DONTWAIT);
    if (n > 0)
        c->in_len += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        cl->gone = true;
}

static void flush(struct client *cl)
{
    struct conn *c = cl->conn;
    ssize_t n;

    if (!c->out_len || cl->gone)
        return;
    n = send(cl->fd, c->out + c->out_at, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0)
        conn_taken(c, (size_t)n);
    else if (errno != EAGAIN && errno != EINTR)
        cl->gone = true;
}

static void client_free(struct client *cl)
{
    loop_remove(cl->watch);
    close(cl->fd);
    if (cl->conn)
        conn_free(cl->conn);
    free(cl);
}

static void add_client(struct server *s, int fd)
{
    struct client *cl = calloc(1, sizeof(*cl));

    if (!cl) {
        close(fd);
        return;
    }
    *cl = (struct client){.fd = fd, .conn = conn_new(&s->store)};
    cl->watch = loop_add(s->loop, fd, EPOLLIN, on_client, cl);
    if (!cl->conn || !cl->watch) {
        client_free(cl);
        return;
    }
    cl->next = s->clients;
    s->clients = cl;
    s->nr_clients++;
}

/* Whoever may start domains as this user is domain 0. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void on_listen(void *arg, uint32_t events)
{
    struct server *s = arg;
    int fd = accept4(s->config->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (s->nr_clients < MAX_CLIENTS && is_trusted(fd)) {
        add_client(s, fd);
        return;
    }
    log_guest(LOG_WARN, "xenstore", "a client is refused: %s",
              s->nr_clients < MAX_CLIENTS ? "it is another user's" : "there are too many");
    close(fd);
}

static void on_stop(void *arg, uint32_t events)
{
    struct server *s = arg;

    s->stop = true;
}

/* --- rounds ----------------------------------------------------------------------------- */

static void give_turns(struct server *s)
{
    for (struct client *cl = s->clients; cl; cl = cl->next) {
        if (conn_has_request(cl->conn) && !cl->gone)
            conn_turn(cl->conn, TURN_REQUESTS);
    }
}

/* Send what there is to send, and want what can be taken. */
static void settle(struct server *s)
{
    for (struct client *cl = s->clients; cl; cl = cl->next) {
        const struct conn *c = cl->conn;
        uint32_t events = 0;

        flush(cl);
        if (conn_takes_requests(c) && conn_room(c))
            events |= EPOLLIN;
        if (c->out_len)
            events |= EPOLLOUT;
        loop_change(cl->watch, events);
    }
}

/* Remove the clients that have ended; false if there were none. One that goes may take its
 * domain with it, and others are told of that. */
static bool reap(struct server *s)
{
    struct client **p = &s->clients;
    bool found = false;

    while (*p) {
        struct client *cl = *p;

        if (!cl->gone && !cl->conn->broken) {
            p = &cl->next;
            continue;
        }
        *p = cl->next;
        s->nr_clients--;
        client_free(cl);
        found = true;
        p = &s->clients;
    }
    return found;
}

static bool has_work(const struct server *s)
{
    for (const struct client *cl = s->clients; cl; cl = cl->next) {
        if (conn_has_request(cl->conn))
            return true;
    }
    return false;
}

static bool is_idle(const struct server *s)
{
    return !s->nr_clients && !domains_introduced(&s->store);
}

static int serve(struct server *s)
{
    uint64_t end = 0; /* when an idle daemon ends, 0 = it is not idle */

    while (!s->stop) {
        int timeout = has_work(s) ? 0 : -1, rc;

        if (!s->config->on_demand || !is_idle(s)) {
            end = 0;
        } else {
            uint64_t now = monotonic_ms();

            if (!end)
                end = now + IDLE_MS;
            if (now >= end)
                break;
            timeout = (int)(end - now);
        }
        rc = loop_run_once(s->loop, timeout);
        if (rc < 0)
            return rc;
        give_turns(s);
        do {
            settle(s);
        } while (reap(s));
    }
    return 0;
}

int server_run(const struct server_config *config, struct err *err)
{
    struct server s = {.config = config};
    int rc = loop_create(&s.loop, err);

    if (rc < 0)
        return rc;
    rc = store_init(&s.store);
    if (rc == 0) {
        s.listen_watch = loop_add(s.loop, config->listen_fd, EPOLLIN, on_listen, &s);
        s.stop_watch = loop_add(s.loop, config->stop_fd, EPOLLIN, on_stop, &s);
        if (s.listen_watch && s.stop_watch)
            rc = serve(&s);
        else
            rc = -ENOMEM;
        while (s.clients) {
            struct client *cl = s.clients;

            s.clients = cl->next;
            client_free(cl);
        }
        store_done(&s.store);
    }
    loop_remove(s.listen_watch);
    loop_remove(s.stop_watch);
    loop_destroy(s.loop);
    return rc < 0 ? err_set(err, -rc, "xenstored cannot serve: %s", strerror(-rc)) : 0;
}
