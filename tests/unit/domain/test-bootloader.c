/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-bootloader.c - what a boot loader gets from who has it started: it opens its terminal and
 * the place for its result by their names in /proc, with rights that who asks may not have.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/launcher.h"
#include "domain/bootloader.h"

#define KEPT "nobody is to write here\n"

static char dir[] = "/tmp/test-bootloader-XXXXXX";
static struct bootloader *b;

static const char *path_of(const char *name)
{
    static char path[64];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_CLOEXEC, mode);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int setup(void **state)
{
    struct domain_options o = {.domid = 1};
    struct err err = {0};

    assert_non_null(mkdtemp(dir));
    setenv("XENOLITH_RUN_DIR", dir, 1);
    write_file("loader", "#!/bin/sh\necho found >\"${1#--output=}\"\necho words >/dev/stderr\n",
               0700);
    write_file("kept", KEPT, 0400);
    sleep(1); /* it is older than what comes */
    o.bootloader = json_pack("{s:s, s:[], s:s}", "program", path_of("loader"), "args", "disk", "");
    if (bootloader_prepare(&b, &o, &err) < 0)
        fail_msg("%s", err.msg);
    json_decref(o.bootloader);
    return 0;
}

static int done(void **state)
{
    bootloader_destroy(b);
    unlink(path_of("loader"));
    unlink(path_of("kept"));
    return rmdir(dir);
}

static void run(int terminal, int result)
{
    struct err err = {0};
    int pidfd = -1;

    assert_int_equal(launcher_spawn(bootloader_exec, (int[]){terminal, result}, 2, &pidfd, &err),
                     0);
    launcher_reap(pidfd);
}

static int open_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(*master >= 0 && grantpt(*master) == 0 && unlockpt(*master) == 0);
    return open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void test_result(void **state)
{
    int pipe_fds[2], master, terminal = open_terminal(&master);
    char text[16] = "";

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    run(terminal, pipe_fds[1]);
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], text, sizeof(text) - 1), strlen("found\n"));
    assert_string_equal(text, "found\n");
    close(pipe_fds[0]);
    close(terminal);
    close(master);
}

static void check_kept(void)
{
    int fd = open(path_of("kept"), O_RDONLY | O_CLOEXEC);
    char text[64] = "";

    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, KEPT);
    close(fd);
}

/* A file that may only be read is neither. */
static void test_files(void **state)
{
    int kept = open(path_of("kept"), O_RDONLY | O_CLOEXEC);
    int pipe_fds[2], master, terminal = open_terminal(&master);

    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    run(terminal, kept);
    check_kept();
    run(kept, pipe_fds[1]);
    check_kept();
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(terminal);
    close(master);
    close(kept);
}

/* What was there before the domain stays, whoever has changed it since. */
static void test_removal(void **state)
{
    struct statx st;

    assert_int_equal(statx(AT_FDCWD, path_of("kept"), 0, STATX_BTIME, &st), 0);
    if (!(st.stx_mask & STATX_BTIME))
        skip();
    assert_int_equal(chmod(path_of("kept"), 0600), 0);
    assert_false(bootloader_may(path_of("kept"), HOSTFILE_REMOVE));
    assert_true(bootloader_may(path_of("kept"), HOSTFILE_READ));
    write_file("new", "", 0600);
    assert_true(bootloader_may(path_of("new"), HOSTFILE_REMOVE));
    unlink(path_of("new"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_removal),
    };

    return cmocka_run_group_tests(tests, setup, done);
}
