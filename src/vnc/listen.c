/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * listen.c - see listen.h.
 */
#define _GNU_SOURCE
#include "vnc/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 8
#define MAX_TRIES 1000

static void set_port(struct sockaddr *sa, unsigned int port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)sa)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)sa)->sin_port = htons((uint16_t)port);
}

static int open_one(const struct addrinfo *a, unsigned int port)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, e;

    if (fd < 0)
        return -errno;
    set_port(a->ai_addr, port);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    e = errno;
    close(fd);
    return -e;
}

/* Some hosts have names for addresses that they lack: one is enough, if no port is taken. */
static int open_all(const struct addrinfo *list, unsigned int port, int *fds, unsigned int *count)
{
    int rc = -EADDRNOTAVAIL;

    *count = 0;
    for (const struct addrinfo *a = list; a && *count < LISTEN_MAX; a = a->ai_next) {
        int fd = open_one(a, port);

        if (fd >= 0)
            fds[(*count)++] = fd;
        else
            rc = fd;
        if (fd == -EADDRINUSE)
            break;
    }
    if (rc != -EADDRINUSE && *count > 0)
        return 0;
    while (*count > 0)
        close(fds[--*count]);
    return rc;
}

int listen_open(int fds[static LISTEN_MAX], unsigned int *count, const char *name,
                unsigned int display, bool unused, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    unsigned int port = VNC_BASE_PORT + display, last = port + (unused ? MAX_TRIES : 0);
    int rc = getaddrinfo(name[0] ? name : NULL, "0", &hints, &list);

    if (rc != 0)
        return err_set(err, EADDRNOTAVAIL, "vnclisten '%s': %s", name, gai_strerror(rc));
    do
        rc = port <= 65535 ? open_all(list, port, fds, count) : -EADDRINUSE;
    while (rc == -EADDRINUSE && port++ < last);
    freeaddrinfo(list);
    if (rc < 0)
        return err_set(err, -rc, "cannot listen on %s, port %u: %s", name, VNC_BASE_PORT + display,
                       strerror(-rc));
    return (int)port;
}
