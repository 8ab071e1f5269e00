/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * link_stream.c - frames over a stream socket, as passt and QEMU's stream netdev speak them.
 *
 * What the socket does not take of a frame stays in `rest`; until that has gone nothing more
 * is accepted, so that a slow peer slows the guest down instead of losing its frames.
 * Received bytes are collected in `in`, from which whole frames are handed out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/net/frame.h"
#include "backend/net/link.h"
#include "base/io.h"

#define HEAD 4u
#define IN_SIZE (4 * (NET_FRAME_MAX + HEAD))

struct stream {
    struct net_link link;
    uint8_t rest[NET_FRAME_MAX + HEAD];
    size_t rest_at, rest_end;
    size_t in_at, in_end;
    uint8_t in[IN_SIZE];
};

static int fail(struct net_link *l)
{
    l->lost = true;
    l->blocked = false;
    return -EIO;
}

/* 0 or -EAGAIN or -EIO. */
static int flush(struct stream *s)
{
    while (s->rest_at < s->rest_end) {
        ssize_t n = send(s->link.fd, s->rest + s->rest_at, s->rest_end - s->rest_at,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail(&s->link);
        if (n < 0) {
            s->link.blocked = true;
            return -EAGAIN;
        }
        s->rest_at += (size_t)n;
    }
    s->rest_at = s->rest_end = 0;
    s->link.blocked = false;
    return 0;
}

static int stream_send(struct net_link *l, const struct net_frame *f)
{
    struct stream *s = (struct stream *)l;
    uint32_t head = htonl((uint32_t)f->len);
    struct iovec iov[2] = {{&head, HEAD}, {f->data, f->len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    size_t done = 0;
    int rc = flush(s);
    ssize_t n;

    if (rc < 0)
        return rc;
    n = sendmsg(l->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return fail(l);
    if (n > 0)
        done = (size_t)n;
    if (done == HEAD + f->len)
        return 0;
    memcpy(s->rest, &head, HEAD);
    memcpy(s->rest + HEAD, f->data, f->len);
    s->rest_at = done;
    s->rest_end = HEAD + f->len;
    l->blocked = true;
    return 0;
}

/* More bytes behind what is there; it is moved only when a frame would not fit behind it any
 * more. 0 or -EAGAIN. */
static int fill(struct stream *s)
{
    ssize_t n;

    if (s->in_at == s->in_end || IN_SIZE - s->in_at < HEAD + NET_FRAME_MAX) {
        memmove(s->in, s->in + s->in_at, s->in_end - s->in_at);
        s->in_end -= s->in_at;
        s->in_at = 0;
    }
    n = recv(s->link.fd, s->in + s->in_end, IN_SIZE - s->in_end, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    if (n <= 0) {
        fail(&s->link);
        return -EAGAIN;
    }
    s->in_end += (size_t)n;
    return 0;
}

static int stream_receive(struct net_link *l, uint8_t *buf, struct net_frame *ret)
{
    struct stream *s = (struct stream *)l;

    for (;;) {
        size_t have = s->in_end - s->in_at;
        uint32_t len = 0;

        if (have >= HEAD) {
            memcpy(&len, s->in + s->in_at, HEAD);
            len = ntohl(len);
            if (len < NET_FRAME_MIN || len > NET_FRAME_MAX) {
                fail(l);
                return -EAGAIN;
            }
        }
        if (have >= HEAD && have - HEAD >= len) {
            /* Whoever is at the other end of the socket is this host's. */
            *ret =
                (struct net_frame){.data = s->in + s->in_at + HEAD, .len = len, .validated = true};
            s->in_at += HEAD + len;
            /* passt (2023) resets without ACK, which is nothing to a guest that waits for the
             * answer to its SYN: it would try again for minutes where no server is. */
            net_frame_acknowledge_reset(ret);
            return 0;
        }
        if (l->lost || fill(s) < 0)
            return -EAGAIN;
    }
}

static void stream_flush(struct net_link *l)
{
    (void)flush((struct stream *)l);
}

static void stream_destroy(struct net_link *l)
{
    close(l->fd);
    free(l);
}

static const struct net_link_ops stream_ops = {.send = stream_send,
                                               .receive = stream_receive,
                                               .flush = stream_flush,
                                               .destroy = stream_destroy};

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int link_stream_create(struct net_link **ret, int fd, const char *name, struct err *err)
{
    struct stream *s = calloc(1, sizeof(*s));
    int rc = s && io_set_nonblock(fd, true) == 0 ? 0 : err_set(err, ENOMEM, "out of memory");

    if (rc == 0 && !is_stream(fd))
        rc = err_set(err, EINVAL, "the descriptor for %s is no stream socket", name);
    if (rc < 0) {
        free(s);
        close(fd);
        return rc;
    }
    s->link.ops = &stream_ops;
    s->link.fd = fd;
    snprintf(s->link.name, sizeof(s->link.name), "%s", name);
    *ret = &s->link;
    return 0;
}
