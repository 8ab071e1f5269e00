/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-base.c - arena, files, JSON helpers, paths and event loop.
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/cpulist.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/logfile.h"
#include "base/loop.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/virt.h"

static void test_err_wrap_keeps_a_long_cause(void **state)
{
    struct err err = {0};

    assert_int_equal(err_set(&err, EINVAL, "cause %d", 5), -EINVAL);
    assert_int_equal(err_wrap(&err, "file %s", "f"), -EINVAL);
    assert_string_equal(err.msg, "file f: cause 5");
    assert_int_equal(err_set(NULL, EIO, "nobody reads this"), -EIO);
}

static void test_arena(void **state)
{
    struct arena a = {0};
    char *big, *text;

    for (int i = 0; i < 2000; i++) {
        char *p = arena_alloc(&a, (size_t)i);

        assert_int_equal((uintptr_t)p % 16, 0);
        for (int k = 0; k < i; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, (size_t)i);
    }
    big = arena_alloc(&a, 1 << 20);
    assert_int_equal(big[(1 << 20) - 1], 0);
    text = arena_printf(&a, "%s-%d", "x", 7);
    assert_string_equal(text, "x-7");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_true(arena_used(&a) > 1 << 20);
    arena_done(&a);
    assert_int_equal(arena_used(&a), 0);
}

static void test_files(void **state)
{
    char dir[] = "/tmp/xl-base.XXXXXX", path[64];
    struct err err = {0};
    char *text = NULL;
    struct stat st;
    size_t n;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/f", dir);
    assert_int_equal(io_write_file_atomic(path, "hello", 5, &err), 0);
    assert_int_equal(io_write_file_atomic(path, "again", 5, &err), 0);
    assert_int_equal(io_read_file(path, 100, &text, &n, &err), 0);
    assert_int_equal(n, 5);
    assert_string_equal(text, "again");
    free(text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(io_read_file(path, 5, &text, &n, &err), 0);
    free(text);
    assert_int_equal(io_read_file(path, 4, &text, &n, &err), -EFBIG);
    assert_non_null(strstr(err.msg, path));
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* no temporary file was left */
    assert_int_equal(io_read_file(path, 4, &text, &n, &err), -ENOENT);
    assert_int_not_equal(io_write_file_atomic(path, "x", 1, &err), 0);
}

static void test_logfile(void **state)
{
    char dir[] = "/tmp/xl-base.XXXXXX", path[64], old[80], *text = NULL;
    size_t n;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    for (char c = 'a'; c <= 'f'; c++) {
        int fd = logfile_open(path, 7, 2);

        assert_true(fd >= 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(write(fd, &c, 1), 1);
        close(fd);
    }
    /* Two openings filled each but the last one; the oldest is gone. */
    static const char *const expected[] = {"eeeeffff", "ccccdddd", "aaaabbbb"};
    for (unsigned int i = 0; i < 3; i++) {
        snprintf(old, sizeof(old), i ? "%s.%u" : "%s", path, i);
        assert_int_equal(io_read_file(old, 100, &text, &n, NULL), 0);
        assert_string_equal(text, expected[i]);
        free(text);
    }
    close(logfile_open(path, 7, 2));
    snprintf(old, sizeof(old), "%s.2", path);
    assert_int_equal(io_read_file(old, 100, &text, &n, NULL), 0);
    assert_string_equal(text, expected[1]);
    free(text);
    unlink(old);
    snprintf(old, sizeof(old), "%s.1", path);
    unlink(old);
    /* What another user put there is not followed. */
    unlink(path);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_int_equal(logfile_open(path, 7, 2), -ELOOP);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

static void test_start_time(void **state)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    assert_true(proc_start_time(getpid()) > 0);
    assert_true(proc_start_time(child) >= proc_start_time(getpid()));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(proc_start_time(child), 0);
}

/* A file that grows while it is read does not exceed the cap. */
static void test_endless_file(void **state)
{
    struct err err = {0};
    char *text = NULL;
    size_t n;

    assert_int_equal(io_read_file("/dev/zero", 1 << 16, &text, &n, &err), -EFBIG);
}

static void test_json(void **state)
{
    static const char good[] = "{\"s\":\"x\",\"i\":5,\"b\":true}";
    static const char *const bad[] = {"", "[1]", "5", "{", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}"};
    struct err err = {0};
    json_t *v = NULL;
    json_int_t n = 0;
    char *line;

    assert_int_equal(json_parse_object(good, sizeof(good) - 1, &v, &err), 0);
    assert_string_equal(json_get_string(v, "s", "?"), "x");
    assert_string_equal(json_get_string(v, "i", "?"), "?");
    assert_int_equal(json_get_int(v, "i", -1), 5);
    assert_int_equal(json_get_int(v, "s", -1), -1);
    assert_true(json_get_bool(v, "b", false));
    assert_int_equal(json_need_int(v, "i", 1, 5, &n, &err), 0);
    assert_int_equal(n, 5);
    assert_int_equal(json_need_int(v, "i", 6, 9, &n, &err), -EINVAL);
    assert_string_equal(err.msg, "i: 5 is not within 6..9");
    assert_int_equal(json_need_int(v, "s", 6, 9, &n, &err), -EINVAL);
    line = json_to_line(v);
    assert_int_equal(line[strlen(line) - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    free(line);
    json_decref(v);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(json_parse_object(bad[i], strlen(bad[i]), &v, &err), -EINVAL);
}

static void test_paths(void **state)
{
    char base[] = "/tmp/xl-base.XXXXXX", dir[64], buf[PATHS_MAX];
    struct err err = {0};
    struct stat st;

    assert_non_null(mkdtemp(base));
    snprintf(dir, sizeof(dir), "%s/a/b", base);
    setenv("XENOLITH_RUN_DIR", dir, 1);
    assert_int_equal(paths_run_dir(buf, &err), 0);
    assert_string_equal(buf, dir);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    /* Where everybody can make files. */
    assert_int_equal(chmod(dir, 01777), 0);
    assert_int_equal(paths_run_dir(buf, &err), -EPERM);
    rmdir(dir);
    /* Somebody's link in place of the directory. */
    assert_int_equal(symlink("/tmp", dir), 0);
    assert_int_equal(paths_run_dir(buf, &err), -EPERM);
    unlink(dir);
    snprintf(dir, sizeof(dir), "%s/a", base);
    rmdir(dir);
    rmdir(base);
    setenv("XENOLITH_RUN_DIR", "relative", 1);
    assert_int_equal(paths_run_dir(buf, &err), -EINVAL);
    assert_int_equal(access("relative", F_OK), -1);
    assert_int_equal(paths_helper(buf, "no-such-program", &err), -ENOENT);
    unsetenv("XENOLITH_RUN_DIR");
}

struct watcher {
    struct loop *loop;
    struct loop_watch *self, *other;
    int calls;
};

static void on_event_remove_other(void *arg, uint32_t events)
{
    struct watcher *w = arg;

    w->calls++;
    loop_remove(w->self);
    loop_remove(w->other);
    w->self = w->other = NULL;
}

/* Two descriptors are ready at once; whoever comes first removes both: no second callback. */
static void test_loop_removal(void **state)
{
    struct watcher w = {0};
    int a[2], b[2];

    assert_int_equal(loop_create(&w.loop, NULL), 0);
    assert_int_equal(pipe(a) | pipe(b), 0);
    w.self = loop_add(w.loop, a[0], EPOLLIN, on_event_remove_other, &w);
    w.other = loop_add(w.loop, b[0], EPOLLIN, on_event_remove_other, &w);
    assert_true(w.self && w.other);
    assert_int_equal(write(a[1], "x", 1) + write(b[1], "x", 1), 2);
    assert_int_equal(loop_run_once(w.loop, 100), 0);
    assert_int_equal(w.calls, 1);
    assert_int_equal(loop_run_once(w.loop, 0), 0);
    assert_int_equal(w.calls, 1);
    loop_destroy(w.loop);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void test_cpulist(void **state)
{
    static const struct {
        const char *text, *canonical, *shown; /* on a host with CPUs 0-3 */
    } good[] = {
        {"0", "0", "0"},
        {" 0 - 2 , 5 ", "0-2,5", "0-2"},
        {"0-7,^1", "0,2-7", "0,2-3"},
        {"all", "0-1023", "any cpu"},
        {"0-3", "0-3", "any cpu"},
        {"all,^2", "0-1,3-1023", "0-1,3"},
        {"7", "7", "no cpus"},
    };
    static const char *const bad[] = {"",    " ",    ",",      "0,",   "x",  "-1",  "3-1",
                                      "1-x", "1024", "0-9999", "0,^0", "^0", "0 1", "alle"};
    char buf[CPULIST_MAX];
    cpu_set_t set, host;

    assert_int_equal(cpulist_parse("0-3", &host), 0);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(cpulist_parse(good[i].text, &set), 0);
        cpulist_format(&set, buf);
        assert_string_equal(buf, good[i].canonical);
        cpulist_describe(&set, &host, buf);
        assert_string_equal(buf, good[i].shown);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (cpulist_parse(bad[i], &set) == 0)
            fail_msg("<%s> was accepted", bad[i]);
    /* As many pieces as there can be: cut off, not overrun. */
    CPU_ZERO(&set);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu += 2)
        CPU_SET(cpu, &set);
    cpulist_format(&set, buf);
    assert_int_equal(strlen(buf), CPULIST_MAX - 1);
}

static void test_proc(void **state)
{
    struct proc_usage usage = {.cpu = -1};
    pid_t children[2] = {0}, pid = fork();
    int pidfd;

    if (pid == 0) {
        pause();
        _exit(0);
    }
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(pidfd >= 0);
    assert_int_equal(proc_pid(pidfd), pid);
    assert_int_equal(proc_children(getpid(), children, 2), 1);
    assert_int_equal(children[0], pid);
    assert_int_equal(proc_children(getpid(), children, 0), 1);
    assert_int_equal(proc_usage(pid, &usage), 0);
    assert_true(usage.cpu >= 0 && usage.ns < 1000000000);
    while (usage.ns < 50000000)
        assert_int_equal(proc_usage(getpid(), &usage), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(proc_pid(pidfd), -1);
    assert_int_equal(proc_children(getpid(), children, 2), 0);
    assert_true(proc_usage(pid, &usage) < 0);
    close(pidfd);
}

/* --- virt --------------------------------------------------------------------------------- */

static void test_virt_flags(void **state)
{
    assert_true(virt_flags_have_hvm("processor\t: 0\nflags\t\t: fpu vmx sse\n"));
    assert_true(virt_flags_have_hvm("flags : svm\n"));
    assert_true(virt_flags_have_hvm("flags: fpu svm"));
    assert_false(virt_flags_have_hvm("flags\t: fpu sse\nvmx flags\t: vnmi\nbugs\t: svm\n"));
    assert_false(virt_flags_have_hvm("flags : vmxx nosvm\n"));
    assert_false(virt_flags_have_hvm("flags :"));
    assert_false(virt_flags_have_hvm(""));
}

static void test_virt_choose(void **state)
{
    enum virt_cpu cpu = VIRT_KVM;
    struct err err = {0};

    assert_int_equal(virt_choose("always", &cpu, &err), 0);
    assert_int_equal(cpu, VIRT_EMULATED);
    assert_int_equal(virt_choose("auto", &cpu, &err), 0);
    assert_int_equal(cpu, virt_has_kvm() ? VIRT_KVM : VIRT_EMULATED);
    assert_int_equal(virt_choose("never", &cpu, &err), virt_has_kvm() ? 0 : -ENOTSUP);
    assert_int_equal(virt_choose("", &cpu, &err), -EINVAL);
}

/* What a guest says is one line of the log, and nothing for the reader's terminal. */
static void test_log(void **state)
{
    char path[] = "/tmp/test-log-XXXXXX";
    int fd = mkstemp(path), lines = 0;
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    assert_true(fd >= 0);
    assert_int_equal(log_open(path, NULL), 0);
    log_guest(LOG_ERROR, "test", "a\tb\n\33[2J\x7f\xc3\xa4");
    assert_int_equal(io_read_file(path, 4096, &text, &len, NULL), 0);
    assert_non_null(strstr(text, " error test: a\tb??[2J?\xc3\xa4\n"));
    free(text);
    for (int i = 0; i < 5000; i++)
        log_guest(LOG_ERROR, "test", "flood");
    assert_int_equal(io_read_file(path, 1 << 20, &text, &len, NULL), 0);
    for (const char *p = text; (p = strstr(p, "test: flood")); p++)
        lines++;
    assert_in_range(lines, 390, 405);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_wrap_keeps_a_long_cause),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_logfile),
        cmocka_unit_test(test_start_time),
        cmocka_unit_test(test_endless_file),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_loop_removal),
        cmocka_unit_test(test_cpulist),
        cmocka_unit_test(test_proc),
        cmocka_unit_test(test_virt_flags),
        cmocka_unit_test(test_virt_choose),
        cmocka_unit_test(test_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
