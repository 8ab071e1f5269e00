/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-xend-config.c - xend-config.sxp: values, defaults, complaints; its table.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "toolstack/xend_config.h"

static struct xend_config *load(const char *text)
{
    struct xend_config *c = NULL;
    struct err err = {0};

    if (xend_config_load_text(&c, "file", text, strlen(text), &err) < 0)
        fail_msg("%s", err.msg);
    return c;
}

static void test_values(void **state)
{
    struct xend_config *c = load("# as shipped\n(logfile /tmp/x.log)\n(loglevel INFO)\n"
                                 "(dom0-min-mem 196) (dom0-min-mem 7)\n"
                                 "(xend-unix-xmlrpc-server YES)\n(vncpasswd '')\n"
                                 "(vif-script 'vif-bridge bridge=br1')\n");

    assert_string_equal(xend_config_string(c, "logfile"), "/tmp/x.log");
    assert_int_equal(xend_config_int(c, "dom0-min-mem"), 196); /* the first one */
    assert_true(xend_config_bool(c, "xend-unix-xmlrpc-server"));
    assert_string_equal(xend_config_string(c, "vif-script"), "vif-bridge bridge=br1");
    assert_string_equal(xend_config_string(c, "vnc-listen"), "127.0.0.1");
    assert_int_equal(xend_config_warning_count(c), 0);
    xend_config_free(c);
}

static void test_warnings(void **state)
{
    struct xend_config *c = load("(xend-relocation-ssl yes)\n(xend-http-server no)\n"
                                 "(xend-prot 8000)\n(xen-api-server ((9363 none)))\n");

    assert_int_equal(xend_config_warning_count(c), 3);
    assert_non_null(strstr(xend_config_warning(c, 0), "file: xend-relocation-ssl is ignored: "));
    assert_string_equal(xend_config_warning(c, 1), "file: unknown option 'xend-prot' is ignored");
    assert_non_null(strstr(xend_config_warning(c, 2), "xen-api-server is ignored"));
    xend_config_free(c);
}

/* They are off unless asked for, and say so when asked. */
static void test_open_doors(void **state)
{
    struct xend_config *c = load("");

    assert_false(xend_config_bool(c, "xend-relocation-server"));
    assert_int_equal(xend_config_warning_count(c), 0);
    xend_config_free(c);
    c = load("(xend-relocation-server yes)");
    assert_int_equal(xend_config_warning_count(c), 1);
    assert_non_null(strstr(xend_config_warning(c, 0), "lets whoever connects from the hosts that"));
    assert_string_equal(xend_config_string(c, "xend-relocation-hosts-allow"),
                        "^localhost$ ^localhost\\.localdomain$");
    xend_config_free(c);
    c = load("(xend-relocation-server yes)(xend-relocation-hosts-allow '')");
    assert_non_null(strstr(xend_config_warning(c, 0), "lets everybody who can connect"));
    xend_config_free(c);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"(dom0-min-mem much)", "file: (dom0-min-mem much): a number is needed"},
        {"(enable-dump perhaps)", "file: (enable-dump perhaps): yes or no is needed"},
        {"(logfile (a b))", "file: (logfile ...): one value is needed, not a list"},
        {"(logfile", "file:"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct xend_config *c = NULL;
        struct err err = {0};

        assert_int_equal(
            xend_config_load_text(&c, "file", cases[i].text, strlen(cases[i].text), &err), -EINVAL);
        assert_int_equal(strncmp(err.msg, cases[i].message, strlen(cases[i].message)), 0);
    }
}

/* Each default must be of its type, each entry must say something. */
static void test_table(void **state)
{
    struct xend_config *c = load("");

    for (size_t i = 0; i < xend_option_count; i++) {
        const struct xend_option *o = &xend_option_table[i];

        assert_true(strlen(o->text) > 10);
        if (o->type == XEND_BOOL)
            assert_true(strcmp(o->otherwise, "yes") == 0 || strcmp(o->otherwise, "no") == 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(o->name, xend_option_table[k].name);
        assert_string_equal(xend_config_string(c, o->name), o->otherwise);
    }
    xend_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),     cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_open_doors), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
