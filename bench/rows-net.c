/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows-net.c - rows about a TCP connection to the host, and the other end of it.
 *
 * The host runs this program as server (net_serve()); BENCH_NET is its ADDRESS:PORT as the machine
 * that is measured sees it. Each connection begins with eight bytes: how many follow, and in the
 * top bits what for. A number of bytes that was sent is answered with one byte when all are
 * there, so that a run ends when the other side has everything.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "row.h"

#define CHUNK (64u << 10)
#define KIB_PER_CHUNK (CHUNK >> 10)
#define WANT_DATA (1ull << 62) /* the server sends */
#define ECHO (1ull << 63)      /* each byte comes back */
/* Enough for the order before them not to count: what answers nothing may be acknowledged late. */
#define ECHOES 200u
#define COUNT_MASK (WANT_DATA - 1)

static char chunk[CHUNK];
static int peer = -1;

static int write_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size) {
        ssize_t done = send(fd, p, size, MSG_NOSIGNAL);

        if (done < 0)
            return row_errno();
        p += done;
        size -= (size_t)done;
    }
    return 0;
}

static int read_all(int fd, void *data, size_t size)
{
    char *p = data;

    while (size) {
        ssize_t done = recv(fd, p, size, 0);

        if (done <= 0)
            return done < 0 ? row_errno() : -EPIPE;
        p += done;
        size -= (size_t)done;
    }
    return 0;
}

static int move_chunks(int fd, uint64_t n, int (*move)(int fd, void *data, size_t size))
{
    int rc = 0;

    while (n-- && !rc)
        rc = move(fd, chunk, sizeof(chunk));
    return rc;
}

static int write_chunk(int fd, void *data, size_t size)
{
    return write_all(fd, data, size);
}

/* --- the measured side ------------------------------------------------------------------ */

static int setup_net(void)
{
    const char *text = getenv("BENCH_NET");
    struct sockaddr_in to = {.sin_family = AF_INET};
    char address[64];
    unsigned port;
    int one = 1;

    if (!text)
        return -ENOTSUP;
    if (sscanf(text, "%63[0-9.]:%u", address, &port) != 2 || port > UINT16_MAX ||
        inet_pton(AF_INET, address, &to.sin_addr) != 1)
        return -EINVAL;
    to.sin_port = htons((uint16_t)port);
    peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer < 0)
        return row_errno();
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(peer, (struct sockaddr *)&to, sizeof(to))) {
        int rc = row_errno();

        close(peer);
        return rc;
    }
    return 0;
}

static void done_net(void)
{
    close(peer);
}

static int order(uint64_t what)
{
    return write_all(peer, &what, sizeof(what));
}

static int run_send(uint64_t n)
{
    int rc = order(n);

    if (!rc)
        rc = move_chunks(peer, n, write_chunk);
    return rc ? rc : read_all(peer, chunk, 1);
}

static int run_receive(uint64_t n)
{
    int rc = order(n | WANT_DATA);

    return rc ? rc : move_chunks(peer, n, read_all);
}

static int run_echo(uint64_t n)
{
    int rc;

    n *= ECHOES;
    rc = order(n | ECHO);
    while (n-- && !rc) {
        rc = write_all(peer, chunk, 1);
        if (!rc)
            rc = read_all(peer, chunk, 1);
    }
    return rc;
}

/* --- the host's side -------------------------------------------------------------------- */

static int serve_order(int fd, uint64_t what)
{
    uint64_t n = what & COUNT_MASK;
    int rc = 0;

    if (what & ECHO) {
        while (n-- && !rc) {
            rc = read_all(fd, chunk, 1);
            if (!rc)
                rc = write_all(fd, chunk, 1);
        }
        return rc;
    }
    if (what & WANT_DATA)
        return move_chunks(fd, n, write_chunk);
    rc = move_chunks(fd, n, read_all);
    return rc ? rc : write_all(fd, chunk, 1);
}

static void serve_connection(int fd)
{
    uint64_t what;
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    while (read_all(fd, &what, sizeof(what)) == 0 && serve_order(fd, what) == 0) {
    }
}

int net_serve(const char *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4) ||
        getsockname(fd, (struct sockaddr *)&at, &size)) {
        perror("serve");
        return 1;
    }
    signal(SIGCHLD, SIG_IGN);
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int client = accept(fd, NULL, NULL);

        if (client >= 0 && fork() == 0) {
            serve_connection(client);
            _exit(0);
        }
        close(client);
    }
}

const struct row net_rows[] = {
    {"net-send", "KiB", KIB_PER_CHUNK, setup_net, run_send, done_net},
    {"net-receive", "KiB", KIB_PER_CHUNK, setup_net, run_receive, done_net},
    {"net-echo", "byte there and back", ECHOES, setup_net, run_echo, done_net},
    {0},
};
