/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relocation.c - see relocation.h. Each connection is a child's (xm migrate-receive), who first
 * looks whether its peer is one that may: that can take time, and nothing in xend waits.
 */
#define _GNU_SOURCE
#include "xend/relocation.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "toolstack/xend_config.h"
#include "toolstack/xend_log.h"
#include "xend/child.h"

#define MAX_ARRIVALS 16 /* at the same time */
#define BACKLOG 16

static void on_end(struct xend *x, void *arg, int result, const struct err *err)
{
    x->arrivals--;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
    static const char *const argv[] = {"xm", "migrate-receive", "--relocation", NULL};
    struct xend *x = arg;
    CLEANUP_CLOSE int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    struct err err = {0};

    if (sock < 0)
        return 0;
    if (x->stopping || x->arrivals >= MAX_ARRIVALS)
        xend_log(XEND_WARNING, "no more domains are taken at present");
    else if (child_start_on(x, sock, argv[0], argv, on_end, NULL, &err) < 0)
        xend_log(XEND_ERROR, "a domain cannot be taken: %s", err.msg);
    else
        x->arrivals++;
    return 0;
}

static int listen_at(const struct addrinfo *a)
{
    CLEANUP_CLOSE int fd =
        socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    const int one = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (a->ai_family == AF_INET6) /* IPv4 has a socket of its own */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    return bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ? -errno
                                                                              : STEAL_FD(fd);
}

static void open_one(struct xend *x, const struct addrinfo *a)
{
    sd_event_source **source = &x->listeners[x->nr_listeners];
    int fd = listen_at(a);

    if (fd < 0 || sd_event_add_io(x->event, source, fd, EPOLLIN, on_connection, x) < 0) {
        xend_log(XEND_ERROR, "xend-relocation-server: cannot listen: %s", strerror(-fd));
        if (fd >= 0)
            close(fd);
        return;
    }
    sd_event_source_set_io_fd_own(*source, true);
    x->nr_listeners++;
}

void relocation_open(struct xend *x)
{
    const struct xend_config *c = xend_config_own();
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    const char *address = xend_config_string(c, "xend-relocation-address");
    const char *port = xend_config_string(c, "xend-relocation-port");
    struct addrinfo *found = NULL;
    int r;

    relocation_close(x);
    if (x->on_demand || !xend_config_bool(c, "xend-relocation-server"))
        return;
    r = getaddrinfo(address[0] ? address : NULL, port, &hints, &found);
    if (r != 0) {
        xend_log(XEND_ERROR, "xend-relocation-server: %s port %s: %s", address, port,
                 gai_strerror(r));
        return;
    }
    for (const struct addrinfo *a = found; a && x->nr_listeners < XEND_MAX_LISTENERS;
         a = a->ai_next)
        open_one(x, a);
    freeaddrinfo(found);
    if (x->nr_listeners)
        xend_log(XEND_INFO, "domains of other hosts are taken at %s port %s",
                 address[0] ? address : "any address,", port);
}

void relocation_close(struct xend *x)
{
    while (x->nr_listeners > 0)
        sd_event_source_disable_unref(x->listeners[--x->nr_listeners]);
}
