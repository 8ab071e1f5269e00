/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * client.c - the connection of a client: messages out and in, watch events. The requests are
 * in client_ops.c.
 *
 * The descriptor given away by xs_fd() is an epoll over the socket and an eventfd that is
 * raised while events wait in our own queue. While a request is sent, input is taken too, so
 * that two sides that both write cannot block each other.
 */
#define _GNU_SOURCE
#include "xenstore/client_priv.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/launcher.h"
#include "base/log.h"

#define SOCKET_NAME "xenstored.sock"
#define TIMEOUT_MS 10000
#define DISPATCH_MAX 64 /* events called back by one xs_dispatch() */

static uint64_t monotonic_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- the socket ------------------------------------------------------------------------- */

int xs_socket_path(char buf[static PATHS_MAX], struct err *err)
{
    char dir[PATHS_MAX];
    int rc = paths_run_dir(dir, err);

    if (rc < 0)
        return rc;
    if (snprintf(buf, PATHS_MAX, "%s/" SOCKET_NAME, dir) >= PATHS_MAX)
        return err_set(err, ENAMETOOLONG, "path too long: %s/" SOCKET_NAME, dir);
    return 0;
}

/* Fixed before the launcher is made: the store of a process that may not say which, and the domain
 * that it is to be for. */
static struct {
    char path[PATHS_MAX];
    domid_t domid;
    char uuid[40];
} fixed;

int xs_fix(char buf[static PATHS_MAX], domid_t domid, const uint8_t uuid[static 16],
           struct err *err)
{
    int rc = xs_socket_path(fixed.path, err);

    fixed.domid = domid;
    for (size_t i = 0, at = 0; i < 16; i++)
        at += (size_t)snprintf(fixed.uuid + at, sizeof(fixed.uuid) - at, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    if (rc == 0)
        memcpy(buf, fixed.path, sizeof(fixed.path));
    return rc;
}

/* sun_path is short and directories may be long: go through the directory's descriptor. */
static int open_socket(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    CLEANUP_CLOSE int dir_fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    CLEANUP_CLOSE int fd = -1;
    const struct timeval patience = {.tv_sec = TIMEOUT_MS / 1000};
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int len;

    if (dir_fd < 0)
        return err_set(err, errno, "cannot open %s: %s", dir ? dir : path, strerror(errno));
    len = snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir_fd,
                   slash ? slash + 1 : path);
    if (len < 0 || (size_t)len >= sizeof(sa.sun_path))
        return err_set(err, ENAMETOOLONG, "name too long: %s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* One that stands still, with many who wait, is not waited for for ever. */
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
        return err_set(err, errno, "cannot connect to xenstored at %s: %s", path, strerror(errno));
    return STEAL_FD(fd);
}

static bool watch_fd(int epoll_fd, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN};

    return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* Takes the descriptor. */
static int make_client(struct xs_client **ret, int fd, struct err *err)
{
    struct xs_client *c = calloc(1, sizeof(*c));
    int rc;

    if (!c) {
        close(fd);
        return err_set(err, ENOMEM, "out of memory");
    }
    c->fd = fd;
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!watch_fd(c->epoll_fd, c->fd) || !watch_fd(c->epoll_fd, c->event_fd)) {
        rc = err_set(err, errno, "epoll: %s", strerror(errno));
        xs_close(c);
        return rc;
    }
    *ret = c;
    return 0;
}

/* Have xenstored confine a connection to the domain. An older one does not know how to. On failure
 * *fd is closed: nobody is to have one that is free. */
static int confine(int *fd, struct err *err)
{
    char id[8];
    const struct xs_part parts[] = {
        {XS_CONTROL_CONFINE, sizeof(XS_CONTROL_CONFINE)},
        {id, (size_t)snprintf(id, sizeof(id), "%u", fixed.domid) + 1},
        {fixed.uuid, strlen(fixed.uuid) + 1},
    };
    struct xs_client *c;
    int rc = make_client(&c, STEAL_FD(*fd), err);

    if (rc < 0)
        return rc;
    rc = xs_request(c, XS_CONTROL, XS_NO_TX, parts, ARRAY_SIZE(parts));
    if (rc == -EINVAL)
        log_msg(LOG_WARN, "xenstore",
                "xenstored is older than this: the domain's process can reach "
                "other domains' nodes");
    if (rc == 0 || rc == -EINVAL)
        *fd = STEAL_FD(c->fd);
    xs_close(c);
    return *fd < 0 ? err_set(err, -rc, "xenstored refuses a connection: %s", strerror(-rc)) : 0;
}

int xs_connect_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    const char *asked = request->data;
    struct err err = {0};
    int rc;

    if (request->size == 0 || asked[request->size - 1])
        return -EINVAL;
    reply->fd = open_socket(fixed.path[0] ? fixed.path : asked, &err);
    rc = reply->fd < 0 ? reply->fd : fixed.path[0] ? confine(&reply->fd, &err) : 0;
    if (rc < 0) {
        launcher_answer(reply, err.msg, strlen(err.msg) + 1);
    }
    return rc;
}

static int connect_socket(const char *path, struct err *err)
{
    const struct launcher_request request = {path, strlen(path) + 1, NULL, 0};
    struct launcher_reply reply;
    int rc = launcher_ask(xs_connect_service, &request, &reply);

    if (rc < 0)
        return err_set(err, -rc, "%.*s", (int)reply.size, reply.size ? reply.data : strerror(-rc));
    return reply.fd;
}

int xs_connect(struct xs_client **ret, const char *socket_path, struct err *err)
{
    int fd = connect_socket(socket_path, err);

    return fd < 0 ? fd : make_client(ret, fd, err);
}

static void free_events(struct xs_client *c)
{
    while (c->events) {
        struct xs_event *e = c->events;

        c->events = e->next;
        free(e);
    }
}

void xs_close(struct xs_client *c)
{
    if (!c)
        return;
    free_events(c);
    while (c->watches) {
        struct xs_watch *w = c->watches;

        c->watches = w->next;
        free(w);
    }
    if (c->fd >= 0)
        close(c->fd);
    if (c->epoll_fd >= 0)
        close(c->epoll_fd);
    if (c->event_fd >= 0)
        close(c->event_fd);
    free(c);
}

/* --- messages in ------------------------------------------------------------------------ */

static void raise_event_fd(struct xs_client *c, bool up)
{
    uint64_t count = 1;

    /* Both ends are ours: neither can fail but for a counter that says the same already. */
    if (up ? write(c->event_fd, &count, sizeof(count)) < 0
           : read(c->event_fd, &count, sizeof(count)) < 0)
        return;
}

/* The message in c->hdr, c->body is an event: keep it for xs_dispatch(). */
static int queue_event(struct xs_client *c)
{
    size_t path_len = strnlen(c->body, c->hdr.len);
    struct xs_event *e, **tail = &c->events;

    if (path_len == c->hdr.len)
        return -EPROTO;
    e = malloc(sizeof(*e) + path_len + 1);
    if (!e)
        return -ENOMEM;
    memcpy(e->path, c->body, path_len + 1);
    e->token = strtoull(c->body + path_len + 1, NULL, 10); /* a NUL is behind the body */
    e->next = NULL;
    if (c->events)
        tail = &c->last_event->next;
    else
        raise_event_fd(c, true);
    *tail = c->last_event = e;
    c->nr_events++;
    return 0;
}

/* Take what is there of the current message. 1: it is complete; 0: not yet; or -errno. */
static int take(struct xs_client *c)
{
    for (;;) {
        size_t head = sizeof(c->hdr);
        bool in_head = c->got < head;
        void *to = in_head ? (char *)&c->hdr + c->got : c->body + (c->got - head);
        size_t want = in_head ? head - c->got : head + c->hdr.len - c->got;
        ssize_t n;

        if (!want) {
            c->body[c->hdr.len] = '\0';
            c->got = 0;
            return 1;
        }
        n = recv(c->fd, to, want, MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
            return -ECONNRESET;
        c->got += (size_t)n;
        if (in_head && c->got == head && c->hdr.len > XENSTORE_PAYLOAD_MAX)
            return -EPROTO;
    }
}

/* As take(); an event is queued. */
static int take_event(struct xs_client *c)
{
    int rc = take(c);

    if (rc > 0 && c->hdr.type == XS_WATCH_EVENT) {
        rc = queue_event(c);
        return rc < 0 ? rc : 1;
    }
    return rc;
}

/* As take(), for the next message that is not an event. */
static int take_answer(struct xs_client *c)
{
    int rc;

    do {
        rc = take_event(c);
    } while (rc > 0 && c->hdr.type == XS_WATCH_EVENT);
    return rc;
}

/* --- requests --------------------------------------------------------------------------- */

/* The connection is of no use any more. */
static int lose(struct xs_client *c, int rc)
{
    c->lost = rc;
    return rc;
}

static int wait_for(const struct xs_client *c, short events, uint64_t until)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    uint64_t now = monotonic_ms();

    if (now >= until)
        return -ETIMEDOUT;
    return poll(&p, 1, (int)(until - now)) < 0 && errno != EINTR ? -errno : 0;
}

/* Send one message. An answer that comes meanwhile belongs to a request that timed out. */
static int send_request(struct xs_client *c, const void *data, size_t size, uint64_t until)
{
    size_t done = 0;
    int rc = 0;

    while (done < size) {
        ssize_t n =
            send(c->fd, (const char *)data + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0) {
            done += (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return lose(c, errno == EPIPE ? -ECONNRESET : -errno);
        do {
            rc = take_answer(c);
        } while (rc > 0);
        if (rc == 0)
            rc = wait_for(c, POLLIN | POLLOUT, until);
        if (rc < 0) /* also after a timeout: half a message is out */
            return lose(c, rc);
    }
    return 0;
}

static int receive_answer(struct xs_client *c, uint32_t type, uint32_t id, uint64_t until)
{
    for (;;) {
        int rc = take_answer(c);

        if (rc < 0)
            return lose(c, rc);
        if (rc == 0) {
            rc = wait_for(c, POLLIN, until);
            if (rc < 0)
                return rc;
        } else if (c->hdr.req_id == id) {
            if (c->hdr.type == XS_ERROR)
                return -xs_error_code(c->body, c->hdr.len);
            return c->hdr.type == type ? 0 : lose(c, -EPROTO);
        }
    }
}

int xs_request(struct xs_client *c, uint32_t type, xs_tx_t tx, const struct xs_part *parts,
               size_t count)
{
    struct {
        struct xsd_sockmsg hdr;
        char body[XENSTORE_PAYLOAD_MAX];
    } q = {.hdr = {.type = type, .req_id = ++c->last_id, .tx_id = tx}};
    uint64_t until = monotonic_ms() + TIMEOUT_MS;
    int rc;

    if (c->lost)
        return c->lost;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > sizeof(q.body) - q.hdr.len)
            return -E2BIG;
        memcpy(q.body + q.hdr.len, parts[i].data, parts[i].len);
        q.hdr.len += (uint32_t)parts[i].len;
    }
    rc = send_request(c, &q, sizeof(q.hdr) + q.hdr.len, until);
    return rc < 0 ? rc : receive_answer(c, type, q.hdr.req_id, until);
}

/* --- watches ---------------------------------------------------------------------------- */

static int request_watch(struct xs_client *c, uint32_t type, const struct xs_watch *w)
{
    char token[24];
    const struct xs_part parts[] = {
        {w->path, strlen(w->path) + 1},
        {token, (size_t)snprintf(token, sizeof(token), "%llu", w->token) + 1},
    };

    return xs_request(c, type, XS_NO_TX, parts, ARRAY_SIZE(parts));
}

int xs_watch(struct xs_client *c, const char *path, xs_watch_fn *fn, void *arg,
             struct xs_watch **ret)
{
    size_t size = strlen(path) + 1;
    struct xs_watch *w = malloc(sizeof(*w) + size);
    int rc;

    if (!w)
        return -ENOMEM;
    *w = (struct xs_watch){.token = ++c->last_token, .fn = fn, .arg = arg};
    memcpy(w->path, path, size);
    rc = request_watch(c, XS_WATCH, w);
    if (rc < 0) {
        free(w);
        return rc;
    }
    w->next = c->watches;
    c->watches = w;
    *ret = w;
    return 0;
}

void xs_unwatch(struct xs_client *c, struct xs_watch *w)
{
    struct xs_watch **p = &c->watches;

    if (!w)
        return;
    while (*p != w)
        p = &(*p)->next;
    *p = w->next;
    if (!c->lost)
        (void)request_watch(c, XS_UNWATCH, w); /* its events find no watch any more anyhow */
    free(w);
}

static void call_back(const struct xs_client *c, const struct xs_event *e)
{
    for (const struct xs_watch *w = c->watches; w; w = w->next) {
        if (w->token == e->token) {
            w->fn(w->arg, e->path);
            return; /* w may be gone */
        }
    }
}

int xs_fd(const struct xs_client *c)
{
    return c->epoll_fd;
}

int xs_dispatch(struct xs_client *c)
{
    int rc;

    /* An answer that comes now belongs to a request that timed out. */
    while (!c->lost && c->nr_events < DISPATCH_MAX) {
        rc = take_event(c);
        if (rc < 0)
            lose(c, rc);
        if (rc <= 0)
            break;
    }
    for (unsigned int i = 0; c->events && i < DISPATCH_MAX; i++) {
        struct xs_event *e = c->events;

        c->events = e->next;
        c->nr_events--;
        if (!c->events)
            raise_event_fd(c, false);
        call_back(c, e);
        free(e);
    }
    return c->events ? 0 : c->lost;
}
