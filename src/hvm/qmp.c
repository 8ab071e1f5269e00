/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qmp.c - see qmp.h. One JSON object a line, both ways.
 */
#define _GNU_SOURCE
#include "hvm/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/log.h"

#define BUFFER_MAX (1024 * 1024)
#define READS_MAX 64    /* at a time */
#define EVENTS_MAX 1024 /* kept; more come from a device model that has gone mad */

struct qmp {
    int fd;
    bool lost;
    char *buf;
    size_t used;
    json_t *events; /* array of whole messages */
    json_t *answer; /* the message that is no event, until it is taken */
    unsigned int last_id;
    qmp_event_fn *fn;
    void *arg;
};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void take_message(struct qmp *q, const char *line, size_t len)
{
    json_t *message = NULL;

    if (json_parse_object(line, len, &message, NULL) < 0) {
        log_guest(LOG_WARN, "hvm", "the device model says something that is no JSON");
        return;
    }
    if (!json_object_get(message, "event")) {
        json_decref(q->answer);
        q->answer = message;
    } else if (json_array_size(q->events) >= EVENTS_MAX ||
               json_array_append_new(q->events, message) < 0) {
        log_guest(LOG_WARN, "hvm", "the device model sends too many events");
    }
}

static void take_lines(struct qmp *q)
{
    char *end, *at = q->buf;
    size_t left = q->used;

    while ((end = memchr(at, '\n', left))) {
        size_t n = (size_t)(end - at);

        if (n > 0)
            take_message(q, at, n);
        left -= n + 1;
        at = end + 1;
    }
    memmove(q->buf, at, left);
    q->used = left;
}

/* Read what is there, but not for ever: one that has gone mad may send faster than we read.
 * -ECONNRESET at the end. */
static int fill(struct qmp *q)
{
    ssize_t n = 1;

    for (int i = 0; i < READS_MAX && !q->lost && n > 0; i++) {
        n = recv(q->fd, q->buf + q->used, BUFFER_MAX - q->used, MSG_DONTWAIT);
        if (n > 0) {
            q->used += (size_t)n;
            take_lines(q);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            q->lost = true;
        }
        if (q->used == BUFFER_MAX)
            q->lost = true; /* a line without end */
    }
    return q->lost ? -ECONNRESET : 0;
}

/* Until there is an answer; 0, -ETIMEDOUT or -ECONNRESET. */
static int wait_answer(struct qmp *q, int64_t until)
{
    int rc = now_ms() >= until ? -ETIMEDOUT : fill(q);

    while (rc == 0 && !q->answer) {
        struct pollfd p = {.fd = q->fd, .events = POLLIN};
        int64_t left = until - now_ms();

        if (left <= 0)
            return -ETIMEDOUT;
        (void)poll(&p, 1, (int)left);
        rc = fill(q);
    }
    return q->answer ? 0 : rc;
}

static int send_line(struct qmp *q, const char *text, int fd)
{
    /* Its buffer takes a command as a whole: there is never more than one under way. */
    return fdpass_send(q->fd, text, strlen(text), fd, MSG_DONTWAIT) ? 0 : -ECONNRESET;
}

static int fail(int rc, const char *command, struct err *err)
{
    if (rc == -ETIMEDOUT)
        return err_set(err, ETIMEDOUT, "the device model does not answer (%s)", command);
    return err_set(err, ECONNRESET, "the device model has gone away (%s)", command);
}

/* The answer to our command, behind those that came too late for earlier ones. */
static int take_answer(struct qmp *q, const char *command, int64_t until, json_t **ret,
                       struct err *err)
{
    const json_t *error;
    int rc;

    do {
        json_decref(q->answer);
        q->answer = NULL;
        rc = wait_answer(q, until);
    } while (rc == 0 && json_get_int(q->answer, "id", 0) != q->last_id);
    if (rc < 0)
        return fail(rc, command, err);
    error = json_object_get(q->answer, "error");
    if (error)
        rc = err_set(err, EIO, "the device model refuses %s: %s", command,
                     json_get_string(error, "desc", "without a reason"));
    else if (ret)
        *ret = json_incref(json_object_get(q->answer, "return"));
    json_decref(q->answer);
    q->answer = NULL;
    return rc;
}

int qmp_execute(struct qmp *q, const char *command, json_t *arguments, int fd, int patience_ms,
                json_t **ret, struct err *err)
{
    CLEANUP_FREE char *line = NULL;
    json_t *message = json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)++q->last_id);
    int rc;

    if (arguments)
        json_object_set_new(message, "arguments", arguments);
    line = message ? json_to_line(message) : NULL;
    json_decref(message);
    if (!line)
        return err_set(err, ENOMEM, "out of memory");
    rc = q->lost ? -ECONNRESET : send_line(q, line, fd);
    if (rc < 0)
        return fail(rc, command, err);
    return take_answer(q, command, now_ms() + patience_ms, ret, err);
}

int qmp_open(struct qmp **ret, int fd, qmp_event_fn *fn, void *arg, struct err *err)
{
    struct qmp *q = calloc(1, sizeof(*q));
    int rc;

    if (q) {
        *q = (struct qmp){.fd = fd, .fn = fn, .arg = arg};
        q->buf = malloc(BUFFER_MAX);
        q->events = json_array();
    }
    if (!q || !q->buf || !q->events) {
        if (q)
            qmp_close(q);
        else
            close(fd);
        return err_set(err, ENOMEM, "out of memory");
    }
    rc = wait_answer(q, now_ms() + QMP_PATIENCE_MS); /* the greeting */
    if (rc < 0)
        rc = fail(rc, "greeting", err);
    else
        rc = qmp_execute(q, "qmp_capabilities", NULL, -1, QMP_PATIENCE_MS, NULL, err);
    if (rc < 0)
        qmp_close(q);
    else
        *ret = q;
    return rc;
}

void qmp_close(struct qmp *q)
{
    if (!q)
        return;
    json_decref(q->events);
    json_decref(q->answer);
    free(q->buf);
    close(q->fd);
    free(q);
}

int qmp_fd(const struct qmp *q)
{
    return q->fd;
}

int qmp_dispatch(struct qmp *q)
{
    int rc = fill(q);

    while (json_array_size(q->events) > 0) {
        json_t *message = json_incref(json_array_get(q->events, 0));

        json_array_remove(q->events, 0);
        q->fn(q->arg, json_get_string(message, "event", ""), json_object_get(message, "data"));
        json_decref(message);
    }
    return rc;
}
