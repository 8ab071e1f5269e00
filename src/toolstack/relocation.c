/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relocation.c - see relocation.h. Lines are read byte by byte: what follows them is not theirs.
 */
#define _GNU_SOURCE
#include "toolstack/relocation.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "config/sxp.h"

#define PIECE 262144
#define DATA_TIMEOUT_MS 60000
#define CONNECT_SECONDS 30

/* --- lines -------------------------------------------------------------------------------- */

int relocation_say(const struct relocation *r, struct err *err, const char *fmt, ...)
{
    char line[RELOCATION_LINE];
    va_list ap;
    int n, rc;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof(line) - 1)
        return err_set(err, EMSGSIZE, "a line to %s would be too long", r->peer);
    line[n++] = '\n';
    rc = io_write_all(r->out, line, (size_t)n);
    return rc < 0 ? err_set(err, -rc, "cannot send to %s: %s", r->peer, strerror(-rc)) : 0;
}

void relocation_fail(const struct relocation *r, const struct err *why)
{
    char text[RELOCATION_LINE / 2];
    size_t n = 0;

    for (const char *p = why->msg; *p && n < sizeof(text) - 2; p++) {
        if (*p == '\'' || *p == '\\')
            text[n++] = '\\';
        if ((unsigned char)*p >= 0x20)
            text[n++] = *p;
    }
    text[n] = '\0';
    if (relocation_say(r, NULL, "(err (type XendError) (value '%s'))", text) < 0)
        return; /* nobody is there to be told */
}

static int wait_for(const struct relocation *r, int timeout_ms, struct err *err)
{
    struct pollfd pfd = {.fd = r->in, .events = POLLIN};
    int n;

    do
        n = poll(&pfd, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : err_set(err, ETIMEDOUT, "%s does not answer", r->peer);
}

static int read_some(const struct relocation *r, void *buf, size_t size, int timeout_ms,
                     struct err *err)
{
    int rc = wait_for(r, timeout_ms, err);
    ssize_t n = rc < 0 ? 0 : read(r->in, buf, size);

    if (rc < 0)
        return rc;
    if (n < 0)
        return err_set(err, errno, "cannot read from %s: %s", r->peer, strerror(errno));
    return n == 0 ? err_set(err, ECONNRESET, "%s has closed the connection", r->peer) : (int)n;
}

/* What a peer says reaches a person's terminal. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

/* (err (type T) (value TEXT)): -EREMOTEIO and the text. */
static int check_failure(const struct relocation *r, const char *line, struct err *err)
{
    struct arena a = {0};
    struct sxp *all;
    const struct sxp *failure = NULL, *value = NULL;
    int rc = 0;

    if (sxp_parse(&a, r->peer, line, strlen(line), &all, NULL) == 0)
        failure = sxp_find(all, "err");
    if (failure)
        value = sxp_find(failure, "value");
    if (failure) {
        char text[RELOCATION_LINE];

        snprintf(text, sizeof(text), "%s",
                 value && sxp_value(value) ? sxp_value(value) : "no reason given");
        make_plain(text);
        rc = err_set(err, EREMOTEIO, "%s (from %s)", text, r->peer);
    }
    arena_done(&a);
    return rc;
}

int relocation_hear(const struct relocation *r, char line[static RELOCATION_LINE], int timeout_ms,
                    struct err *err)
{
    size_t n = 0;

    for (;;) {
        int rc = read_some(r, line + n, 1, timeout_ms, err);

        if (rc < 0)
            return rc;
        if (line[n] == '\n')
            break;
        if (++n == RELOCATION_LINE)
            return err_set(err, EPROTO, "%s does not speak as a xend does", r->peer);
    }
    line[n] = '\0';
    if (check_failure(r, line, err) < 0)
        return -EREMOTEIO;
    make_plain(line);
    return 0;
}

/* --- the file ----------------------------------------------------------------------------- */

int relocation_send_file(const struct relocation *r, int fd, struct err *err)
{
    CLEANUP_FREE char *buf = malloc(PIECE);
    off_t at = 0;

    if (!buf)
        return err_set(err, ENOMEM, "out of memory");
    for (;;) {
        ssize_t n = pread(fd, buf, PIECE, at);
        int rc;

        if (n < 0)
            return err_set(err, errno, "cannot read the saved domain: %s", strerror(errno));
        if (n == 0)
            return 0;
        rc = io_write_all(r->out, buf, (size_t)n);
        if (rc < 0)
            return err_set(err, -rc, "cannot send to %s: %s", r->peer, strerror(-rc));
        at += n;
    }
}

int relocation_take_file(const struct relocation *r, int fd, uint64_t size, struct err *err)
{
    CLEANUP_FREE char *buf = malloc(PIECE);

    if (!buf)
        return err_set(err, ENOMEM, "out of memory");
    while (size > 0) {
        int n = read_some(r, buf, size < PIECE ? size : PIECE, DATA_TIMEOUT_MS, err), rc;

        if (n < 0)
            return n;
        rc = io_write_all(fd, buf, (size_t)n);
        if (rc < 0)
            return err_set(err, -rc, "cannot keep the domain: %s", strerror(-rc));
        size -= (uint64_t)n;
    }
    return 0;
}

/* --- connections -------------------------------------------------------------------------- */

static int connect_one(const struct addrinfo *a)
{
    const struct timeval limit = {.tv_sec = CONNECT_SECONDS};
    CLEANUP_CLOSE int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? -errno : STEAL_FD(fd);
}

int relocation_connect(const char *host, const char *port, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(host, port, &hints, &found), fd = -EHOSTUNREACH;

    if (r != 0)
        return err_set(err, EHOSTUNREACH, "%s: %s", host, gai_strerror(r));
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = connect_one(a);
    freeaddrinfo(found);
    return fd < 0 ? err_set(err, -fd, "cannot connect to %s port %s: %s", host, port, strerror(-fd))
                  : fd;
}
