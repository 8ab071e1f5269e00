/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * keymap.c - see keymap.h. xkbcommon knows what each key of a layout gives; all of that is put
 * into a sorted table before the jail.
 */
#include "vnc/keymap.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>
#include <xkbcommon/xkbcommon-keysyms.h>
#include <xkbcommon/xkbcommon.h>

#define XKB_OFFSET 8 /* X's number of a key - Linux' */
#define MAX_LEVELS 4
#define MAX_MASKS 16

struct entry {
    uint32_t keysym;
    unsigned int rank; /* of those with the same keysym the lowest counts */
    struct keymap_key key;
};

struct keymap {
    struct entry *entries;
    size_t count, size;
    xkb_mod_mask_t shift, altgr;
};

/* QEMU's names that are not xkb's. */
static const struct {
    const char *name, *layout, *variant;
} names[] = {
    {"en-us", "us", ""}, {"en-gb", "gb", ""}, {"de-ch", "ch", ""}, {"fr-ch", "ch", "fr"},
    {"fr-be", "be", ""}, {"nl-be", "be", ""}, {"fr-ca", "ca", ""}, {"pt-br", "br", ""},
    {"ja", "jp", ""},    {"sv", "se", ""},    {"da", "dk", ""},    {"sl", "si", ""},
    {"et", "ee", ""},    {"ar", "ara", ""},
};

/* Whatever the layout says: modifiers are these keys. */
static const struct {
    uint32_t keysym, code;
} modifiers[] = {
    {XKB_KEY_Shift_L, KEY_LEFTSHIFT},
    {XKB_KEY_Shift_R, KEY_RIGHTSHIFT},
    {XKB_KEY_Control_L, KEY_LEFTCTRL},
    {XKB_KEY_Control_R, KEY_RIGHTCTRL},
    {XKB_KEY_Alt_L, KEY_LEFTALT},
    {XKB_KEY_Alt_R, KEY_RIGHTALT},
    {XKB_KEY_Meta_L, KEY_LEFTALT},
    {XKB_KEY_Meta_R, KEY_RIGHTALT},
    {XKB_KEY_ISO_Level3_Shift, KEY_RIGHTALT},
    {XKB_KEY_Mode_switch, KEY_RIGHTALT},
    {XKB_KEY_Super_L, KEY_LEFTMETA},
    {XKB_KEY_Super_R, KEY_RIGHTMETA},
    {XKB_KEY_Caps_Lock, KEY_CAPSLOCK},
    {XKB_KEY_Num_Lock, KEY_NUMLOCK},
};

static int add(struct keymap *k, uint32_t keysym, unsigned int rank, struct keymap_key key)
{
    if (k->count == k->size) {
        size_t size = k->size ? 2 * k->size : 256;
        struct entry *bigger = reallocarray(k->entries, size, sizeof(*bigger));

        if (!bigger)
            return -ENOMEM;
        k->entries = bigger;
        k->size = size;
    }
    k->entries[k->count++] = (struct entry){keysym, rank, key};
    return 0;
}

/* Which of Shift and AltGr lead to a level; false: others do. */
static bool find_modifiers(const struct keymap *k, struct xkb_keymap *x, xkb_keycode_t key,
                           xkb_level_index_t level, xkb_mod_mask_t *ret)
{
    xkb_mod_mask_t masks[MAX_MASKS];
    size_t n = xkb_keymap_key_get_mods_for_level(x, key, 0, level, masks, MAX_MASKS);

    for (size_t i = 0; i < n; i++) {
        if ((masks[i] & ~(k->shift | k->altgr)) == 0) {
            *ret = masks[i];
            return true;
        }
    }
    return false;
}

static bool is_keypad(uint32_t keysym)
{
    return keysym >= XKB_KEY_KP_Space && keysym <= XKB_KEY_KP_Equal;
}

/* 0 if there is none, or more than one. */
static uint32_t keysym_at(struct xkb_keymap *x, xkb_keycode_t key, xkb_level_index_t level)
{
    const xkb_keysym_t *syms;

    return xkb_keymap_key_get_syms_by_level(x, key, 0, level, &syms) == 1 ? syms[0] : 0;
}

static bool is_dead(uint32_t keysym)
{
    return keysym >= XKB_KEY_dead_grave && keysym <= XKB_KEY_dead_greek;
}

/* A character, which a key with other modifiers does not give. Tab is none, and F1 with Shift is
 * F1 with Shift. */
static bool decides(struct xkb_keymap *x, xkb_keycode_t key, uint32_t keysym)
{
    uint32_t c = xkb_keysym_to_utf32(keysym);

    if (!is_dead(keysym) && (c < ' ' || c == 0x7f))
        return false;
    for (xkb_level_index_t i = 0; i < 2; i++) {
        uint32_t other = keysym_at(x, key, i);

        if (other && other != keysym)
            return true;
    }
    return false;
}

static int add_level(struct keymap *k, struct xkb_keymap *x, xkb_keycode_t key,
                     xkb_level_index_t level)
{
    struct keymap_key found = {.code = key - XKB_OFFSET};
    uint32_t keysym = keysym_at(x, key, level);
    unsigned int rank = level + 1;
    xkb_mod_mask_t mask = 0;

    if (keysym == 0)
        return 0;
    /* The keypad has Num Lock, which is the guest's own affair. */
    if (!is_keypad(keysym)) {
        if (!find_modifiers(k, x, key, level, &mask))
            return 0;
        found.decides = decides(x, key, keysym);
    }
    found.shift = mask & k->shift;
    found.altgr = mask & k->altgr;
    found.letter = xkb_keysym_to_upper(keysym) != xkb_keysym_to_lower(keysym);
    /* Not all keyboards have this one, and hardly any those with high numbers. */
    if (found.code == KEY_102ND || found.code > KEY_COMPOSE)
        rank += MAX_LEVELS;
    return add(k, keysym, rank, found);
}

static int add_layout(struct keymap *k, struct xkb_keymap *x)
{
    xkb_keycode_t last = xkb_keymap_max_keycode(x);
    int rc = 0;

    k->shift = 1u << xkb_keymap_mod_get_index(x, XKB_MOD_NAME_SHIFT);
    k->altgr = 1u << xkb_keymap_mod_get_index(x, "Mod5");
    for (xkb_keycode_t key = xkb_keymap_min_keycode(x); rc == 0 && key <= last; key++) {
        xkb_level_index_t levels = xkb_keymap_num_levels_for_key(x, key, 0);

        for (xkb_level_index_t i = 0; key > XKB_OFFSET && rc == 0 && i < levels && i < MAX_LEVELS;
             i++)
            rc = add_level(k, x, key, i);
    }
    return rc;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->keysym != y->keysym)
        return x->keysym < y->keysym ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->key.code < y->key.code ? -1 : x->key.code > y->key.code;
}

static struct xkb_keymap *load(struct xkb_context *context, const char *name)
{
    struct xkb_rule_names rules = {.rules = "evdev", .model = "pc105", .layout = name};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(name, names[i].name) == 0) {
            rules.layout = names[i].layout;
            rules.variant = names[i].variant;
        }
    }
    return xkb_keymap_new_from_names(context, &rules, XKB_KEYMAP_COMPILE_NO_FLAGS);
}

/* A layout's name becomes part of a file's. */
static bool is_name(const char *text)
{
    return text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyz-") == strlen(text);
}

void keymap_destroy(struct keymap *k)
{
    if (k)
        free(k->entries);
    free(k);
}

int keymap_create(struct keymap **ret, const char *name, struct err *err)
{
    struct xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
    struct xkb_keymap *x = NULL;
    struct keymap *k = calloc(1, sizeof(*k));
    int rc = context && k ? 0 : -ENOMEM;

    if (rc == 0 && is_name(name)) {
        xkb_context_set_log_level(context, XKB_LOG_LEVEL_CRITICAL);
        x = load(context, name);
    }
    if (rc == 0 && !x)
        rc = -ENOENT;
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(modifiers); i++)
        rc = add(k, modifiers[i].keysym, 0, (struct keymap_key){.code = modifiers[i].code});
    if (rc == 0)
        rc = add_layout(k, x);
    xkb_keymap_unref(x);
    xkb_context_unref(context);
    if (rc < 0) {
        keymap_destroy(k);
        return rc == -ENOENT ? err_set(err, ENOENT, "keymap '%.40s' is unknown", name)
                             : err_set(err, -rc, "out of memory");
    }
    qsort(k->entries, k->count, sizeof(*k->entries), compare);
    *ret = k;
    return 0;
}

bool keymap_find(const struct keymap *k, uint32_t keysym, struct keymap_key *ret)
{
    size_t low = 0, high = k->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (k->entries[middle].keysym < keysym)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == k->count || k->entries[low].keysym != keysym)
        return false;
    *ret = k->entries[low].key;
    return true;
}
