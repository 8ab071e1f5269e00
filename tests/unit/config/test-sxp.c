/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-sxp.c - S-expressions: what is read, how it is printed, and what broken text gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/types.h"
#include "config/sxp.h"

/* Text of the printed form; to be freed. */
static char *print(const struct sxp *s)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    sxp_print(out, s);
    fclose(out);
    return text;
}

/* One expression in `text`, printed as the inner one of (x ...). */
static const struct {
    const char *text, *printed;
} good[] = {
    {"(name a)", "(name a)"},
    {" ( name\n a ) # comment\n", "(name a)"},
    {"(a 'b c')", "(a 'b c')"},
    {"(a \"b\\tc\\\"\")", "(a 'b\\tc\"')"},
    {"(a 'x\\x41\\101\\q')", "(a 'xAA\\\\q')"},
    {"(a 'it\\'s')", "(a 'it\\'s')"},
    {"(features )", "(features )"},
    {"(features '')", "(features )"},
    {"(features 'a|!b')", "(features 'a|!b')"},
    {"(a '' b)", "(a '' b)"},
    {"(cpus (()))", "(cpus (()))"},
    {"(a b c)", "(a b c)"},
    {"(uname tap:aio:/x,y)", "(uname tap:aio:/x,y)"},
    {"(state -b----)", "(state -b----)"},
    {"(a '\n')", "(a '\\n')"},
    {"(a '(b)')", "(a '(b)')"},
    {"(a \xc3\xa4)", "(a \xc3\xa4)"},
};

static void test_good(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct arena a = {0};
        struct err err = {0};
        struct sxp *all, *outer = sxp_list(&a, "x");
        char expected[200], *text;

        if (sxp_parse(&a, "f", good[i].text, strlen(good[i].text), &all, &err) < 0)
            fail_msg("<%s>: %s", good[i].text, err.msg);
        assert_non_null(all->first);
        if (strcmp(sxp_name(all->first), "features") == 0 && sxp_value(all->first)[0] == '\0')
            sxp_append_pair(&a, outer, "features", "");
        else
            sxp_append(outer, all->first);
        text = print(outer);
        snprintf(expected, sizeof(expected), "(x\n    %s\n)\n", good[i].printed);
        assert_string_equal(text, expected);
        free(text);
        arena_done(&a);
    }
}

static const struct {
    const char *text, *message;
} bad[] = {
    {"(a", "f:1: '(' is never closed"},
    {"\n(a (b)\n\n", "f:2: '(' is never closed"},
    {"(a))", "f:1: ')' closes nothing"},
    {"(a\n'b)", "f:2: this string is not closed; ' is missing"},
    {"(a 'b\\", "f:1: this string is not closed; ' is missing"},
    {"(a {b})", "f:1: '{' has no meaning here; text with it needs quotes"},
    {"(a ;)", "f:1: ';' has no meaning here; text with it needs quotes"},
};

static void test_bad(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct arena a = {0};
        struct err err = {0};
        struct sxp *all;

        if (sxp_parse(&a, "f", bad[i].text, strlen(bad[i].text), &all, &err) == 0)
            fail_msg("<%s> was accepted", bad[i].text);
        assert_string_equal(err.msg, bad[i].message);
        arena_done(&a);
    }
}

/* Depth and size have limits; a NUL is no text. */
static void test_limits(void **state)
{
    static char text[1000000];
    struct arena a = {0};
    struct err err = {0};
    struct sxp *all;

    memset(text, '(', sizeof(text));
    assert_int_not_equal(sxp_parse(&a, "f", text, sizeof(text), &all, &err), 0);
    assert_string_equal(err.msg, "f:1: lists are nested too deeply");
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? ' ' : 'a';
    assert_int_not_equal(sxp_parse(&a, "f", text, sizeof(text), &all, &err), 0);
    assert_string_equal(err.msg, "f:1: this file is too large");
    arena_done(&a);
    assert_int_not_equal(sxp_parse(&a, "f", "(a \0)", 5, &all, &err), 0);
    assert_string_equal(err.msg, "f:1: a NUL byte; is this a text file?");
    arena_done(&a);
}

/* What does not fit into 80 columns is broken up; the outermost list always. */
static void test_layout(void **state)
{
    struct arena a = {0};
    struct sxp *vm = sxp_list(&a, "vm"), *device = sxp_list(&a, "device");
    struct sxp *vif = sxp_list(&a, "vif");
    char *text;

    sxp_append_pair(&a, vm, "name", "x");
    sxp_append_pair(&a, vif, "bridge", "xenbr0");
    sxp_append(device, vif);
    sxp_append(vm, device);
    text = print(vm);
    assert_string_equal(text, "(vm\n    (name x)\n    (device (vif (bridge xenbr0)))\n)\n");
    free(text);
    sxp_append_pair(&a, vif, "mac", "00:16:3e:00:00:01");
    sxp_append_pair(&a, vif, "script", "/etc/xen/scripts/vif-bridge");
    text = print(vm);
    assert_string_equal(text, "(vm\n    (name x)\n    (device\n        (vif\n"
                              "            (bridge xenbr0)\n            (mac 00:16:3e:00:00:01)\n"
                              "            (script /etc/xen/scripts/vif-bridge)\n        )\n    )\n"
                              ")\n");
    free(text);
    vm = sxp_list(&a, "odd name");
    sxp_append_pair(&a, vm, "a", "b");
    text = print(vm);
    assert_string_equal(text, "('odd name'\n    (a b)\n)\n");
    free(text);
    arena_done(&a);
}

static void test_access(void **state)
{
    static const char text[] = "(vm (name x) (cpus (0 1)) (features) y)";
    struct arena a = {0};
    struct sxp *all;
    const struct sxp *vm;

    assert_int_equal(sxp_parse(&a, "f", text, sizeof(text) - 1, &all, NULL), 0);
    vm = sxp_find(all, "vm");
    assert_non_null(vm);
    assert_string_equal(sxp_value(sxp_find(vm, "name")), "x");
    assert_null(sxp_value(sxp_find(vm, "cpus")));
    assert_string_equal(sxp_value(sxp_find(vm, "features")), "");
    assert_null(sxp_find(vm, "y"));
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),    cmocka_unit_test(test_limits),
        cmocka_unit_test(test_layout), cmocka_unit_test(test_access),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
