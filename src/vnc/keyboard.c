/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * keyboard.c - see keyboard.h.
 */
#include "vnc/keyboard.h"

#include <linux/input-event-codes.h>

static bool is_down(const struct keyboard *k, uint32_t code)
{
    return k->down[code / 8] >> code % 8 & 1;
}

void keyboard_set(struct keyboard *k, uint32_t code, bool pressed, keyboard_send_fn *send,
                  void *arg)
{
    if (code > FB_MAX_KEY || (!pressed && !is_down(k, code)))
        return;
    if (pressed)
        k->down[code / 8] |= (uint8_t)(1 << code % 8);
    else
        k->down[code / 8] &= (uint8_t) ~(1 << code % 8);
    send(arg, code, pressed);
}

/* Make a modifier, one of two keys, be what the next key needs; or undo that. */
static void bend(const struct keyboard *k, uint32_t left, uint32_t right, bool needed, bool undo,
                 keyboard_send_fn *send, void *arg)
{
    bool held = is_down(k, left) || is_down(k, right);

    if (held == needed)
        return;
    if (needed) {
        send(arg, left, !undo);
        return;
    }
    if (is_down(k, left))
        send(arg, left, undo);
    if (is_down(k, right) && right != left)
        send(arg, right, undo);
}

void keyboard_event(struct keyboard *k, const struct keymap *map, uint32_t keysym, bool pressed,
                    keyboard_send_fn *send, void *arg)
{
    struct keymap_key key;
    bool shift, bends;

    if (!keymap_find(map, keysym, &key))
        return;
    shift = key.shift ^ (key.letter && *k->caps);
    bends = pressed && key.decides;
    if (bends) {
        bend(k, KEY_LEFTSHIFT, KEY_RIGHTSHIFT, shift, false, send, arg);
        bend(k, KEY_RIGHTALT, KEY_RIGHTALT, key.altgr, false, send, arg);
    }
    keyboard_set(k, key.code, pressed, send, arg);
    if (bends) {
        bend(k, KEY_RIGHTALT, KEY_RIGHTALT, key.altgr, true, send, arg);
        bend(k, KEY_LEFTSHIFT, KEY_RIGHTSHIFT, shift, true, send, arg);
    }
    if (key.code == KEY_CAPSLOCK && pressed)
        *k->caps = !*k->caps;
}

void keyboard_release(struct keyboard *k, keyboard_send_fn *send, void *arg)
{
    for (uint32_t code = 1; code <= FB_MAX_KEY; code++)
        keyboard_set(k, code, false, send, arg);
}
