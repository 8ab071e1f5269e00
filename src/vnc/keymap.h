/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * keymap.h - from what a viewer sends (X keysyms: characters, more or less) to what a keyboard
 * has (keys: Linux input codes). The guest has a keyboard layout of its own, which turns keys into
 * characters; this is the reverse of it.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

struct keymap;

struct keymap_key {
    uint32_t code;
    bool shift, altgr; /* has to be held, if... */
    bool decides;      /* ...modifiers decide which character the key gives */
    bool letter;       /* Caps Lock turns `shift` round */
};

/* `name` as QEMU names layouts: en-us, de, fr-ch... Reads the files of xkb-data. 0 or -errno. */
int keymap_create(struct keymap **ret, const char *name, struct err *err) MUST_CHECK;
/* NULL is allowed. */
void keymap_destroy(struct keymap *k);
/* False: the guest's keyboard has nothing for it. */
bool keymap_find(const struct keymap *k, uint32_t keysym, struct keymap_key *ret);
