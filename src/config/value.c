/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * value.c - see value.h.
 */
#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 40 /* of lists in lists that are shown or compared */

const struct value *value_none(void)
{
    static const struct value none = {.kind = VALUE_NONE};

    return &none;
}

const struct value *value_bool(bool b)
{
    static const struct value values[2] = {
        {.kind = VALUE_BOOL, .integer = 0},
        {.kind = VALUE_BOOL, .integer = 1},
    };

    return &values[b];
}

static struct value *make(struct arena *a, enum value_kind kind)
{
    struct value *v = arena_alloc(a, sizeof(*v));

    v->kind = kind;
    return v;
}

const struct value *value_int(struct arena *a, int64_t i)
{
    struct value *v = make(a, VALUE_INT);

    v->integer = i;
    return v;
}

const struct value *value_float(struct arena *a, double d)
{
    struct value *v = make(a, VALUE_FLOAT);

    v->real = d;
    return v;
}

const struct value *value_string(struct arena *a, const char *text, size_t len)
{
    struct value *v = make(a, VALUE_STRING);

    v->string.text = arena_strndup(a, text, len);
    v->string.len = len;
    return v;
}

const struct value *value_list(struct arena *a, enum value_kind kind,
                               const struct value *const *items, size_t count)
{
    struct value *v = make(a, kind);

    v->items = arena_alloc(a, sizeof(*v->items));
    v->items->count = v->items->capacity = count;
    v->items->at = arena_alloc(a, count * sizeof(*items) + 1);
    for (size_t i = 0; i < count; i++)
        v->items->at[i] = items[i];
    return v;
}

const struct value *value_named(struct arena *a, enum value_kind kind, const char *name)
{
    struct value *v = make(a, kind);

    v->string.len = strlen(name);
    v->string.text = arena_strndup(a, name, v->string.len);
    return v;
}

void value_append(struct arena *a, const struct value *list, const struct value *item)
{
    struct value_items *items = list->items;

    if (items->count == items->capacity) {
        size_t capacity = items->capacity < 4 ? 8 : items->capacity * 2;
        const struct value **at = arena_alloc(a, capacity * sizeof(*at));

        for (size_t i = 0; i < items->count; i++)
            at[i] = items->at[i];
        items->at = at;
        items->capacity = capacity;
    }
    items->at[items->count++] = item;
}

bool value_is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_BOOL;
}

bool value_is_sequence(const struct value *v)
{
    return v->kind == VALUE_LIST || v->kind == VALUE_TUPLE;
}

double value_real(const struct value *v)
{
    return v->kind == VALUE_FLOAT ? v->real : (double)v->integer;
}

bool value_truth(const struct value *v)
{
    switch (v->kind) {
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
    case VALUE_INT:
        return v->integer != 0;
    case VALUE_FLOAT:
        return v->real != 0;
    case VALUE_STRING:
        return v->string.len > 0;
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_DICT:
        return v->items->count > 0;
    case VALUE_MATCH:
    case VALUE_MODULE:
    case VALUE_BUILTIN:
    case VALUE_FUNCTION:
    case VALUE_EXCEPTION:
        break;
    }
    return true;
}

static bool equal(const struct value *a, const struct value *b, size_t *work, unsigned int depth)
{
    if (++*work > VALUE_MAX_WORK || depth > MAX_DEPTH) {
        *work = VALUE_MAX_WORK;
        return false;
    }
    if (value_is_number(a) && value_is_number(b))
        return a->integer == b->integer;
    if ((a->kind == VALUE_FLOAT && (b->kind == VALUE_FLOAT || value_is_number(b))) ||
        (b->kind == VALUE_FLOAT && value_is_number(a)))
        return value_real(a) == value_real(b);
    if (a->kind != b->kind)
        return false;
    if (a->kind == VALUE_STRING)
        return a->string.len == b->string.len &&
               memcmp(a->string.text, b->string.text, a->string.len) == 0;
    if (value_is_sequence(a) || a->kind == VALUE_DICT) {
        if (a->items->count != b->items->count)
            return false;
        for (size_t i = 0; i < a->items->count; i++)
            if (!equal(a->items->at[i], b->items->at[i], work, depth + 1))
                return false;
        return true;
    }
    return a->kind == VALUE_NONE || a == b;
}

bool value_equal(const struct value *a, const struct value *b, size_t *work)
{
    return equal(a, b, work, 0);
}

const char *value_kind_name(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_NONE] = "None",
        [VALUE_BOOL] = "a truth value",
        [VALUE_INT] = "an integer",
        [VALUE_FLOAT] = "a number with a fraction",
        [VALUE_STRING] = "a string",
        [VALUE_LIST] = "a list",
        [VALUE_TUPLE] = "a tuple",
        [VALUE_DICT] = "a dictionary",
        [VALUE_MATCH] = "a match",
        [VALUE_MODULE] = "a module",
        [VALUE_BUILTIN] = "a function",
        [VALUE_FUNCTION] = "a function",
        [VALUE_EXCEPTION] = "an exception",
    };

    return names[v->kind];
}

/* Text that grows in the arena, up to VALUE_MAX_SIZE. */
struct sink {
    struct arena *arena;
    char *text;
    size_t len, capacity;
};

static bool is_full(const struct sink *s)
{
    return s->len >= VALUE_MAX_SIZE;
}

static void put(struct sink *s, const char *text, size_t n)
{
    if (is_full(s))
        return;
    if (n > VALUE_MAX_SIZE - s->len)
        n = VALUE_MAX_SIZE - s->len;
    if (s->len + n + 1 > s->capacity) {
        size_t capacity = (s->len + n) * 2 + 32;
        char *grown = arena_alloc(s->arena, capacity);

        if (s->len > 0)
            memcpy(grown, s->text, s->len);
        s->text = grown;
        s->capacity = capacity;
    }
    memcpy(s->text + s->len, text, n);
    s->len += n;
    s->text[s->len] = '\0';
}

static void show(struct sink *s, const struct value *v, bool repr, unsigned int depth);

static void show_items(struct sink *s, const struct value *v, unsigned int depth)
{
    const char *brackets = v->kind == VALUE_TUPLE ? "()" : v->kind == VALUE_DICT ? "{}" : "[]";

    put(s, brackets, 1);
    for (size_t i = 0; i < v->items->count && !is_full(s); i++) {
        if (i > 0)
            put(s, v->kind == VALUE_DICT && i % 2 ? ": " : ", ", 2);
        show(s, v->items->at[i], true, depth + 1);
    }
    if (v->kind == VALUE_TUPLE && v->items->count == 1)
        put(s, ",", 1);
    put(s, brackets + 1, 1);
}

static void show_float(struct sink *s, double d)
{
    char text[40];
    int n = snprintf(text, sizeof(text), "%.12g", d);

    if (!strpbrk(text, ".en"))
        n += snprintf(text + n, sizeof(text) - (size_t)n, ".0");
    put(s, text, (size_t)n);
}

static void show(struct sink *s, const struct value *v, bool repr, unsigned int depth)
{
    char text[40];

    switch (v->kind) {
    case VALUE_NONE:
        put(s, "None", 4);
        return;
    case VALUE_BOOL:
        put(s, v->integer ? "True" : "False", v->integer ? 4 : 5);
        return;
    case VALUE_INT:
        put(s, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)v->integer));
        return;
    case VALUE_FLOAT:
        show_float(s, v->real);
        return;
    case VALUE_STRING:
    case VALUE_EXCEPTION:
        if (repr)
            put(s, "'", 1);
        put(s, v->string.text, v->string.len);
        if (repr)
            put(s, "'", 1);
        return;
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_DICT:
        if (depth < MAX_DEPTH)
            show_items(s, v, depth);
        else
            put(s, "...", 3);
        return;
    case VALUE_MATCH:
    case VALUE_MODULE:
    case VALUE_BUILTIN:
    case VALUE_FUNCTION:
        break;
    }
    put(s, "<", 1);
    put(s, v->string.text ? v->string.text : "match", v->string.text ? v->string.len : 5);
    put(s, ">", 1);
}

char *value_to_text(struct arena *a, const struct value *v)
{
    struct sink s = {.arena = a};

    put(&s, "", 0);
    show(&s, v, false, 0);
    return s.text;
}

char *value_to_repr(struct arena *a, const struct value *v)
{
    struct sink s = {.arena = a};

    put(&s, "", 0);
    show(&s, v, true, 0);
    return s.text;
}

bool value_parse_int(const char *text, int64_t *ret)
{
    const char *digits = text;
    int base = 10;
    char *end;
    long long n;

    while (isspace((unsigned char)*digits))
        digits++;
    if (digits[0] == '-' || digits[0] == '+')
        digits++;
    if (!isdigit((unsigned char)digits[0]))
        return false;
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
        base = 16;
    else if (digits[0] == '0' && (digits[1] == 'o' || digits[1] == 'O'))
        base = 0; /* not understood by strtoll: handled below */
    else if (digits[0] == '0')
        base = 8;
    errno = 0;
    if (base == 0)
        n = strtoll(digits + 2, &end, 8) * (text[0] == '-' ? -1 : 1);
    else
        n = strtoll(text, &end, base);
    if (errno)
        return false;
    if (*end == 'L' || *end == 'l')
        end++;
    while (isspace((unsigned char)*end))
        end++;
    *ret = n;
    return *end == '\0';
}
