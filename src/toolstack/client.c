/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * client.c - see client.h.
 */
#define _GNU_SOURCE
#include "toolstack/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "toolstack/registry.h"

#define ANSWER_MAX (256 * 1024)

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Takes request. */
static int send_json(int fd, json_t *request, struct err *err)
{
    CLEANUP_FREE char *line = request ? json_to_line(request) : NULL;
    int rc = line ? io_write_all(fd, line, strlen(line)) : -ENOMEM;

    json_decref(request);
    return rc < 0 ? err_set(err, -rc, "cannot reach the domain process: %s", strerror(-rc)) : 0;
}

int client_send(int fd, const char *verb, struct err *err)
{
    return send_json(fd, json_pack("{s:s}", "verb", verb), err);
}

/* Up to and with the newline; what follows it stays in the socket (a console's bytes). */
static int read_line(int fd, int64_t until, char **ret, size_t *ret_len, struct err *err)
{
    CLEANUP_FREE char *buf = malloc(ANSWER_MAX);
    size_t used = 0;

    while (buf && used < ANSWER_MAX) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        int64_t rest = until < 0 ? -1 : until - now_ms();
        const char *newline;
        ssize_t n;

        if (until >= 0 && rest <= 0)
            return err_set(err, ETIMEDOUT, "the domain process does not answer");
        if (poll(&pfd, 1, (int)rest) <= 0)
            continue;
        n = recv(fd, buf + used, ANSWER_MAX - used, MSG_PEEK);
        if (n <= 0)
            return err_set(err, ECONNRESET, "the domain process went away");
        newline = memchr(buf + used, '\n', (size_t)n);
        n = recv(fd, buf + used, newline ? (size_t)(newline + 1 - (buf + used)) : (size_t)n, 0);
        if (n <= 0)
            return err_set(err, ECONNRESET, "the domain process went away");
        used += (size_t)n;
        if (newline) {
            *ret = STEAL_PTR(buf);
            *ret_len = used;
            return 0;
        }
    }
    return err_set(err, EPROTO, "the domain process sends nonsense");
}

int client_receive(int fd, int timeout_ms, json_t **ret, struct err *err)
{
    CLEANUP_FREE char *line = NULL;
    json_t *answer = NULL;
    size_t len = 0;
    int rc = read_line(fd, timeout_ms < 0 ? -1 : now_ms() + timeout_ms, &line, &len, err);

    if (rc == 0)
        rc = json_parse_object(line, len, &answer, err);
    if (rc < 0)
        return rc;
    if (!json_get_bool(answer, "ok", false)) {
        rc = err_set(err, EREMOTEIO, "%s", json_get_string(answer, "error", "unknown error"));
        json_decref(answer);
        return rc;
    }
    *ret = answer;
    return 0;
}

int client_call(domid_t domid, json_t *request, int timeout_ms, json_t **ret, struct err *err)
{
    CLEANUP_CLOSE int fd = registry_connect(domid, err);
    int rc;

    if (fd < 0) {
        json_decref(request);
        return fd;
    }
    rc = send_json(fd, request, err);
    return rc < 0 ? rc : client_receive(fd, timeout_ms, ret, err);
}

/* One byte that starts the line is enough to carry it. */
static int send_fd(int sock, int fd, struct err *err)
{
    if (!fdpass_send(sock, " ", 1, fd, 0))
        return err_set(err, errno, "cannot reach the domain process: %s", strerror(errno));
    return 0;
}

int client_call_with_fd(domid_t domid, json_t *request, int with_fd, int timeout_ms, json_t **ret,
                        struct err *err)
{
    CLEANUP_CLOSE int fd = registry_connect(domid, err);
    int rc = fd < 0 ? fd : send_fd(fd, with_fd, err);

    if (rc < 0) {
        json_decref(request);
        return rc;
    }
    rc = send_json(fd, request, err);
    return rc < 0 ? rc : client_receive(fd, timeout_ms, ret, err);
}
