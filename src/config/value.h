/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * value.h - values of the config language. Allocated in the config's arena, so nobody frees
 * one, and immutable but for the items of lists and dicts, which all their names share.
 * Strings may hold any byte but NUL; they are NUL-terminated.
 *
 * A hostile file can build a list that holds itself, or one whose text is exponentially
 * longer than it is: whatever walks a value here has a bound of its own.
 */
#pragma once

#include "base/arena.h"
#include "base/types.h"

enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_DICT,
    VALUE_MATCH,     /* what re.search found: items are the groups, None for unused ones */
    VALUE_MODULE,    /* os, re, sys ...: string.text is its name */
    VALUE_BUILTIN,   /* a function or method that we know: string.text is its full name */
    VALUE_FUNCTION,  /* of the file: function is its `def` */
    VALUE_EXCEPTION, /* string.text is "CLASS" or "CLASS: message" */
};

#define VALUE_MAX_SIZE (1u << 20) /* bytes of one string, of the item pointers of one list */

struct node;
struct value;

struct value_items {
    const struct value **at; /* a dict's: key, value, key, value, ... */
    size_t count, capacity;
};

struct value {
    enum value_kind kind;
    int64_t integer; /* BOOL, INT */
    double real;     /* FLOAT */

    struct {
        const char *text;
        size_t len;
    } string;

    struct value_items *items;   /* LIST, TUPLE, DICT, MATCH */
    const struct value *self;    /* BUILTIN: the object of a method, NULL for a plain function */
    const struct node *function; /* FUNCTION */
};

const struct value *value_none(void);
const struct value *value_bool(bool b);
const struct value *value_int(struct arena *a, int64_t i);
const struct value *value_float(struct arena *a, double d);
const struct value *value_string(struct arena *a, const char *text, size_t len);
/* LIST, TUPLE, DICT or MATCH; items is copied. */
const struct value *value_list(struct arena *a, enum value_kind kind,
                               const struct value *const *items, size_t count);
/* A value of another kind that is told by its name. */
const struct value *value_named(struct arena *a, enum value_kind kind, const char *name);

/* Add to the items of a list or dict. The caller bounds their number. */
void value_append(struct arena *a, const struct value *list, const struct value *item);

bool value_is_number(const struct value *v);   /* BOOL, INT */
bool value_is_sequence(const struct value *v); /* LIST, TUPLE */
/* A number as a double, 0 for other values. */
double value_real(const struct value *v);
bool value_truth(const struct value *v);

#define VALUE_MAX_WORK 10000u
/* Adds the number of comparisons that it took to *work; when that reaches VALUE_MAX_WORK the
 * answer is "no". */
bool value_equal(const struct value *a, const struct value *b, size_t *work);

/* "an integer", "a list": for messages. */
const char *value_kind_name(const struct value *v);
/* As Python's str() shows it; as repr() does. Cut off at VALUE_MAX_SIZE. */
char *value_to_text(struct arena *a, const struct value *v);
char *value_to_repr(struct arena *a, const struct value *v);
/* A whole string as an integer (decimal, 0x, 0 octal, sign, L suffix). False if it is none. */
bool value_parse_int(const char *text, int64_t *ret);
