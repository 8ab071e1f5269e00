/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-image.c - what an open image allows: how images are opened, and what the launcher does for
 * who has a descriptor. The services and the program are called as a process in its jail could
 * have them called, with whatever it likes.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/block/direct.h"
#include "backend/block/qemu_priv.h"
#include "base/disk_image.h"
#include "base/fdpass.h"

static struct {
    char dir[32], path[64];
} t;

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 65536), 0);
    close(fd);
}

static int setup(void **state)
{
    strcpy(t.dir, "/tmp/test-image-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.path, sizeof(t.path), "%s/disk", t.dir);
    make_file(t.path);
    qemu_prepare(t.dir);
    return 0;
}

static int done(void **state)
{
    char other[80];

    snprintf(other, sizeof(other), "%s (deleted)", t.path);
    unlink(t.path);
    unlink(other);
    return rmdir(t.dir); /* no socket is left */
}

static int open_as(const char *format, enum disk_mode mode)
{
    const struct disk_image image = {"xvda", t.path, format, mode};
    struct err err = {0};
    int fd = disk_image_open(&image, &err);

    if (fd < 0)
        fail_msg("%s", err.msg);
    return fd;
}

static void test_rights(void **state)
{
    static const struct {
        const char *format;
        enum disk_mode mode;
        int access;
        bool served, writable;
    } cases[] = {
        {NULL, DISK_READ, O_RDONLY, false, false},
        {"raw", DISK_WRITE, O_RDWR, false, false},
        {"", DISK_WRITE_SHARED, O_RDWR, false, false},
        {"qcow2", DISK_READ, O_RDONLY, true, false},
        {"qcow2", DISK_WRITE, O_RDONLY, true, true},
        {"vhd", DISK_WRITE_SHARED, O_RDONLY, true, true},
    };
    static const char *const formats[] = {"raw", "qcow2", "vhd"};
    bool writable;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int fd = open_as(cases[i].format, cases[i].mode);

        assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, cases[i].access);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(disk_image_fits(fd, cases[i].format, cases[i].mode));
        for (size_t j = 0; j < ARRAY_SIZE(formats); j++) {
            const bool same = cases[i].format && strcmp(formats[j], cases[i].format) == 0;

            assert_int_equal(disk_image_is_served(fd, formats[j], &writable),
                             cases[i].served && same);
            if (same)
                assert_int_equal(writable, cases[i].writable);
        }
        close(fd);
    }
}

/* Whoever has such a descriptor cannot make another of it. */
static void test_marks_stay(void **state)
{
    int fd = open_as("raw", DISK_READ);
    bool writable;

    assert_int_equal(fcntl(fd, F_SETFL, O_SYNC | O_NOFOLLOW | O_RDWR), 0);
    assert_false(disk_image_is_served(fd, "qcow2", &writable));
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(fd);
    fd = open_as("qcow2", DISK_READ);
    assert_int_equal(fcntl(fd, F_SETFL, O_SYNC | O_NOFOLLOW), 0);
    assert_false(disk_image_is_served(fd, "vhd", &writable));
    assert_true(disk_image_is_served(fd, "qcow2", &writable));
    assert_false(writable);
    close(fd);
}

static void test_failures(void **state)
{
    struct disk_image image = {"xvda", "/nowhere/disk", "qcow2", DISK_WRITE};
    enum disk_mode mode;
    struct err err = {0};

    assert_int_equal(disk_image_open(&image, &err), -ENOENT);
    assert_string_equal(err.msg, "disk xvda: cannot open /nowhere/disk for writing: "
                                 "No such file or directory");
    image.mode = DISK_READ;
    assert_int_equal(disk_image_open(&image, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "for reading"));
    assert_int_equal(disk_mode_parse("w!", &mode, &err), 0);
    assert_int_equal(mode, DISK_WRITE_SHARED);
    assert_int_equal(disk_mode_parse("x", &mode, &err), -EINVAL);
}

static int ask(launcher_service *service, int fd, int *ret)
{
    const struct launcher_request request = {.fds = &fd, .nr_fds = fd >= 0};
    struct launcher_reply reply;
    int rc = launcher_ask(service, &request, &reply);

    *ret = reply.fd;
    return rc;
}

/* The second descriptor allows what the first does. */
static void test_direct(void **state)
{
    static const int access[] = {O_RDONLY, O_RDWR};
    int fd, direct, flags, rc;

    for (size_t i = 0; i < ARRAY_SIZE(access); i++) {
        fd = open(t.path, access[i] | O_CLOEXEC);
        rc = ask(direct_service, fd, &direct);
        close(fd);
        if (rc == -EINVAL && direct < 0)
            skip(); /* this file system has no O_DIRECT */
        assert_int_equal(rc, 0);
        flags = fcntl(direct, F_GETFL);
        assert_true(flags & O_DIRECT);
        assert_int_equal(flags & O_ACCMODE, access[i]);
        assert_true(fcntl(direct, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(pwrite(direct, "x", 1, 0) < 0 && errno == EBADF, access[i] == O_RDONLY);
        close(direct);
    }
}

static void test_direct_refuses(void **state)
{
    int fds[] = {
        -1,
        open(t.path, O_WRONLY | O_CLOEXEC),
        open(t.path, O_PATH | O_CLOEXEC),
        open("/dev/zero", O_RDONLY | O_CLOEXEC),
        open(t.dir, O_RDONLY | O_CLOEXEC),
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
    };
    int got;

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        assert_int_equal(ask(direct_service, fds[i], &got), -EINVAL);
        assert_int_equal(got, -1);
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

/* The words of qemu_exec() about an image, which has to be refused. */
static void check_refusal(int image, uint32_t format, const char *words)
{
    const struct qemu_order order = {.format = format, .discard = 1};
    int file = memfd_create("words", MFD_CLOEXEC), pair[2], pidfd = -1;
    char text[200] = "";
    struct err err = {0};

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (format != UINT32_MAX)
        assert_true(fdpass_send(pair[0], &order, sizeof(order), -1, 0));
    assert_int_equal(
        launcher_spawn(qemu_exec,
                       (int[]){[QEMU_WORDS] = file, [QEMU_IMAGE] = image, [QEMU_LINE] = pair[1]},
                       NR_QEMU_FDS, &pidfd, &err),
        0);
    close(pair[1]);
    launcher_reap(pidfd);
    assert_int_equal(fdpass_receive(pair[0]), -1);
    assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
    if (!strstr(text, words))
        fail_msg("not '%s' but '%s'", words, text);
    close(pair[0]);
    close(file);
    if (image >= 0)
        close(image);
}

static void test_qemu_refuses(void **state)
{
    static const char unmarked[] = "not open for this", elsewhere[] = "another file's";
    char other[80];
    int fd, fds[2];

    check_refusal(open_as("qcow2", DISK_READ), UINT32_MAX, "the request is none");
    check_refusal(open_as("raw", DISK_READ), 0, unmarked);
    check_refusal(open_as("raw", DISK_WRITE), 0, unmarked);
    check_refusal(open(t.path, O_PATH | O_CLOEXEC), 0, unmarked);
    check_refusal(open(t.path, O_RDWR | O_SYNC | O_CLOEXEC), 0, unmarked);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[1]);
    check_refusal(fds[0], 0, unmarked);
    check_refusal(open(t.dir, O_RDONLY | O_DSYNC | O_CLOEXEC), 0, elsewhere);
    check_refusal(open_as("qcow2", DISK_READ), 1000, unmarked);
    check_refusal(open_as("qcow2", DISK_WRITE), 2, unmarked); /* vhd */
    check_refusal(open_as("vhd", DISK_WRITE), 0, unmarked);
    /* Another file has got the name, and what the kernel makes of it for one that has gone. */
    fd = open_as("qcow2", DISK_WRITE);
    unlink(t.path);
    make_file(t.path);
    snprintf(other, sizeof(other), "%s (deleted)", t.path);
    make_file(other);
    check_refusal(fd, 0, elsewhere);
}

static void test_qemu_missing(void **state)
{
    int fd = open_as("qcow2", DISK_READ);
    struct qemu_image *server = NULL;
    struct err err = {0};

    setenv("PATH", "/nowhere", 1);
    assert_int_equal(qemu_image_open(&server, fd, "IMAGE", "qcow2", true, &err), -ENOENT);
    assert_string_equal(err.msg, "IMAGE cannot be opened: qemu-storage-daemon is not installed "
                                 "(Debian: qemu-system-common)");
    close(fd);
}

/* A child that listens at that socket, and writes to who comes. */
static pid_t start_daemon(int listening)
{
    int ready[2];
    pid_t child;
    char c;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        (void)listen(listening, 1);
        (void)write(ready[1], "x", 1);
        (void)write(accept4(listening, NULL, NULL, SOCK_CLOEXEC), "x", 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

/* A socket whose name is gone is reached by its inode, if it is a daemon's that was started here:
 * whoever may look at a socket of others need not be one who may connect to it. */
static void test_connect(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), inode, file, got;
    pid_t child;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", t.dir);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
    inode = open(address.sun_path, O_PATH | O_CLOEXEC);
    unlink(address.sun_path);
    assert_int_equal(ask(qemu_connect_service, inode, &got), -ECONNREFUSED);
    assert_int_equal(got, -1);
    child = start_daemon(listening);
    assert_int_equal(ask(qemu_connect_service, inode, &got), 0);
    assert_int_equal(read(got, address.sun_path, 1), 1);
    close(got);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(ask(qemu_connect_service, inode, &got), -EPERM);
    assert_int_equal(got, -1);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(ask(qemu_connect_service, inode, &got), -EPERM);
    assert_int_equal(got, -1);
    assert_int_equal(ask(qemu_connect_service, listening, &got), -EINVAL);
    close(inode);
    close(listening);
    file = open(t.path, O_PATH | O_CLOEXEC);
    assert_int_equal(ask(qemu_connect_service, file, &got), -EINVAL);
    assert_int_equal(ask(qemu_connect_service, -1, &got), -EINVAL);
    close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rights),  TEST(test_marks_stay),     TEST(test_failures),
        TEST(test_direct),  TEST(test_direct_refuses), TEST(test_qemu_refuses),
        TEST(test_connect), TEST(test_qemu_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
