/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-client.c - the client library against the server, over a real socket: requests, watches,
 * a domain's connection; what becomes of both when the other is slow, silent or gone.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/launcher.h"
#include "xenstore/client.h"
#include "xenstore/server.h"
#include "xenstore/wire.h"

static char dir[] = "/tmp/xenolith-test-XXXXXX";
static char path[64];
static pid_t server;
static struct xs_client *c;

/* --- the server, in a process of its own ------------------------------------------------ */

static int make_listener(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    unlink(path);
    strcpy(sa.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static void start_server(bool on_demand)
{
    int fd = make_listener();

    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        struct server_config config = {
            .listen_fd = fd, .stop_fd = eventfd(0, 0), .on_demand = on_demand};
        struct err err;

        signal(SIGALRM, SIG_DFL);
        alarm(60); /* no process of ours stays */
        _exit(server_run(&config, &err) < 0);
    }
    close(fd);
}

static void stop_server(void)
{
    if (!server)
        return;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
}

static int setup(void **state)
{
    struct err err;

    start_server(false);
    assert_int_equal(xs_connect(&c, path, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    xs_close(c);
    c = NULL;
    stop_server();
    return 0;
}

static struct xs_client *connect_again(void)
{
    struct xs_client *other;
    struct err err;

    assert_int_equal(xs_connect(&other, path, &err), 0);
    return other;
}

/* --- requests --------------------------------------------------------------------------- */

static void test_nodes(void **state)
{
    char *value, **names;
    size_t len, count;
    uint64_t number;

    assert_int_equal(xs_write(c, XS_NO_TX, "/a/b", "va\0lue", 6), 0);
    assert_int_equal(xs_read(c, XS_NO_TX, "/a/b", &value, &len), 0);
    assert_int_equal(len, 6);
    assert_memory_equal(value, "va\0lue", 7);
    free(value);
    assert_int_equal(xs_printf(c, XS_NO_TX, "/a/number", "%u", 4711u), 0);
    assert_int_equal(xs_read_number(c, XS_NO_TX, "/a/number", &number), 0);
    assert_int_equal(number, 4711);
    assert_int_equal(xs_read_number(c, XS_NO_TX, "/a/b", &number), -EINVAL);
    assert_int_equal(xs_read_number(c, XS_NO_TX, "/a", &number), -EINVAL);
    assert_int_equal(xs_printf(c, XS_NO_TX, "/a/big", "18446744073709551616"), 0);
    assert_int_equal(xs_read_number(c, XS_NO_TX, "/a/big", &number), -EINVAL);
    assert_int_equal(xs_read(c, XS_NO_TX, "/a/none", &value, NULL), -ENOENT);
    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/a/dir"), 0);
    assert_int_equal(xs_rm(c, XS_NO_TX, "/a/big"), 0);
    assert_int_equal(xs_directory(c, XS_NO_TX, "/a", &names, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "dir");
    assert_string_equal(names[2], "number");
    assert_null(names[3]);
    free(names);
    assert_int_equal(xs_directory(c, XS_NO_TX, "/a/dir", &names, &count), 0);
    assert_int_equal(count, 0);
    free(names);
    assert_int_equal(xs_directory(c, XS_NO_TX, "/a/none", &names, &count), -ENOENT);
}

static void test_limits(void **state)
{
    static char value[XENSTORE_PAYLOAD_MAX + 1];

    memset(value, 'x', sizeof(value));
    assert_int_equal(xs_write(c, XS_NO_TX, "/a", value, XENSTORE_PAYLOAD_MAX - 3), 0);
    assert_int_equal(xs_write(c, XS_NO_TX, "/a", value, XENSTORE_PAYLOAD_MAX - 2), -E2BIG);
    assert_int_equal(xs_write(c, XS_NO_TX, "/a b", "", 0), -EINVAL);
}

static void test_big_directory(void **state)
{
    char name[64], **names;
    size_t count;

    for (unsigned int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "/big/a-name-of-some-length-%04u", i);
        assert_int_equal(xs_write(c, XS_NO_TX, name, "", 0), 0);
    }
    assert_int_equal(xs_directory(c, XS_NO_TX, "/big", &names, &count), 0);
    assert_int_equal(count, 1000);
    for (unsigned int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "a-name-of-some-length-%04u", i);
        assert_string_equal(names[i], name);
    }
    free(names);
}

static void test_perms(void **state)
{
    const struct xs_perm set[] = {{7, 'n'}, {8, 'r'}, {65535, 'b'}};
    struct xs_perm *got;
    size_t count;

    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/a"), 0);
    assert_int_equal(xs_set_perms(c, XS_NO_TX, "/a", set, ARRAY_SIZE(set)), 0);
    assert_int_equal(xs_get_perms(c, XS_NO_TX, "/a", &got, &count), 0);
    assert_int_equal(count, ARRAY_SIZE(set));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got[i].id, set[i].id);
        assert_int_equal(got[i].mode, set[i].mode);
    }
    free(got);
    assert_int_equal(xs_set_perms(c, XS_NO_TX, "/a", set, 0), -EINVAL);
    assert_int_equal(xs_get_perms(c, XS_NO_TX, "/b", &got, &count), -ENOENT);
}

static void test_transaction(void **state)
{
    struct xs_client *other = connect_again();
    xs_tx_t tx;
    uint64_t number;

    assert_int_equal(xs_transaction_start(c, &tx), 0);
    assert_int_equal(xs_printf(c, tx, "/a", "1"), 0);
    assert_int_equal(xs_read_number(other, XS_NO_TX, "/a", &number), -ENOENT);
    assert_int_equal(xs_transaction_end(c, tx, true), 0);
    assert_int_equal(xs_read_number(other, XS_NO_TX, "/a", &number), 0);
    assert_int_equal(xs_transaction_start(c, &tx), 0);
    assert_int_equal(xs_printf(c, tx, "/a", "2"), 0);
    assert_int_equal(xs_printf(other, XS_NO_TX, "/a", "3"), 0);
    assert_int_equal(xs_transaction_end(c, tx, true), -EAGAIN);
    assert_int_equal(xs_transaction_end(c, tx, false), -ENOENT);
    xs_close(other);
}

/* --- watches ---------------------------------------------------------------------------- */

struct seen {
    unsigned int calls;
    char last[128];
    struct xs_watch *watch; /* to be removed by its own call */
};

static void on_watch(void *arg, const char *changed)
{
    struct seen *s = arg;

    s->calls++;
    snprintf(s->last, sizeof(s->last), "%s", changed);
    xs_unwatch(c, s->watch);
    s->watch = NULL;
}

static bool is_ready(int timeout_ms)
{
    struct pollfd p = {.fd = xs_fd(c), .events = POLLIN};

    return poll(&p, 1, timeout_ms) == 1;
}

/* Dispatch until `calls` calls have come. */
static void wait_for_calls(const struct seen *s, unsigned int calls)
{
    while (s->calls < calls) {
        assert_true(is_ready(5000));
        assert_int_equal(xs_dispatch(c), 0);
    }
    assert_int_equal(s->calls, calls);
}

static void test_watch(void **state)
{
    struct xs_client *other = connect_again();
    struct seen a = {0}, b = {0};
    struct xs_watch *wa, *wb;

    assert_int_equal(xs_watch(c, "/a", on_watch, &a, &wa), 0);
    assert_int_equal(xs_watch(c, "/a/b", on_watch, &b, &wb), 0);
    wait_for_calls(&a, 1);
    wait_for_calls(&b, 1);
    assert_string_equal(b.last, "/a/b");
    assert_false(is_ready(0));
    assert_int_equal(xs_write(other, XS_NO_TX, "/a/c", "", 0), 0);
    wait_for_calls(&a, 2);
    assert_string_equal(a.last, "/a/c");
    /* An event that comes in while a request waits still makes the descriptor ready. */
    assert_int_equal(xs_write(other, XS_NO_TX, "/a/b", "", 0), 0);
    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/elsewhere"), 0);
    assert_true(is_ready(0));
    wait_for_calls(&a, 3);
    wait_for_calls(&b, 2);
    assert_false(is_ready(0));
    /* After unwatch nothing is called, also not for what is here already. */
    assert_int_equal(xs_write(other, XS_NO_TX, "/a/b", "", 0), 0);
    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/elsewhere"), 0);
    xs_unwatch(c, wa);
    assert_true(is_ready(0));
    wait_for_calls(&b, 3);
    assert_int_equal(a.calls, 3);
    assert_false(is_ready(0));
    assert_int_equal(xs_watch(c, "not a path", on_watch, &a, &wa), -EINVAL);
    xs_close(other);
}

static void test_unwatch_in_call(void **state)
{
    struct seen a = {0};

    assert_int_equal(xs_watch(c, "/a", on_watch, &a, &a.watch), 0);
    assert_int_equal(xs_write(c, XS_NO_TX, "/a", "", 0), 0);
    assert_true(is_ready(0));
    assert_int_equal(xs_dispatch(c), 0);
    assert_int_equal(a.calls, 1);
    assert_int_equal(xs_write(c, XS_NO_TX, "/a", "", 0), 0);
    assert_false(is_ready(0));
}

/* More events than one dispatch takes: the descriptor stays ready until all are through. */
static void test_many_events(void **state)
{
    struct seen a = {0};
    struct xs_watch *w;
    char name[32];

    assert_int_equal(xs_watch(c, "/a", on_watch, &a, &w), 0);
    for (unsigned int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "/a/%u", i);
        assert_int_equal(xs_write(c, XS_NO_TX, name, "", 0), 0);
    }
    wait_for_calls(&a, 1001);
    assert_false(is_ready(0));
}

static void test_special(void **state)
{
    struct xs_watch *wi, *wr;
    struct seen in = {0}, out = {0};
    struct err err;
    int fd;

    assert_int_equal(xs_watch(c, "@introduceDomain", on_watch, &in, &wi), 0);
    assert_int_equal(xs_watch(c, "@releaseDomain", on_watch, &out, &wr), 0);
    fd = xs_connect_domain(path, 7, &err);
    assert_true(fd >= 0);
    assert_int_equal(xs_introduce(c, 7, 1234, 1), 0);
    wait_for_calls(&in, 2);
    close(fd); /* as when the domain's process is killed */
    wait_for_calls(&out, 2);
    assert_string_equal(out.last, "@releaseDomain");
    assert_int_equal(xs_release(c, 7), -ENOENT);
}

/* --- a domain's connection -------------------------------------------------------------- */

static void send_raw(int fd, uint32_t type, const char *body, size_t len)
{
    const struct xsd_sockmsg hdr = {.type = type, .req_id = 77, .len = (uint32_t)len};

    assert_int_equal(write(fd, &hdr, sizeof(hdr)), sizeof(hdr));
    assert_int_equal(write(fd, body, len), len);
}

static void receive_raw(int fd, struct xsd_sockmsg *hdr, char body[static XENSTORE_PAYLOAD_MAX + 1])
{
    assert_int_equal(recv(fd, hdr, sizeof(*hdr), MSG_WAITALL), sizeof(*hdr));
    assert_in_range(hdr->len, 0, XENSTORE_PAYLOAD_MAX);
    assert_int_equal(recv(fd, body, hdr->len, MSG_WAITALL), hdr->len);
    body[hdr->len] = '\0';
}

static void test_domain(void **state)
{
    const struct xs_perm perms = {7, 'n'};
    char body[XENSTORE_PAYLOAD_MAX + 1];
    struct xsd_sockmsg hdr;
    struct err err;
    uint64_t number;
    int fd = xs_connect_domain(path, 7, &err);

    assert_true(fd >= 0);
    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/local/domain/7"), 0);
    assert_int_equal(xs_set_perms(c, XS_NO_TX, "/local/domain/7", &perms, 1), 0);
    send_raw(fd, XS_WRITE, "key\00042", 6);
    receive_raw(fd, &hdr, body);
    assert_int_equal(hdr.type, XS_WRITE);
    assert_int_equal(hdr.req_id, 77);
    assert_int_equal(xs_read_number(c, XS_NO_TX, "/local/domain/7/key", &number), 0);
    assert_int_equal(number, 42);
    send_raw(fd, XS_WRITE, "/key\00042", 7);
    receive_raw(fd, &hdr, body);
    assert_int_equal(hdr.type, XS_ERROR);
    assert_string_equal(body, "EACCES");
    assert_int_equal(xs_release(c, 7), -ENOENT); /* was not introduced */
    assert_int_equal(xs_introduce(c, 7, 1, 1), 0);
    assert_int_equal(xs_release(c, 7), 0);
    assert_int_equal(recv(fd, body, 1, 0), 0); /* closed */
    close(fd);
}

/* A domain is found to be gone by an event that cannot be sent to it: others hear of that
 * without anything else happening. */
static void test_domain_goes_silently(void **state)
{
    const struct xs_perm perms[] = {{0, 'n'}, {7, 'r'}};
    char body[XENSTORE_PAYLOAD_MAX + 1];
    struct xsd_sockmsg hdr;
    struct seen out = {0};
    struct xs_watch *w;
    struct err err;
    int fd = xs_connect_domain(path, 7, &err);

    assert_true(fd >= 0);
    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/a"), 0);
    assert_int_equal(xs_set_perms(c, XS_NO_TX, "/a", perms, ARRAY_SIZE(perms)), 0);
    assert_int_equal(xs_introduce(c, 7, 1, 1), 0);
    assert_int_equal(xs_watch(c, "@releaseDomain", on_watch, &out, &w), 0);
    wait_for_calls(&out, 1);
    send_raw(fd, XS_WATCH, "/a\0t", 5);
    receive_raw(fd, &hdr, body);
    receive_raw(fd, &hdr, body);
    assert_int_equal(hdr.type, XS_WATCH_EVENT);
    assert_int_equal(shutdown(fd, SHUT_RD), 0);
    assert_int_equal(xs_write(c, XS_NO_TX, "/a/b", "", 0), 0);
    wait_for_calls(&out, 2);
    close(fd);
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A domain that pours requests in and takes the answers as fast as it can, from a process of
 * its own; another that takes none. Others are served all the time. */
static void test_flood(void **state)
{
    struct err err;
    int flood = xs_connect_domain(path, 7, &err), deaf = xs_connect_domain(path, 8, &err);
    struct xsd_sockmsg hdr = {.type = XS_DIRECTORY, .len = 17};
    static char requests[64 * (sizeof(hdr) + 17)];
    uint64_t began, worst = 0;
    pid_t child;

    assert_true(flood >= 0 && deaf >= 0);
    for (unsigned int i = 0; i < 64; i++) {
        memcpy(requests + i * (sizeof(hdr) + 17), &hdr, sizeof(hdr));
        memcpy(requests + i * (sizeof(hdr) + 17) + sizeof(hdr), "/local/domain/12", 17);
    }
    while (send(deaf, requests, sizeof(requests), MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(errno, EAGAIN); /* nothing more is read from it */
    child = fork();
    if (child == 0) {
        alarm(60);
        for (;;) {
            char answers[65536];

            send(flood, requests, sizeof(requests), 0);
            while (recv(flood, answers, sizeof(answers), MSG_DONTWAIT) > 0)
                ;
        }
    }
    for (unsigned int i = 0; i < 500; i++) {
        began = now_us();
        assert_int_equal(xs_mkdir(c, XS_NO_TX, "/x"), 0);
        if (now_us() - began > worst)
            worst = now_us() - began;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(worst < 2000000);
    close(flood);
    close(deaf);
}

/* --- a daemon that goes, or hangs ------------------------------------------------------- */

static void test_server_goes(void **state)
{
    struct xs_client *other;
    struct seen a = {0};
    struct xs_watch *w;
    struct err err;

    assert_int_equal(xs_watch(c, "/a", on_watch, &a, &w), 0);
    stop_server();
    assert_true(is_ready(5000));
    assert_int_equal(xs_dispatch(c), -ECONNRESET);
    assert_int_equal(a.calls, 1); /* the event that was here */
    assert_int_equal(xs_dispatch(c), -ECONNRESET);
    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/x"), -ECONNRESET);
    assert_int_equal(xs_watch(c, "/b", on_watch, &a, &w), -ECONNRESET);
    assert_int_equal(xs_connect(&other, path, &err), -ECONNREFUSED);
    unlink(path);
    assert_int_equal(xs_connect(&other, path, &err), -ENOENT);
}

/* On demand, it ends by itself, but not before its last client. */
static void test_on_demand(void **state)
{
    uint64_t began;
    int status;

    xs_close(c);
    stop_server();
    start_server(true);
    c = connect_again();
    usleep(2500000);
    assert_int_equal(xs_mkdir(c, XS_NO_TX, "/x"), 0);
    xs_close(c);
    c = NULL;
    began = now_us();
    assert_int_equal(waitpid(server, &status, 0), server);
    server = 0;
    assert_int_equal(status, 0);
    assert_in_range(now_us() - began, 1900000, 20000000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- a domain's process ------------------------------------------------------------------ */

/* Who cannot have a connection confined gets none. Last: what is fixed stays. */
static void test_confined(void **state)
{
    static const uint8_t uuid[16] = {1};
    const struct launcher_request request = {"", 1, NULL, 0};
    char name[PATHS_MAX], fixed[PATHS_MAX];
    struct launcher_reply reply = {.fd = -1};
    int fds[100], count = 0, rc;
    struct err err;

    setenv("XENOLITH_RUN_DIR", dir, 1);
    snprintf(name, sizeof(name), "%s/xenstored.sock", dir);
    assert_int_equal(symlink(path, name), 0);
    assert_int_equal(xs_fix(fixed, 7, uuid, &err), 0);
    assert_string_equal(fixed, name);
    while ((rc = xs_connect_service(&request, &reply)) == 0 && count < 100) {
        assert_true(reply.fd >= 0);
        fds[count++] = reply.fd;
        reply.fd = -1;
    }
    assert_int_equal(rc, -ENOSPC);
    assert_int_equal(reply.fd, -1);
    assert_string_equal(reply.data, "xenstored refuses a connection: No space left on device");
    while (count > 0)
        close(fds[--count]);
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_nodes),
        T(test_limits),
        T(test_big_directory),
        T(test_perms),
        T(test_transaction),
        T(test_watch),
        T(test_unwatch_in_call),
        T(test_many_events),
        T(test_special),
        T(test_domain),
        T(test_domain_goes_silently),
        T(test_flood),
        T(test_server_goes),
        T(test_on_demand),
        T(test_confined),
    };
    int failed;

    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/sock", dir);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return failed;
}
