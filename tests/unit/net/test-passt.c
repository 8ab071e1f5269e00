/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-passt.c - what passt is asked to be: requests of interfaces and their command lines,
 * requests that somebody made up, and which are refused in the jail. The program passt is one of
 * the test's, which prints its arguments.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/net/passt.h"
#include "backend/net/passt_request.h"
#include "base/launcher.h"

#define EXIT_REFUSED 126

static struct vif_config make_config(void)
{
    return (struct vif_config){
        .type = VIF_USER,
        .mtu = 1400,
        .nr_forwards = 3,
        .forward = {{.address = "127.0.0.1", .host_port = 8080, .guest_port = 80},
                    {.udp = true, .address = "fe80::1", .host_port = 53, .guest_port = 5353},
                    {.host_port = 22, .guest_port = 22}},
    };
}

static struct passt_request make_request(void)
{
    struct vif_config c = make_config();
    struct passt_request r;

    passt_request_make(&r, &c, false);
    return r;
}

static void assert_words(const struct passt_request *r, const char *expected)
{
    struct passt_arguments a;
    char text[1024] = "";

    passt_request_arguments(r, &a);
    for (unsigned int i = 0; a.word[i]; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "", a.word[i]);
    assert_string_equal(text, expected);
}

static void test_words(void **state)
{
    struct vif_config none = {.type = VIF_USER};
    struct passt_request r = make_request();

    assert_true(passt_request_is_valid(&r));
    assert_words(&r, "passt --quiet --fd 3 --mtu 1400 --tcp-ports 127.0.0.1/8080:80 "
                     "--udp-ports fe80::1/53:5353 --tcp-ports 22:22");
    passt_request_make(&r, &none, true);
    assert_true(passt_request_is_valid(&r));
    assert_words(&r, "passt --quiet --fd 3 --interface lo --address 10.0.2.15 --netmask 24 "
                     "--gateway 10.0.2.2 --mac-addr 9a:55:9a:55:9a:55");
}

static void test_most_words(void **state)
{
    struct vif_config c = {.type = VIF_USER, .mtu = 1500, .nr_forwards = VIF_MAX_FORWARDS};
    struct passt_arguments a;
    struct passt_request r;

    for (unsigned int i = 0; i < c.nr_forwards; i++)
        c.forward[i] = (struct vif_forward){.address = "1111:2222:3333:4444:5555:6666:7777:8888",
                                            .host_port = 65535,
                                            .guest_port = 65535};
    passt_request_make(&r, &c, true);
    passt_request_arguments(&r, &a);
    assert_true(a.count <= PASST_MAX_WORDS);
    assert_string_equal(a.word[a.count - 1], "1111:2222:3333:4444:5555:6666:7777:8888/65535:65535");
}

/* One member that passt_request_make() would not have made. */
static void test_bad_requests(void **state)
{
    const struct passt_request good = make_request();
    struct passt_request bad[11];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        bad[i] = good;
    bad[0].local = 2;
    bad[1].mtu = 67;
    bad[2].mtu = 65522;
    bad[3].nr_forwards = VIF_MAX_FORWARDS + 1;
    bad[4].nr_forwards = 2; /* of three */
    bad[5].forward[0].udp = 2;
    bad[6].forward[0].family = 5;
    bad[7].forward[0].family = 0; /* with an address */
    bad[8].forward[0].address[4] = 1;
    bad[9].forward[0].host_port = 0;
    bad[10].forward[2].guest_port = 0;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (passt_request_is_valid(&bad[i]))
            fail_msg("request %zu is valid", i);
}

static void test_same(void **state)
{
    struct passt_request a = make_request(), b = make_request();

    b.local = 1;
    assert_true(passt_request_is_same(&a, &b));
    b.forward[1].host_port++;
    assert_false(passt_request_is_same(&a, &b));
    b = a;
    b.mtu = 0;
    assert_false(passt_request_is_same(&a, &b));
}

/* --- the program ------------------------------------------------------------------------- */

static char dir[] = "/tmp/test-passt-XXXXXX";

static int make_program(void **state)
{
    char path[64];
    FILE *f;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/passt", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("#!/bin/sh\necho \"$@\"\nexit 7\n", f);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
    return setenv("PATH", dir, 1);
}

static int remove_program(void **state)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/passt", dir);
    unlink(path);
    return rmdir(dir);
}

/* What passt_exec() ends with, and what was said, when it is given so many bytes. */
static int execute(const void *bytes, size_t size, char said[static 256])
{
    int file = memfd_create("request", MFD_CLOEXEC), words[2], sock[2], status = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(write(file, bytes, size), size);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, words), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
    pid = fork();
    if (pid == 0) {
        passt_exec((int[]){sock[0], words[0], file}, 3);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(words[0]);
    n = recv(words[1], said, 255, 0);
    said[n > 0 ? n : 0] = '\0';
    close(words[1]);
    close(sock[0]);
    close(sock[1]);
    close(file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_exec(void **state)
{
    struct passt_request r = make_request();
    char said[256];

    assert_int_equal(execute(&r, sizeof(r), said), 7);
    assert_string_equal(said, "--quiet --fd 3 --mtu 1400 --tcp-ports 127.0.0.1/8080:80 "
                              "--udp-ports fe80::1/53:5353 --tcp-ports 22:22\n");
    assert_int_equal(execute(&r, sizeof(r) - 1, said), EXIT_REFUSED);
    assert_int_equal(execute("--log-file\0/etc/passwd", 23, said), EXIT_REFUSED);
    r.forward[0].family = 9;
    assert_int_equal(execute(&r, sizeof(r), said), EXIT_REFUSED);
    assert_string_equal(said, "");
}

/* What a failed start says, and that a program is heard at all. */
static void test_start(void **state)
{
    struct vif_config c = make_config();
    struct err err = {0};
    bool local = true;

    assert_int_equal(passt_start(&c, &local, &err), -EIO);
    assert_false(local);
    assert_non_null(strstr(err.msg, "passt does not start: --quiet --fd 3"));
}

/* The last: it cannot be undone. */
static void test_sealed(void **state)
{
    struct vif_config c = make_config(), other = make_config();
    struct passt_request r;
    struct err err = {0};
    char said[256];

    other.forward[0].host_port = 8081;
    assert_int_equal(passt_permit(&other, &err), 0);
    passt_request_make(&r, &c, false);
    assert_int_equal(execute(&r, sizeof(r), said), 7);
    launcher_seal();
    assert_int_equal(execute(&r, sizeof(r), said), EXIT_REFUSED);
    passt_request_make(&r, &other, false);
    assert_int_equal(execute(&r, sizeof(r), said), 7);
    r.local = 1;
    assert_int_equal(execute(&r, sizeof(r), said), 7);
    r.mtu = 0;
    assert_int_equal(execute(&r, sizeof(r), said), EXIT_REFUSED);
    for (int i = 1; i < PASST_MAX_PERMITTED; i++)
        assert_int_equal(passt_permit(&other, &err), 0);
    assert_int_equal(passt_permit(&other, &err), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),        cmocka_unit_test(test_most_words),
        cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_same),
        cmocka_unit_test(test_exec),         cmocka_unit_test(test_start),
        cmocka_unit_test(test_sealed),
    };

    return cmocka_run_group_tests(tests, make_program, remove_program);
}
