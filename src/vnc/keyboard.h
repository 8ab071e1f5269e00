/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * keyboard.h - what one viewer holds down, and what has to be sent to the guest for the next
 * thing that it does. A viewer's layout may not be the guest's, and some programs send characters
 * without the modifiers that make them: then Shift and AltGr are pressed, or let go, around a key.
 */
#pragma once

#include "backend/fb/fb_msg.h"
#include "vnc/keymap.h"

struct keyboard {
    uint8_t down[FB_MAX_KEY / 8 + 1]; /* keys and buttons, by code */
    bool *caps;                       /* the guest's Caps Lock, as far as we know; all viewers' */
};

typedef void keyboard_send_fn(void *arg, uint32_t code, bool pressed);

void keyboard_event(struct keyboard *k, const struct keymap *map, uint32_t keysym, bool pressed,
                    keyboard_send_fn *send, void *arg);
/* A key or button by its code. */
void keyboard_set(struct keyboard *k, uint32_t code, bool pressed, keyboard_send_fn *send,
                  void *arg);
/* The viewer goes: let go of everything. */
void keyboard_release(struct keyboard *k, keyboard_send_fn *send, void *arg);
