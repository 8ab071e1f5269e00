/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-launcher.c - a launcher and what it is asked for: services that answer with bytes and
 * descriptors, files that were agreed on and others, signals, what it does once it is sealed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fdpass.h"
#include "base/hostfile.h"
#include "base/identity.h"
#include "base/launcher.h"

static char dir[] = "/tmp/test-launcher-XXXXXX";
static int state_here; /* a service finds what it was when the launcher was made */

static void sleeper(const int *fds, unsigned int nr_fds)
{
    pause();
}

/* Tells its process, the state, whether it is sealed; sends back the first byte and descriptor. */
struct told {
    pid_t pid, owner;
    int state, sealed, started;
    char first;
};

static int tell(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct told told = {.pid = getpid(),
                        .owner = launcher_owner(),
                        .state = state_here,
                        .sealed = launcher_is_sealed()};

    if (request->size > 0)
        memcpy(&told.first, request->data, 1);
    if (request->nr_fds > 0) {
        reply->fd = dup(request->fds[0]);
        told.started = launcher_started(request->fds[0]);
    }
    memcpy(reply->data, &told, sizeof(told));
    reply->size = sizeof(told);
    return 7;
}

static int refuse(const struct launcher_request *request, struct launcher_reply *reply)
{
    return -EXDEV;
}

static int stranger(const struct launcher_request *request, struct launcher_reply *reply)
{
    return 0;
}

static launcher_fn *const programs[] = {sleeper};
static launcher_service *const services[] = {tell, refuse, hostfile_service, identity_peer_service};

static bool rule(const char *path, enum hostfile_right right)
{
    return right == HOSTFILE_READ && strstr(path, "/rule-") != NULL;
}

static struct told ask(const void *data, size_t size, const int *fd, int *ret_fd)
{
    const struct launcher_request request = {data, size, fd, fd != NULL};
    struct launcher_reply reply;
    struct told told;

    assert_int_equal(launcher_ask(tell, &request, &reply), 7);
    assert_int_equal(reply.size, sizeof(told));
    memcpy(&told, reply.data, sizeof(told));
    if (ret_fd)
        *ret_fd = reply.fd;
    else
        assert_int_equal(reply.fd, -1);
    return told;
}

static char *path_of(const char *name)
{
    static char path[2][96];
    static unsigned int next;

    snprintf(path[next ^= 1], sizeof(path[0]), "%s/%s", dir, name);
    return path[next];
}

static void write_file(const char *name)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, name, strlen(name)), strlen(name));
    close(fd);
}

static void test_services(void **state)
{
    const struct launcher_request none = {0};
    static const char many[LAUNCHER_DATA_MAX + 1] = {'m'};
    struct launcher_reply reply;
    struct told told;
    int pair[2], fd;

    state_here = 2;
    assert_int_equal(pipe(pair), 0);
    told = ask("x", 1, &pair[1], &fd);
    assert_true(told.pid != getpid() && told.owner == getpid());
    assert_int_equal(told.state, 1); /* not what became of ours */
    assert_int_equal(told.first, 'x');
    assert_false(told.started);
    assert_true(fd >= 0 && fd != pair[1]);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(pair[1]);
    assert_int_equal(write(fd, "y", 1), 1);
    close(fd);
    assert_int_equal(read(pair[0], &reply, 1), 1);
    assert_int_equal(read(pair[0], &reply, 1), 0); /* nobody kept a copy */
    close(pair[0]);
    told = ask(many, LAUNCHER_DATA_MAX, NULL, NULL);
    assert_int_equal(told.first, 'm');
    assert_int_equal(
        launcher_ask(tell, &(struct launcher_request){many, sizeof(many), NULL, 0}, &reply),
        -E2BIG);
    assert_int_equal(launcher_ask(refuse, &none, &reply), -EXDEV);
    assert_int_equal(launcher_ask(stranger, &none, &reply), -EINVAL);
}

static void test_signals(void **state)
{
    struct err err = {0};
    int pidfd;

    assert_int_equal(launcher_spawn(sleeper, NULL, 0, &pidfd, &err), 0);
    assert_true(ask(NULL, 0, &pidfd, &(int){-1}).started);
    launcher_kill(pidfd, SIGKILL);
    launcher_reap(pidfd);
}

/* Whoever asks for more and more gets no more. */
static void test_many(void **state)
{
    static int pidfds[LAUNCHER_MAX_CHILDREN + 1];
    struct err err = {0};
    int count = 0, rc = 0;

    while (rc == 0 && count <= LAUNCHER_MAX_CHILDREN) {
        rc = launcher_spawn(sleeper, NULL, 0, &pidfds[count], &err);
        count += rc == 0;
    }
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(count, LAUNCHER_MAX_CHILDREN);
    while (count > 0) {
        launcher_kill(pidfds[--count], SIGKILL);
        launcher_reap(pidfds[count]);
    }
    assert_int_equal(launcher_spawn(sleeper, NULL, 0, &pidfds[0], &err), 0);
    launcher_kill(pidfds[0], SIGKILL);
    launcher_reap(pidfds[0]);
}

static void test_files(void **state)
{
    char text[8] = "";
    int fd = hostfile_open(path_of("read"));

    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text)), 4);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(fd);
    assert_int_equal(hostfile_open(path_of("other")), -EPERM);
    assert_int_equal(hostfile_open(path_of("../etc/passwd")), -EPERM);
    assert_int_equal(hostfile_remove(path_of("read")), -EPERM);
    assert_int_equal(hostfile_replace(path_of("read"), "x"), -EPERM);
    assert_int_equal(hostfile_remove(path_of("rule-1")), -EPERM);
    fd = hostfile_open(path_of("rule-1"));
    assert_true(fd >= 0);
    close(fd);
    /* What leads to other files, and what waits. */
    assert_int_equal(hostfile_open(path_of("rule-dir")), -EISDIR);
    assert_int_equal(hostfile_open(path_of("rule-pipe")), -EISDIR);
    assert_int_equal(hostfile_open(path_of("rule-none")), -ENOENT);
    assert_int_equal(hostfile_replace(path_of("status"), "new"), 0);
    assert_int_equal(hostfile_open(path_of("status")), -EPERM);
    assert_int_equal(hostfile_remove(path_of("status")), 0);
    assert_int_equal(hostfile_remove(path_of("status")), -ENOENT);
}

static void test_peers(void **state)
{
    int pair[2];
    uid_t uid = 12345;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(identity_peer(pair[0], &uid), 0);
    assert_int_equal(uid, geteuid());
    close(pair[0]);
    close(pair[1]);
    assert_true(identity_peer(STDIN_FILENO, &uid) < 0);
}

/* One descriptor is expected: none of many stays open without being known. */
static void test_passed(void **state)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 3)];
    } control = {.bytes = {0}};
    struct iovec iov = {(char[]){"x"}, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int pair[2], fd, next;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof(int) * 3);
    memcpy(CMSG_DATA(&control.align), (int[]){pair[0], pair[0], pair[0]}, sizeof(int) * 3);
    assert_int_equal(sendmsg(pair[0], &m, 0), 1);
    next = dup(pair[0]);
    close(next);
    assert_int_equal(fdpass_receive(pair[1]), -1);
    fd = dup(pair[0]);
    assert_int_equal(fd, next);
    close(fd);
    close(pair[0]);
    close(pair[1]);
}

static void test_seal(void **state)
{
    assert_false(ask(NULL, 0, NULL, NULL).sealed);
    launcher_seal();
    assert_true(launcher_is_sealed());
    assert_true(ask(NULL, 0, NULL, NULL).sealed);
}

static int make(void **state)
{
    static const struct launcher_table table = {programs, services, 1, 4};
    struct err err = {0};

    assert_non_null(mkdtemp(dir));
    write_file("read");
    write_file("other");
    write_file("rule-1");
    assert_int_equal(mkdir(path_of("rule-dir"), 0700), 0);
    assert_int_equal(mkfifo(path_of("rule-pipe"), 0600), 0);
    assert_int_equal(hostfile_allow(path_of("read"), HOSTFILE_READ, &err), 0);
    assert_int_equal(hostfile_allow("", HOSTFILE_READ, &err), 0);
    assert_int_equal(hostfile_allow(path_of("status"), HOSTFILE_REPLACE | HOSTFILE_REMOVE, &err),
                     0);
    hostfile_allow_rule(rule);
    state_here = 1;
    return launcher_start(&table, &err);
}

static int clean(void **state)
{
    unlink(path_of("read"));
    unlink(path_of("other"));
    unlink(path_of("rule-1"));
    unlink(path_of("rule-pipe"));
    rmdir(path_of("rule-dir"));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services), cmocka_unit_test(test_signals),
        cmocka_unit_test(test_many),     cmocka_unit_test(test_passed),
        cmocka_unit_test(test_files),    cmocka_unit_test(test_peers),
        cmocka_unit_test(test_seal),
    };

    return cmocka_run_group_tests(tests, make, clean);
}
