/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-shares.c - weights as nice values; control groups, on directories that look like some.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "domain/shares.h"

static char root[] = "/tmp/test-shares-XXXXXX";

static void put(const char *path, const char *text)
{
    char full[256];
    int fd;

    snprintf(full, sizeof(full), "%s/%s", root, path);
    fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void make(const char *path)
{
    char full[256];

    snprintf(full, sizeof(full), "%s/%s", root, path);
    assert_int_equal(mkdir(full, 0700), 0);
}

static void expect(const char *path, const char *want)
{
    char full[256], text[64] = "";
    int fd;

    snprintf(full, sizeof(full), "%s/%s", root, path);
    fd = open(full, O_RDONLY);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    close(fd);
    assert_string_equal(text, want);
}

static void test_nice(void **state)
{
    static const struct {
        unsigned int weight;
        int nice;
    } cases[] = {{256, 0}, {250, 0},   {280, 0}, {320, -1}, {205, 1},     {512, -3},
                 {128, 3}, {1024, -6}, {64, 6},  {1, 19},   {65535, -20}, {4, 19}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(shares_nice(cases[i].weight), cases[i].nice);
    for (unsigned int weight = 1; weight < 65535; weight++)
        assert_true(shares_nice(weight) >= shares_nice(weight + 1));
}

static void test_group(void **state)
{
    struct cgroup g;
    struct err err = {0};
    char path[256];

    assert_non_null(mkdtemp(root));
    assert_int_equal(cgroup_make(&g, root, "/user/shell", "5", &err), -ENOTSUP);
    put("cgroup.controllers", "cpuset cpu io\n");
    make("user");
    make("user/shell");
    /* cpuset is not cpu. */
    put("user/cgroup.subtree_control", "cpuset io\n");
    snprintf(path, sizeof(path), "%s/user/cgroup.subtree_control", root);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0)
        assert_int_equal(cgroup_make(&g, root, "/user/shell", "5", &err), -ENOTSUP);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(cgroup_make(&g, root, "/user/shell", "5", &err), 0);
    expect("user/cgroup.subtree_control", "+cpuet io\n"); /* no real one: only asked */
    put("user/cgroup.subtree_control", "io cpu\n");
    make("user/xenolith-3");
    make("user/xenolith-4");
    put("user/xenolith-4/cgroup.procs", "");
    assert_int_equal(cgroup_make(&g, root, "/user/shell", "6", &err), 0);
    snprintf(path, sizeof(path), "%s/user/xenolith-6", root);
    assert_string_equal(g.path, path);
    snprintf(path, sizeof(path), "%s/user/xenolith-3", root);
    assert_int_equal(access(path, F_OK), -1); /* was empty */
    snprintf(path, sizeof(path), "%s/user/xenolith-4", root);
    assert_int_equal(access(path, F_OK), 0);

    assert_true(cgroup_set(&g, 256, 0) < 0); /* a directory without its files */
    put("user/xenolith-6/cpu.weight", "");
    put("user/xenolith-6/cpu.max", "");
    put("user/xenolith-6/cgroup.procs", "");
    assert_int_equal(cgroup_set(&g, 512, 50), 0);
    expect("user/xenolith-6/cpu.weight", "200");
    expect("user/xenolith-6/cpu.max", "50000 100000");
    put("user/xenolith-6/cpu.weight", "");
    put("user/xenolith-6/cpu.max", "");
    assert_int_equal(cgroup_set(&g, 1, 0), 0);
    expect("user/xenolith-6/cpu.weight", "1");
    expect("user/xenolith-6/cpu.max", "max 100000");
    assert_int_equal(cgroup_add(&g, 1234), 0);
    expect("user/xenolith-6/cgroup.procs", "1234");
    snprintf(path, sizeof(path), "rm -r %s", root);
    assert_int_equal(system(path), 0);
}

/* Where the host has no groups for us: the processes of a tree become nicer, and what they make. */
static void test_tree(void **state)
{
    pid_t pid;
    int status;

    if (access(CGROUP_MOUNT "/cgroup.controllers", F_OK) == 0)
        skip(); /* there may be groups for us, and this is no place to make some */
    pid = fork();
    if (pid == 0) {
        struct shares s = {0};
        struct err err = {0};
        int before = getpriority(PRIO_PROCESS, 0);
        pid_t child = fork();

        if (child == 0) {
            pause();
            _exit(0);
        }
        if (shares_set(&s, "test", 128, 0, &err) < 0)
            _exit(1);
        if (getpriority(PRIO_PROCESS, (id_t)child) != before + 3 ||
            getpriority(PRIO_PROCESS, 0) != before + 3)
            _exit(2);
        if (shares_set(&s, "test", 128, 50, &err) != -ENOTSUP)
            _exit(3);
        kill(child, SIGKILL);
        _exit(s.weight == 128 && s.cap == 0 ? 0 : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nice),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
