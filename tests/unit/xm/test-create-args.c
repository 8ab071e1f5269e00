/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-create-args.c - the arguments of xm create in all their spellings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xm/create_args.h"

/* Split at blanks; returns argc. */
static int split(const char *line, char *copy, char **argv)
{
    int argc = 0;

    strcpy(copy, line);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
        argv[argc++] = p;
    return argc;
}

static void test_good(void **state)
{
    static const struct {
        const char *line, *file;
        bool console, quiet, dry_run;
        size_t overrides;
    } cases[] = {
        {"create f", "f", 0, 0, 0, 0},
        {"create -c f", "f", 1, 0, 0, 0},
        {"create f -c", "f", 1, 0, 0, 0},
        {"create -qc f", "f", 1, 1, 0, 0},
        {"create -q -c -n f", "f", 1, 1, 1, 0},
        {"create --quiet --console_autoconnect f", "f", 1, 1, 0, 0},
        {"create --console --dryrun f", "f", 1, 0, 1, 0},
        {"create -f f", "f", 0, 0, 0, 0},
        {"create -ff", "f", 0, 0, 0, 0},
        {"create --defconfig=f", "f", 0, 0, 0, 0},
        {"create --defconfig f", "f", 0, 0, 0, 0},
        {"create -cf f a=b", "f", 1, 0, 0, 1},
        {"create a=b f c=d e=", "f", 0, 0, 0, 3},
        {"create /dev/null kernel=/x/y", "/dev/null", 0, 0, 0, 1},
        {"create /a/b=c", "/a/b=c", 0, 0, 0, 0},
        {"create -- -c", "-c", 0, 0, 0, 0},
        {"create", NULL, 0, 0, 0, 0},
        {"create memory=5", NULL, 0, 0, 0, 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char copy[200], *argv[20];
        struct create_args a;
        struct err err = {0};

        if (create_args_parse(&a, false, split(cases[i].line, copy, argv), argv, &err) < 0)
            fail_msg("<%s>: %s", cases[i].line, err.msg);
        if (cases[i].file)
            assert_string_equal(a.file, cases[i].file);
        else
            assert_null(a.file);
        assert_int_equal(a.console, cases[i].console);
        assert_int_equal(a.quiet, cases[i].quiet);
        assert_int_equal(a.dry_run, cases[i].dry_run);
        assert_int_equal(a.nr_overrides, cases[i].overrides);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"create -z f", "unknown option '-z'"},
        {"create -cz f", "unknown option '-z'"},
        {"create -x f", "option -x (XML of the Xen-API) is not supported; -n prints the config"},
        {"create -F", "option -F needs a value"},
        {"create --frobnicate f", "unknown option '--frobnicate'"},
        {"create --quiet=1 f", "option --quiet takes no value"},
        {"create -f", "option -f needs a value"},
        {"create --path", "option --path needs a value"},
        {"create f g", "unexpected argument 'g'; settings have the form VAR=VALUE"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char copy[200], *argv[20];
        struct create_args a;
        struct err err = {0};

        if (create_args_parse(&a, false, split(cases[i].line, copy, argv), argv, &err) == 0)
            fail_msg("<%s> was accepted", cases[i].line);
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void test_letters_of_xl(void **state)
{
    char copy[200], *argv[20];
    struct create_args a;
    struct err err = {0};

    assert_int_equal(
        create_args_parse(&a, true, split("create -e -F f -V -d", copy, argv), argv, &err), 0);
    assert_string_equal(a.file, "f");
    assert_true(a.foreground && a.viewer && !a.sxp);
    assert_int_not_equal(create_args_parse(&a, true, split("create -x f", copy, argv), argv, &err),
                         0);
    assert_int_not_equal(create_args_parse(&a, false, split("create -e f", copy, argv), argv, &err),
                         0);
}

static void test_sxp_and_json(void **state)
{
    char copy[200], *argv[20];
    struct create_args a;

    assert_int_equal(create_args_parse(&a, false, split("create -p f", copy, argv), argv, NULL), 0);
    assert_true(a.paused && !a.console);
    assert_int_equal(
        create_args_parse(&a, false, split("create -F f -n --json a=b", copy, argv), argv, NULL),
        0);
    assert_null(a.file);
    assert_string_equal(a.sxp, "f");
    assert_true(a.json && a.dry_run);
    assert_int_equal(a.nr_overrides, 1);
    assert_int_equal(
        create_args_parse(&a, false, split("create --config=g", copy, argv), argv, NULL), 0);
    assert_string_equal(a.sxp, "g");
}

static void test_too_many_overrides(void **state)
{
    char *argv[CREATE_MAX_OVERRIDES + 3];
    struct create_args a;

    argv[0] = (char *)"create";
    for (int i = 1; i < CREATE_MAX_OVERRIDES + 2; i++)
        argv[i] = (char *)"a=b";
    assert_int_equal(create_args_parse(&a, false, CREATE_MAX_OVERRIDES + 1, argv, NULL), 0);
    assert_int_not_equal(create_args_parse(&a, false, CREATE_MAX_OVERRIDES + 2, argv, NULL), 0);
}

static void test_find_file(void **state)
{
    char dir[] = "/tmp/xl-args.XXXXXX", file[64], path[64], buf[200];
    struct create_args a = {.file = "guest"};
    struct err err = {0};

    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/guest", dir);
    snprintf(path, sizeof(path), "/nowhere:%s", dir);
    fclose(fopen(file, "w"));
    a.path = path;
    assert_int_equal(create_args_find_file(&a, buf, sizeof(buf), NULL), 0);
    assert_string_equal(buf, file);
    assert_int_equal(chdir(dir), 0);
    a.path = ".:/etc/xen";
    assert_int_equal(create_args_find_file(&a, buf, sizeof(buf), NULL), 0);
    assert_string_equal(buf, "./guest");
    unlink(file);
    assert_int_not_equal(create_args_find_file(&a, buf, sizeof(buf), &err), 0);
    assert_string_equal(err.msg, "Unable to open config file: guest (looked in: .:/etc/xen)");
    a.file = "/nowhere";
    assert_int_not_equal(create_args_find_file(&a, buf, sizeof(buf), &err), 0);
    assert_string_equal(err.msg, "Unable to open config file: /nowhere: No such file or directory");
    assert_int_equal(chdir("/"), 0);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_letters_of_xl),
        cmocka_unit_test(test_sxp_and_json),
        cmocka_unit_test(test_too_many_overrides),
        cmocka_unit_test(test_find_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
