/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * value.c - see value.h.
 */
#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

const struct value *value_int(struct arena *a, int64_t i)
{
    struct value *v = arena_alloc(a, sizeof(*v));

    v->kind = VALUE_INT;
    v->integer = i;
    return v;
}

const struct value *value_string(struct arena *a, const char *text, size_t len)
{
    struct value *v = arena_alloc(a, sizeof(*v));

    v->kind = VALUE_STRING;
    v->string.text = arena_strndup(a, text, len);
    v->string.len = len;
    return v;
}

const struct value *value_list(struct arena *a, enum value_kind kind,
                               const struct value *const *items, size_t count)
{
    struct value *v = arena_alloc(a, sizeof(*v));

    v->kind = kind;
    v->list.count = count;
    v->list.items = arena_alloc(a, count * sizeof(*items) + 1);
    for (size_t i = 0; i < count; i++)
        v->list.items[i] = items[i];
    return v;
}

bool value_truth(const struct value *v)
{
    switch (v->kind) {
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
    case VALUE_INT:
        return v->integer != 0;
    case VALUE_STRING:
        return v->string.len > 0;
    case VALUE_LIST:
    case VALUE_TUPLE:
        return v->list.count > 0;
    case VALUE_MODULE:
    case VALUE_FUNCTION:
        break;
    }
    return true;
}

static bool is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_BOOL;
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (is_number(a) && is_number(b))
        return a->integer == b->integer;
    if (a->kind != b->kind)
        return false;
    if (a->kind == VALUE_STRING)
        return a->string.len == b->string.len &&
               memcmp(a->string.text, b->string.text, a->string.len) == 0;
    if (a->kind == VALUE_LIST || a->kind == VALUE_TUPLE) {
        if (a->list.count != b->list.count)
            return false;
        for (size_t i = 0; i < a->list.count; i++)
            if (!value_equal(a->list.items[i], b->list.items[i]))
                return false;
        return true;
    }
    return a->kind == VALUE_NONE || a == b;
}

const char *value_kind_name(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_NONE] = "None",       [VALUE_BOOL] = "a truth value",  [VALUE_INT] = "an integer",
        [VALUE_STRING] = "a string", [VALUE_LIST] = "a list",         [VALUE_TUPLE] = "a tuple",
        [VALUE_MODULE] = "a module", [VALUE_FUNCTION] = "a function",
    };

    return names[v->kind];
}

static char *list_to_text(struct arena *a, const struct value *v)
{
    bool tuple = v->kind == VALUE_TUPLE;
    char *text = arena_printf(a, "%c", tuple ? '(' : '[');

    for (size_t i = 0; i < v->list.count; i++)
        text = arena_printf(a, "%s%s%s", text, i ? ", " : "", value_to_repr(a, v->list.items[i]));
    return arena_printf(a, "%s%s%c", text, tuple && v->list.count == 1 ? "," : "",
                        tuple ? ')' : ']');
}

char *value_to_text(struct arena *a, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NONE:
        return arena_printf(a, "None");
    case VALUE_BOOL:
        return arena_printf(a, "%s", v->integer ? "True" : "False");
    case VALUE_INT:
        return arena_printf(a, "%lld", (long long)v->integer);
    case VALUE_STRING:
        return arena_strndup(a, v->string.text, v->string.len);
    case VALUE_LIST:
    case VALUE_TUPLE:
        return list_to_text(a, v);
    case VALUE_MODULE:
    case VALUE_FUNCTION:
        break;
    }
    return arena_printf(a, "<%s>", v->string.text);
}

char *value_to_repr(struct arena *a, const struct value *v)
{
    if (v->kind == VALUE_STRING)
        return arena_printf(a, "'%s'", v->string.text);
    return value_to_text(a, v);
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
