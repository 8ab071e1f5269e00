/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-qmp.c - QMP with a device model that is a thread of this test: answers, refusals, events
 * in between, late answers, and the nonsense that one may send that its guest has taken over.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "hvm/qmp.h"

#define ANSWER_BETWEEN_EVENTS                                                                      \
    "{\"event\":\"STOP\"}\n{\"return\":{\"a\":5},\"id\":ID}\n"                                     \
    "{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"-guest\"}}\n"
#define GREETING "{\"QMP\":{\"version\":{}}}\n"

/* What the peer says: the greeting, then one string for each line that it gets; NULL ends. "ID"
 * in it is the request's number. */
struct peer {
    int fd;
    const char *const *says;
    char heard[8][256];
    unsigned int nr_heard;
    pthread_t thread;
};

static char events[512];

static void on_event(void *arg, const char *event, const json_t *data)
{
    size_t used = strlen(events);

    snprintf(events + used, sizeof(events) - used, "%s%s ", event,
             json_get_string(data, "reason", ""));
}

static bool read_line(struct peer *p, char *to)
{
    size_t n = 0;

    while (n < 255 && recv(p->fd, to + n, 1, 0) == 1 && to[n] != '\n')
        n++;
    to[n] = '\0';
    return n > 0;
}

static void put_id(char *to, size_t size, const char *text, int id)
{
    const char *at = strstr(text, "ID}");

    if (at)
        snprintf(to, size, "%.*s%d%s", (int)(at - text), text, id, at + 2);
    else
        snprintf(to, size, "%s", text);
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;
    char text[512];

    for (const char *const *say = p->says; *say; say++) {
        const char *id = p->nr_heard ? strstr(p->heard[p->nr_heard - 1], "\"id\":") : NULL;

        put_id(text, sizeof(text), *say, id ? atoi(id + 5) : 0);
        if (send(p->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
            break;
        if (say[1] && !read_line(p, p->heard[p->nr_heard++]))
            break;
    }
    close(p->fd);
    return NULL;
}

static int open_with(struct peer *p, const char *const *says, struct qmp **ret, struct err *err)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    memset(p, 0, sizeof(*p));
    p->fd = pair[1];
    p->says = says;
    events[0] = '\0';
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
    assert_int_equal(io_set_nonblock(pair[0], true), 0);
    return qmp_open(ret, pair[0], on_event, NULL, err);
}

static int run(struct qmp *q, const char *command, json_t **ret, struct err *err)
{
    return qmp_execute(q, command, NULL, -1, 5000, ret, err);
}

static void test_commands(void **state)
{
    static const char *const says[] = {
        GREETING,
        "{\"return\":{},\"id\":ID}\n",
        ANSWER_BETWEEN_EVENTS,
        "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no such thing\"},\"id\":ID}\n",
        "", /* stays until we go */
        NULL,
    };
    struct err err = {0};
    struct qmp *q = NULL;
    json_t *answer = NULL;
    struct peer p;

    assert_int_equal(open_with(&p, says, &q, NULL), 0);
    assert_int_equal(run(q, "first", &answer, NULL), 0);
    assert_int_equal(json_get_int(answer, "a", 0), 5);
    json_decref(answer);
    assert_string_equal(events, "");
    assert_int_equal(run(q, "second", NULL, &err), -EIO);
    assert_string_equal(err.msg, "the device model refuses second: no such thing");
    assert_int_equal(qmp_dispatch(q), 0);
    assert_string_equal(events, "STOP SHUTDOWN-guest ");
    qmp_close(q);
    pthread_join(p.thread, NULL);
    assert_non_null(strstr(p.heard[0], "\"qmp_capabilities\""));
    assert_non_null(strstr(p.heard[1], "\"execute\":\"first\""));
}

/* The answer to a command that was given up does not count as one to the next. */
static void test_late_answer(void **state)
{
    static const char *const says[] = {
        GREETING,
        "{\"return\":{},\"id\":ID}\n",
        " ", /* nothing to the first */
        "{\"return\":{\"a\":1},\"id\":2}\n{\"return\":{\"a\":2},\"id\":ID}\n",
        NULL,
    };
    struct err err = {0};
    struct qmp *q = NULL;
    json_t *answer = NULL;
    struct peer p;

    assert_int_equal(open_with(&p, says, &q, NULL), 0);
    assert_int_equal(qmp_execute(q, "first", NULL, -1, 50, NULL, &err), -ETIMEDOUT);
    assert_int_equal(run(q, "second", &answer, NULL), 0);
    assert_int_equal(json_get_int(answer, "a", 0), 2);
    json_decref(answer);
    qmp_close(q);
    pthread_join(p.thread, NULL);
}

static void test_nonsense(void **state)
{
    static const char *const says[] = {
        GREETING,
        "{\"return\":{},\"id\":ID}\n",
        "[]\n7\n{\"broken\n\n{\"event\":7}\n{\"return\":5,\"id\":ID}\n",
        NULL,
    };
    struct qmp *q = NULL;
    json_t *answer = NULL;
    struct peer p;

    assert_int_equal(open_with(&p, says, &q, NULL), 0);
    assert_int_equal(run(q, "first", &answer, NULL), 0);
    assert_int_equal(json_integer_value(answer), 5);
    json_decref(answer);
    (void)qmp_dispatch(q);
    assert_string_equal(events, " ");
    qmp_close(q);
    pthread_join(p.thread, NULL);
}

static void test_gone(void **state)
{
    static const char *const early[] = {GREETING, NULL};
    static const char *const later[] = {GREETING, "{\"return\":{},\"id\":ID}\n", "{\"retu", NULL};
    struct err err = {0};
    struct qmp *q = NULL;
    struct peer p;

    assert_int_equal(open_with(&p, early, &q, &err), -ECONNRESET);
    pthread_join(p.thread, NULL);
    assert_int_equal(open_with(&p, later, &q, NULL), 0);
    assert_int_equal(run(q, "first", NULL, &err), -ECONNRESET);
    assert_string_equal(err.msg, "the device model has gone away (first)");
    assert_int_equal(run(q, "second", NULL, &err), -ECONNRESET);
    assert_int_equal(qmp_dispatch(q), -ECONNRESET);
    qmp_close(q);
    pthread_join(p.thread, NULL);
}

/* A line without end does not eat our memory. */
static void test_endless_line(void **state)
{
    static const char *const says[] = {GREETING, "{\"return\":{},\"id\":ID}\n", NULL};
    int pair[2];
    struct qmp *q = NULL;
    char *text = malloc(1 << 20);
    struct peer p;
    struct err err = {0};

    assert_int_equal(open_with(&p, says, &q, NULL), 0);
    pthread_join(p.thread, NULL);
    qmp_close(q);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    memset(text, 'x', 1 << 20);
    if (fork() == 0) {
        close(pair[0]);
        for (int i = 0; i < 4; i++)
            (void)!send(pair[1], text, 1 << 20, MSG_NOSIGNAL);
        _exit(0);
    }
    close(pair[1]);
    assert_int_equal(io_set_nonblock(pair[0], true), 0);
    assert_int_equal(qmp_open(&q, pair[0], on_event, NULL, &err), -ECONNRESET);
    free(text);
}

/* One whose guest has taken it over answers what nobody asked, as fast as it can. */
static void test_flood(void **state)
{
    static const char *const says[] = {GREETING, "{\"return\":{},\"id\":ID}\n", "", NULL};
    static const char answer[] = "{\"return\":{},\"id\":999}\n";
    static char text[4096 * (sizeof(answer) - 1)];
    struct qmp *q = NULL;
    struct err err = {0};
    struct peer p;
    pid_t child;

    for (size_t i = 0; i < sizeof(text); i += sizeof(answer) - 1)
        memcpy(text + i, answer, sizeof(answer) - 1);
    assert_int_equal(open_with(&p, says, &q, NULL), 0);
    child = fork();
    if (child == 0) {
        close(qmp_fd(q));
        while (send(p.fd, text, sizeof(text), MSG_NOSIGNAL) > 0)
            continue;
        _exit(0);
    }
    assert_int_equal(qmp_execute(q, "first", NULL, -1, 200, NULL, &err), -ETIMEDOUT);
    assert_int_equal(qmp_dispatch(q), 0);
    qmp_close(q);
    pthread_join(p.thread, NULL);
    assert_int_equal(kill(child, SIGKILL) | (waitpid(child, NULL, 0) != child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),     cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_nonsense),     cmocka_unit_test(test_gone),
        cmocka_unit_test(test_endless_line), cmocka_unit_test(test_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
