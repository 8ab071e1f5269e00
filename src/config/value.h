/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * value.h - values of the config language. Immutable, allocated in the config's arena, so
 * nobody frees one. Strings may hold any byte; they are NUL-terminated besides.
 */
#pragma once

#include "base/arena.h"
#include "base/types.h"

enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_MODULE,   /* os, re, sys ...: string.text is its name */
    VALUE_FUNCTION, /* a function or method that we know: string.text is its full name */
};

struct value {
    enum value_kind kind;
    int64_t integer; /* BOOL, INT */

    struct {
        const char *text;
        size_t len;
    } string;

    struct {
        const struct value **items;
        size_t count;
    } list;
    const struct value *self; /* FUNCTION: the object of a method */
};

const struct value *value_none(void);
const struct value *value_bool(bool b);
const struct value *value_int(struct arena *a, int64_t i);
const struct value *value_string(struct arena *a, const char *text, size_t len);
/* items is copied. */
const struct value *value_list(struct arena *a, enum value_kind kind,
                               const struct value *const *items, size_t count);

bool value_truth(const struct value *v);
bool value_equal(const struct value *a, const struct value *b);
/* "an integer", "a list": for messages. */
const char *value_kind_name(const struct value *v);
/* As Python's str() shows it; as repr() does. */
char *value_to_text(struct arena *a, const struct value *v);
char *value_to_repr(struct arena *a, const struct value *v);
/* A whole string as an integer (decimal, 0x, 0 octal, sign, L suffix). False if it is none. */
bool value_parse_int(const char *text, int64_t *ret);
