/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-script.c - running scripts: arguments and environment, the last line that a failing one
 * said, the time limit, daemons left behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "hotplug/script.h"

static char dir[] = "/tmp/xenolith-script-XXXXXX";

static int set_up(void **state)
{
    char path[64];

    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/run", dir);
    setenv("XENOLITH_RUN_DIR", path, 1);
    snprintf(path, sizeof(path), "%s/log", dir);
    setenv("XENOLITH_LOG_DIR", path, 1);
    setenv("XENOLITH_SCRIPTS_DIR", dir, 1);
    setenv("LEAKED", "yes", 1);
    return 0;
}

static int tear_down(void **state)
{
    char command[80];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void write_script(const char *name, const char *text)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s", text);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static char *output(void)
{
    char path[64], *text;
    size_t len;

    snprintf(path, sizeof(path), "%s/out", dir);
    assert_int_equal(io_read_file(path, 4096, &text, &len, NULL), 0);
    return text;
}

static int run(const char *line, unsigned int timeout_s, struct err *err)
{
    static const char *const environment[] = {"XENBUS_PATH=backend/vif/1/0", NULL};
    struct script s;

    assert_int_equal(script_find(&s, line, err), 0);
    return script_run(&s, "online", environment, timeout_s, err);
}

static void test_arguments(void **state)
{
    struct err err = {0};
    char want[128], *text;

    write_script("a",
                 "cd \"${0%/*}\"; echo \"$*|$#|$XENBUS_PATH|$LEAKED|$XENOLITH_RUN_DIR\" >out\n");
    assert_int_equal(run("a  bridge=br1\t x='y", 10, &err), 0);
    text = output();
    snprintf(want, sizeof(want), "online bridge=br1 x='y|3|backend/vif/1/0||%s/run\n", dir);
    assert_string_equal(text, want);
    free(text);
}

static void test_not_found(void **state)
{
    struct err err = {0};
    struct script s;
    char longest[1024];

    assert_int_equal(script_find(&s, "none", &err), -ENOENT);
    assert_non_null(strstr(err.msg, "no script none"));
    assert_int_equal(script_find(&s, "/none", &err), -ENOENT);
    assert_int_equal(script_find(&s, "  ", &err), -EINVAL);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(script_find(&s, longest, &err), -E2BIG);
    for (size_t i = 1; i < 200; i += 2)
        longest[i] = ' ';
    longest[200] = '\0';
    assert_int_equal(script_find(&s, longest, &err), -E2BIG);
}

/* Standard output counts, too, blank lines do not, and one without its end does. */
static void test_words(void **state)
{
    struct err err = {0};

    write_script("b", "echo one >&2; echo two; echo; printf '%s' \"$2\"; exit 3\n");
    assert_int_equal(run("b", 10, &err), -EIO);
    assert_string_equal(err.msg, "two");
    assert_int_equal(run("b three", 10, &err), -EIO);
    assert_string_equal(err.msg, "three");
    write_script("c", "kill -9 $$\n");
    assert_int_equal(run("c", 10, &err), -EIO);
    assert_string_equal(err.msg, "");
    write_script("d", "head -c 100000 /dev/zero | tr '\\0' x; exit 1\n");
    assert_int_equal(run("d", 10, &err), -EIO);
    assert_int_equal(strlen(err.msg), 255);
}

static void test_timeout(void **state)
{
    struct err err = {0};
    char *text;
    pid_t child;

    write_script("e", "cd \"${0%/*}\"; sleep 100 & echo $! >out; wait\n");
    assert_int_equal(run("e", 1, &err), -ETIMEDOUT);
    text = output();
    child = (pid_t)atoi(text);
    free(text);
    assert_true(child > 1);
    for (int i = 0; i < 100 && kill(child, 0) == 0; i++)
        usleep(20000); /* until somebody reaps it */
    assert_int_equal(kill(child, 0), -1);
}

/* One that holds the output open does not hold us up. */
static void test_daemon(void **state)
{
    struct err err = {0};
    time_t start = time(NULL);
    char *text;

    write_script("f", "cd \"${0%/*}\"; sleep 60 & echo $! >out; exit 0\n");
    assert_int_equal(run("f", 50, &err), 0);
    assert_true(time(NULL) - start < 45);
    text = output();
    assert_int_equal(kill((pid_t)atoi(text), SIGKILL), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_daemon),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
