/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * server.c - see server.h. An answer goes to a socket buffer that has room for it; a peer that
 * does not read is dropped.
 */
#define _GNU_SOURCE
#include "xend/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "toolstack/xend_log.h"
#include "xend/relocation.h"
#include "xend/table.h"

#define REQUEST_MAX 4096
#define MAX_CLIENTS 256

struct client {
    struct server *server;
    struct client *next;
    int fd;
    bool gone;        /* closed while a domain starts for it */
    unsigned int due; /* answers that are still to come */
    sd_event_source *source;
    char request[REQUEST_MAX];
    size_t used;
};

struct server {
    struct xend *x;
    int listen_fd;
    sd_event_source *source;
    struct client *clients;
    unsigned int nr_clients;
};

typedef void verb_fn(struct client *c, const json_t *request);

static void client_free(struct client *c)
{
    struct client **p = &c->server->clients;

    while (*p != c)
        p = &(*p)->next;
    *p = c->next;
    c->server->nr_clients--;
    sd_event_source_unref(c->source);
    if (c->fd >= 0)
        close(c->fd);
    xend_maybe_idle(c->server->x);
    free(c);
}

/* Its connection is of no use any more; what is under way keeps the object. */
static void client_close(struct client *c)
{
    if (c->due == 0) {
        client_free(c);
        return;
    }
    c->gone = true;
    c->source = sd_event_source_unref(c->source);
    close(c->fd);
    c->fd = -1;
}

/* Takes the reference. */
static void send_answer(struct client *c, json_t *answer)
{
    CLEANUP_FREE char *text = answer ? json_to_line(answer) : NULL;
    size_t n = text ? strlen(text) : 0;

    json_decref(answer);
    if (c->fd >= 0 && (n == 0 || send(c->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n))
        shutdown(c->fd, SHUT_RDWR);
}

static void send_result(struct client *c, int result, const struct err *err)
{
    send_answer(c, result < 0 ? json_pack("{s:b, s:s}", "ok", 0, "error", err->msg)
                              : json_pack("{s:b}", "ok", 1));
}

static void verb_status(struct client *c, const json_t *request)
{
    const struct xend *x = c->server->x;

    send_answer(c, json_pack("{s:b, s:i, s:s, s:b, s:o}", "ok", 1, "pid", (int)getpid(), "version",
                             XENOLITH_VERSION, "on_demand", x->on_demand, "domains",
                             table_list(x->table)));
}

/* From now on it does not end by itself. */
static void verb_stay(struct client *c, const json_t *request)
{
    struct xend *x = c->server->x;

    if (x->on_demand) {
        x->on_demand = false;
        xend_log(XEND_INFO, "xend stays");
        relocation_open(x);
        table_autostart(x->table);
    }
    send_result(c, 0, NULL);
}

static void on_started(void *arg, int result, const struct err *err)
{
    struct client *c = arg;

    c->due--;
    send_result(c, result, err);
    if (c->gone && c->due == 0)
        client_free(c);
}

/* The answer comes when its guest runs. */
static void verb_start(struct client *c, const json_t *request)
{
    struct err err = {0};

    if (table_start(c->server->x->table, json_get_string(request, "name", ""), on_started, c,
                    &err) < 0)
        send_result(c, -1, &err);
    else
        c->due++;
}

static const struct {
    const char *name;
    verb_fn *fn;
} verbs[] = {
    {"status", verb_status},
    {"stay", verb_stay},
    {"start", verb_start},
};

static void handle_request(struct client *c, const char *line, size_t len)
{
    struct err err = {0};
    json_t *request = NULL;
    const char *verb;

    if (json_parse_object(line, len, &request, &err) < 0) {
        send_result(c, -1, &err);
        return;
    }
    verb = json_get_string(request, "verb", "");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(verb, verbs[i].name) == 0) {
            verbs[i].fn(c, request);
            json_decref(request);
            return;
        }
    }
    json_decref(request);
    err_set(&err, ENOTSUP, "unknown verb");
    send_result(c, -1, &err);
}

static int on_client(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
    struct client *c = arg;
    ssize_t n = recv(fd, c->request + c->used, sizeof(c->request) - c->used, MSG_DONTWAIT);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n > 0)
        c->used += (size_t)n;
    while (c->used > 0 && (end = memchr(c->request, '\n', c->used))) {
        size_t len = (size_t)(end + 1 - c->request);

        handle_request(c, c->request, len);
        c->used -= len;
        memmove(c->request, end + 1, c->used);
    }
    if (n <= 0 || c->used == sizeof(c->request))
        client_close(c);
    return 0;
}

static void accept_client(struct server *s, int fd)
{
    struct client *c = NULL;
    struct ucred cred = {.uid = (uid_t)-1};
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
        (cred.uid != geteuid() && cred.uid != 0))
        xend_log(XEND_WARNING, "user %u is not served", cred.uid);
    else if (s->nr_clients < MAX_CLIENTS)
        c = calloc(1, sizeof(*c));
    if (!c || sd_event_add_io(s->x->event, &c->source, fd, EPOLLIN, on_client, c) < 0) {
        free(c);
        close(fd);
        return;
    }
    c->server = s;
    c->fd = fd;
    c->next = s->clients;
    s->clients = c;
    s->nr_clients++;
}

static int on_listen(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client >= 0)
        accept_client(arg, client);
    return 0;
}

int server_create(struct server **ret, struct xend *x, int listen_fd, struct err *err)
{
    struct server *s = calloc(1, sizeof(*s));
    int r = s ? sd_event_add_io(x->event, &s->source, listen_fd, EPOLLIN, on_listen, s) : -ENOMEM;

    if (r < 0) {
        free(s);
        close(listen_fd);
        return err_set(err, -r, "cannot watch the socket: %s", strerror(-r));
    }
    s->x = x;
    s->listen_fd = listen_fd;
    *ret = s;
    return 0;
}

void server_destroy(struct server *s)
{
    if (!s)
        return;
    while (s->clients)
        client_free(s->clients);
    sd_event_source_unref(s->source);
    close(s->listen_fd);
    free(s);
}

bool server_is_idle(const struct server *s)
{
    return s->nr_clients == 0;
}
