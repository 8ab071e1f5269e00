/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-services.c - what the launcher does for a fully virtualized guest: files that the document
 * named, and threads of the device model. Each is asked for what it is not there for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hvm/files.h"
#include "hvm/model.h"
#include "hvm/threads.h"

static char dir[] = "/tmp/test-services-XXXXXX";

static void path_of(const char *name, char to[static 64])
{
    snprintf(to, 64, "%s/%s", dir, name);
}

static void test_files(void **state)
{
    char kernel[64], port[64], none[] = "";
    struct domain_options o = {.kernel = kernel, .ramdisk = none};
    struct hvm_spec s = {.nr_serials = 2, .serial = {HVM_SERIAL_CONSOLE, HVM_SERIAL_FILE}};
    struct err err = {0};
    int fd;

    path_of("kernel", kernel);
    path_of("port", port);
    snprintf(s.serial_text[1], sizeof(s.serial_text[1]), "%s", port);
    assert_int_equal(hvm_files_prepare(&o, &s, &err), 0);
    assert_int_equal(hvm_files_open(HVM_FILE_KERNEL), -ENOENT);
    fd = open(kernel, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "k", 1), 1);
    close(fd);
    memset(kernel, 0, sizeof(kernel)); /* what was said before counts */
    fd = hvm_files_open(HVM_FILE_KERNEL);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDONLY);
    close(fd);
    fd = hvm_files_open(HVM_FILE_SERIAL + 1);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
    close(fd);
    path_of("kernel", kernel);
    assert_int_equal(unlink(kernel), 0);
    assert_int_equal(unlink(port), 0);
}

static void test_other_files(void **state)
{
    static const unsigned int others[] = {HVM_FILE_RAMDISK, HVM_FILE_SERIAL, HVM_FILE_SERIAL + 2,
                                          HVM_NR_FILES, ~0u};
    static struct launcher_reply reply;
    const struct launcher_request text = {.data = "/etc/passwd", .size = 11};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(hvm_files_open(others[i]), -ENOENT);
    assert_int_equal(hvm_files_service(&text, &reply), -EINVAL);
}

static int pidfd_of(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    assert_true(fd >= 0);
    return fd;
}

static void test_threads(void **state)
{
    struct proc_usage usage = {.cpu = -1};
    cpu_set_t all, none;
    pid_t pid = fork();
    int fd, self = pidfd_of(getpid()), parent = pidfd_of(getppid());

    if (pid == 0) {
        pause();
        _exit(0);
    }
    fd = pidfd_of(pid);
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&none);
    assert_int_equal(threads_usage(fd, pid, &usage), 0);
    assert_true(usage.cpu >= 0);
    assert_int_equal(threads_place(fd, pid, &all), 0);
    assert_int_equal(threads_place(fd, pid, &none), -EINVAL);
    /* Not one of its threads; not a process of ours; not a process. */
    assert_int_equal(threads_place(fd, getpid(), &all), -ESRCH);
    assert_int_equal(threads_usage(fd, getppid(), &usage), -ESRCH);
    assert_int_equal(threads_place(fd, 0, &all), -ESRCH);
    assert_int_equal(threads_place(self, getpid(), &all), -ESRCH);
    assert_int_equal(threads_usage(parent, getppid(), &usage), -ESRCH);
    assert_int_equal(threads_place(0, pid, &all), -ESRCH);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(threads_usage(fd, pid, &usage), -ESRCH);
    close(fd);
    close(self);
    close(parent);
}

static void test_bad_thread_requests(void **state)
{
    static struct launcher_reply reply;
    const struct launcher_request none = {0};
    const struct launcher_request brief = {
        .data = "1234", .size = 4, .fds = (int[]){0}, .nr_fds = 1};

    assert_int_equal(threads_service(&none, &reply), -EINVAL);
    assert_int_equal(threads_service(&brief, &reply), -EINVAL);
}

/* Whatever else it is told, the device model is told last that it may start nothing. */
static void test_sandbox(void **state)
{
    static const char words[] = "qemu-system-x86_64\0-sandbox\0off";
    const char *path = getenv("PATH");
    char program[64], old[512], text[200] = "";
    int pair[2], pidfd = -1, args = memfd_create("args", MFD_CLOEXEC), fd;
    struct err err = {0};

    path_of("qemu-system-x86_64", program);
    fd = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    assert_true(fd >= 0 && dprintf(fd, "#!/bin/sh\necho \"$@\" >&2\n") > 0);
    close(fd);
    assert_int_equal(chmod(program, 0755) | chmod(dir, 0755), 0);
    snprintf(old, sizeof(old), "%s", path);
    setenv("PATH", dir, 1);
    assert_int_equal(write(args, words, sizeof(words)), sizeof(words));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(launcher_spawn(hvm_exec, (int[]){args, pair[1]}, 2, &pidfd, &err), 0);
    close(pair[1]);
    launcher_reap(pidfd);
    setenv("PATH", old, 1);
    assert_true(recv(pair[0], text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text, "-sandbox off -sandbox on,obsolete=deny,elevateprivileges=deny,"
                              "spawn=deny,resourcecontrol=deny\n");
    close(pair[0]);
    close(args);
    unlink(program);
}

static int make_dir(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),   cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_bad_thread_requests),
        cmocka_unit_test(test_sandbox),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
