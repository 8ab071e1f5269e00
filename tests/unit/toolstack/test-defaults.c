/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-defaults.c - what xend-config.sxp gives to domains that do not say otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "toolstack/defaults.h"

static struct xend_config *load(const char *text)
{
    struct xend_config *x = NULL;

    assert_int_equal(xend_config_load_text(&x, "file", text, strlen(text), NULL), 0);
    return x;
}

static void test_config(void **state)
{
    static const char text[] = "name = 'a'\nkeymap = 'de'\n";
    struct xend_config *x = load("(vnc-listen 0.0.0.0) (vncpasswd secret) (keymap fr)");
    struct config *c = config_new();

    assert_int_equal(config_load_text(c, "a", text, strlen(text), NULL), 0);
    assert_int_equal(defaults_for_config(c, x, NULL), 0);
    assert_string_equal(config_string(c, "vnclisten", ""), "0.0.0.0");
    assert_string_equal(config_string(c, "vncpasswd", ""), "secret");
    assert_string_equal(config_string(c, "keymap", ""), "de");
    config_free(c);
    xend_config_free(x);
}

static void test_config_without_any(void **state)
{
    struct xend_config *x = load("(vnc-listen 127.0.0.1)");
    struct config *c = config_new();

    assert_int_equal(config_load_text(c, "a", "", 0, NULL), 0);
    assert_int_equal(defaults_for_config(c, x, NULL), 0);
    assert_int_equal(defaults_for_config(c, NULL, NULL), 0);
    assert_false(config_is_set(c, "vnclisten") || config_is_set(c, "vncpasswd"));
    config_free(c);
    xend_config_free(x);
}

static void test_document(void **state)
{
    static const char *const actions[][2] = {
        {"destroy", "coredump-destroy"}, {"restart", "coredump-restart"}, {"preserve", "preserve"}};
    struct xend_config *x = load("(vncpasswd secret) (enable-dump yes)");

    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        json_t *doc =
            json_pack("{s:s, s:{s:s}}", "on_crash", actions[i][0], "vfb", "listen", "::1");
        const json_t *vfb = json_object_get(doc, "vfb");

        defaults_for_document(doc, x);
        assert_string_equal(json_get_string(doc, "on_crash", ""), actions[i][1]);
        assert_string_equal(json_get_string(vfb, "listen", ""), "::1");
        assert_string_equal(json_get_string(vfb, "password", ""), "secret");
        assert_null(json_object_get(vfb, "keymap"));
        json_decref(doc);
    }
    xend_config_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_config_without_any),
        cmocka_unit_test(test_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
