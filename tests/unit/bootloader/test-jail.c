/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-jail.c - what a program in the jail can do: read the image and print; and what it cannot,
 * tried with the programs that every Debian has. One that may do it in the jail proves nothing
 * when it fails for another reason, so each is first seen to succeed outside.
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
#include <unistd.h>

#include "base/sanitizer.h"
#include "bootloader/jail.h"

static char output[4096];
static size_t output_len;

static int take(void *arg, const void *buf, size_t n)
{
    if (n > sizeof(output) - 1 - output_len)
        return -EFBIG;
    memcpy(output + output_len, buf, n);
    output_len += n;
    output[output_len] = '\0';
    return 0;
}

static int open_image(void *arg)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "content", 7), 7);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Runs sh -c or another program; its status or -errno. */
static int run(const char *const *argv, int64_t patience_ms)
{
    struct jail_run r = {
        .program = argv[0],
        .argv = argv,
        .open_image = open_image,
        .deadline_ms = jail_now_ms() + patience_ms,
        .sink = take,
    };
    struct err err = {0};
    int rc;

    output_len = 0;
    output[0] = '\0';
    rc = jail_run(&r, &err);
    if (rc < 0 && err.code)
        print_message("%s\n", err.msg);
    return rc;
}

static void test_reads_the_image(void **state)
{
    assert_int_equal(run((const char *const[]){"/bin/cat", "/image", "/image", NULL}, 20000), 0);
    assert_string_equal(output, "contentcontent");
}

#define PROBE "/tmp/xenolith-test-jail"

/* Programs that do what they are asked to outside, and print something then. */
static const char *const cannot[][4] = {
    {"/bin/cat", "/etc/passwd"},                  /* a file of the host */
    {"/bin/cat", "/usr/lib/../../etc/passwd"},    /* the same, by way of the libraries */
    {"/bin/cat", "/proc/self/status"},            /* about processes */
    {"/bin/cat", "etc/passwd"},                   /* relative to the root, where the child is */
    {"/bin/ls", "/"},                             /* names of files */
    {"/bin/cp", "-v", "/bin/true", PROBE},        /* a new file */
    {"/bin/sh", "-c", "(exit 0); echo done"},     /* a process */
    {"/bin/sh", "-c", "kill -0 $$ && echo done"}, /* a signal */
};

static void test_cannot(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cannot); i++) {
        const char *const argv[] = {cannot[i][0], cannot[i][1], cannot[i][2], cannot[i][3], NULL};
        char outside[256];

        snprintf(outside, sizeof(outside), "cd / && [ -n \"$(%s %s %s%s%s %s)\" ]", argv[0],
                 argv[1], argv[2] && argv[2][0] != '/' ? "'" : "", argv[2] ? argv[2] : "",
                 argv[2] && argv[2][0] != '/' ? "'" : "", argv[3] ? argv[3] : "");
        if (system(outside) != 0)
            fail_msg("<%s> fails outside the jail, too", outside);
        unlink(PROBE);
        (void)run(argv, 20000);
        if (output_len > 0)
            fail_msg("<%s> was allowed: %s", outside, output);
        assert_int_not_equal(access(PROBE, F_OK), 0);
    }
}

static void test_limits(void **state)
{
    int64_t start = jail_now_ms();

    assert_int_equal(run((const char *const[]){"/bin/sh", "-c", "while :; do :; done", NULL}, 300),
                     -ETIMEDOUT);
    assert_int_equal(
        run((const char *const[]){"/bin/sh", "-c", "while :; do echo x; done", NULL}, 20000),
        -EFBIG);
    /* More memory than it may have. */
    assert_int_not_equal(
        run((const char *const[]){"/bin/sh", "-c", "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done",
                                  NULL},
            20000),
        0);
    assert_true(jail_now_ms() - start < 40000);
}

static void test_no_such_program(void **state)
{
    struct err err = {0};
    struct jail_run r = {
        .program = "/no/such/program",
        .argv = (const char *const[]){"x", NULL},
        .open_image = open_image,
        .deadline_ms = jail_now_ms() + 20000,
        .sink = take,
    };

    if (HAS_SANITIZER)
        skip(); /* it does not get through the limits to say so */
    assert_int_equal(jail_run(&r, &err), -EPERM);
    assert_non_null(strstr(err.msg, "/no/such/program"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_the_image),
        cmocka_unit_test(test_cannot),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_such_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
