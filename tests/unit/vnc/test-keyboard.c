/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-keyboard.c - from what viewers send to the keys of a guest's keyboard: layouts, modifiers
 * that are missing or too many, keys that are let go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>
#include <xkbcommon/xkbcommon-keysyms.h>

#include "vnc/keyboard.h"

static char sent[1000];

/* "+30 -30": pressed, let go. */
static void note(void *arg, uint32_t code, bool pressed)
{
    size_t n = strlen(sent);

    snprintf(sent + n, sizeof(sent) - n, "%s%c%u", n ? " " : "", pressed ? '+' : '-', code);
}

static struct keymap *load(const char *name)
{
    struct keymap *k = NULL;
    struct err err = {0};

    if (keymap_create(&k, name, &err) < 0)
        fail_msg("%s", err.msg);
    return k;
}

static uint32_t code_of(const struct keymap *k, uint32_t keysym)
{
    struct keymap_key key;

    return keymap_find(k, keysym, &key) ? key.code : 0;
}

static void test_layouts(void **state)
{
    struct keymap *us = load("en-us"), *de = load("de"), *fr = load("fr-be");
    struct keymap_key key;

    assert_int_equal(code_of(us, 'y'), KEY_Y);
    assert_int_equal(code_of(de, 'y'), KEY_Z);
    assert_int_equal(code_of(fr, 'a'), KEY_Q);
    assert_true(keymap_find(us, '$', &key) && key.code == KEY_4 && key.shift && !key.altgr);
    assert_true(keymap_find(de, '@', &key) && key.code == KEY_Q && !key.shift && key.altgr);
    assert_true(keymap_find(de, '<', &key) && key.code == KEY_102ND && key.decides);
    assert_true(keymap_find(us, '<', &key) && key.code == KEY_COMMA && key.shift);
    assert_int_equal(code_of(us, XKB_KEY_Return), KEY_ENTER);
    assert_int_equal(code_of(us, XKB_KEY_KP_7), KEY_KP7);
    assert_int_equal(code_of(us, XKB_KEY_Home), KEY_HOME);
    assert_int_equal(code_of(de, XKB_KEY_ISO_Level3_Shift), KEY_RIGHTALT);
    assert_int_equal(code_of(us, XKB_KEY_Alt_R), KEY_RIGHTALT);
    assert_int_equal(code_of(us, XKB_KEY_adiaeresis), 0);
    assert_int_equal(code_of(de, XKB_KEY_adiaeresis), KEY_APOSTROPHE);
    keymap_destroy(us);
    keymap_destroy(de);
    keymap_destroy(fr);
}

static void test_no_layout(void **state)
{
    static const char *const names[] = {"", "xx-yy", "../us", "us/", "US", "de(neo)"};
    struct keymap *k;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct err err = {0};

        assert_int_equal(keymap_create(&k, names[i], &err), -ENOENT);
        assert_non_null(strstr(err.msg, "is unknown"));
    }
}

/* Keysyms with their signs: 'A' is pressed, -'A' is let go. */
static void play(const char *layout, const int *keysyms, const char *expected)
{
    struct keymap *map = load(layout);
    bool caps = false;
    struct keyboard k = {.caps = &caps};

    sent[0] = '\0';
    for (; *keysyms; keysyms++)
        keyboard_event(&k, map, (uint32_t)(*keysyms < 0 ? -*keysyms : *keysyms), *keysyms > 0, note,
                       NULL);
    assert_string_equal(sent, expected);
    sent[0] = '\0';
    keyboard_release(&k, note, NULL);
    keymap_destroy(map);
}

static void test_modifiers(void **state)
{
    play("en-us", (int[]){'a', -'a', 0}, "+30 -30");
    /* A program sends no Shift; a keyboard does. */
    play("en-us", (int[]){'A', -'A', 0}, "+42 +30 -42 -30");
    play("en-us", (int[]){XKB_KEY_Shift_R, 'A', -'A', -XKB_KEY_Shift_R, 0}, "+54 +30 -30 -54");
    /* Another layout: Shift+7 is / there, and a key of its own here. */
    play("en-us", (int[]){XKB_KEY_Shift_L, '/', -'/', -XKB_KEY_Shift_L, 0},
         "+42 -42 +53 +42 -53 -42");
    play("de", (int[]){'@', -'@', 0}, "+100 +16 -100 -16");
    play("de", (int[]){XKB_KEY_ISO_Level3_Shift, '@', -'@', 0}, "+100 +16 -16");
    assert_string_equal(sent, "-100");
    /* No character: modifiers are the user's. */
    play("en-us", (int[]){XKB_KEY_Shift_L, XKB_KEY_F1, -XKB_KEY_F1, XKB_KEY_Tab, -XKB_KEY_Tab, 0},
         "+42 +59 -59 +15 -15");
    play("en-us", (int[]){XKB_KEY_Control_L, 'c', -'c', -XKB_KEY_Control_L, 0}, "+29 +46 -46 -29");
}

static void test_caps_lock(void **state)
{
    play("en-us", (int[]){XKB_KEY_Caps_Lock, -XKB_KEY_Caps_Lock, 'A', -'A', 'a', -'a', '!', 0},
         "+58 -58 +30 -30 +42 +30 -42 -30 +42 +2 -42");
}

static void test_release(void **state)
{
    play("en-us", (int[]){-'a', 0}, ""); /* was not down */
    play("en-us", (int[]){XKB_KEY_Shift_L, 'A', 'A', 0}, "+42 +30 +30");
    assert_string_equal(sent, "-30 -42");
    play("en-us", (int[]){0x1000000, 0x7fffffff, XKB_KEY_VoidSymbol, 0}, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),   cmocka_unit_test(test_no_layout),
        cmocka_unit_test(test_modifiers), cmocka_unit_test(test_caps_lock),
        cmocka_unit_test(test_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
