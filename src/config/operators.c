/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * operators.c - see operators.h.
 */
#define _GNU_SOURCE
#include "config/operators.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool is_number(const struct value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_BOOL;
}

static bool is_sequence(const struct value *v)
{
    return v->kind == VALUE_LIST || v->kind == VALUE_TUPLE;
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t r = b == -1 ? 0 : a % b;

    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static int apply_numbers(const struct scope *s, unsigned int line, char op, int64_t a, int64_t b,
                         const struct value **ret, struct err *err)
{
    int64_t r = 0;
    bool overflow = false;

    switch (op) {
    case '+':
        overflow = __builtin_add_overflow(a, b, &r);
        break;
    case '-':
        overflow = __builtin_sub_overflow(a, b, &r);
        break;
    case '*':
        overflow = __builtin_mul_overflow(a, b, &r);
        break;
    default:
        if (b == 0)
            return eval_fail(s, line, err, "division by zero");
        if (op == '%')
            r = floor_mod(a, b);
        else if (b == -1)
            overflow = __builtin_sub_overflow(0, a, &r);
        else
            r = (a - floor_mod(a, b)) / b;
    }
    if (overflow)
        return eval_fail(s, line, err, "this number is too large");
    *ret = value_int(s->arena, r);
    return 0;
}

static int add_sequences(const struct scope *s, unsigned int line, const struct value *a,
                         const struct value *b, const struct value **ret, struct err *err)
{
    size_t count = a->list.count + b->list.count;
    const struct value **items;
    int rc = eval_check_size(s, line, count * sizeof(*items), err);

    if (rc < 0)
        return rc;
    items = arena_alloc(s->arena, count * sizeof(*items) + 1);
    for (size_t i = 0; i < count; i++)
        items[i] = i < a->list.count ? a->list.items[i] : b->list.items[i - a->list.count];
    *ret = value_list(s->arena, a->kind, items, count);
    return 0;
}

/* One %-directive with its argument; spec is "%05x" or the like. */
static int format_one(const struct scope *s, unsigned int line, const char *spec,
                      const struct value *arg, char **ret, struct err *err)
{
    char type = spec[strlen(spec) - 1];
    char with_ll[40];
    const char *text;

    if (strchr("dixXo", type)) {
        if (!is_number(arg))
            return eval_fail(s, line, err, "%%%c needs an integer, not %s", type,
                             value_kind_name(arg));
        snprintf(with_ll, sizeof(with_ll), "%.*sll%c", (int)strlen(spec) - 1, spec, type);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        *ret = arena_printf(s->arena, with_ll, (long long)arg->integer);
        return 0;
    }
    text = type == 'r' ? value_to_repr(s->arena, arg) : value_to_text(s->arena, arg);
    snprintf(with_ll, sizeof(with_ll), "%.*ss", (int)strlen(spec) - 1, spec);
    *ret = arena_printf(s->arena, with_ll, text);
#pragma GCC diagnostic pop
    return 0;
}

/* The directive at p (behind '%'): copies "%..X" to spec; its length, or 0 if it is none that
 * we know. Flags and widths are limited to what is harmless. */
static size_t take_directive(const char *p, char spec[static 16])
{
    size_t n = 0;

    while (p[n] && strchr("-+ 0#", p[n]) && n < 4)
        n++;
    for (size_t digits = 0; isdigit((unsigned char)p[n]) && digits < 3; digits++)
        n++;
    if (p[n] == '.')
        n++;
    for (size_t digits = 0; isdigit((unsigned char)p[n]) && digits < 3; digits++)
        n++;
    if (!p[n] || !strchr("sdirxXo", p[n]))
        return 0;
    n++;
    snprintf(spec, 16, "%%%.*s", (int)n, p);
    return n;
}

static int format_string(const struct scope *s, unsigned int line, const struct value *format,
                         const struct value *args, const struct value **ret, struct err *err)
{
    const struct value *one[] = {args};
    const struct value **items = args->kind == VALUE_TUPLE ? args->list.items : one;
    size_t count = args->kind == VALUE_TUPLE ? args->list.count : 1;
    const char *p = format->string.text;
    char *out = arena_strndup(s->arena, "", 0);
    size_t used = 0;

    while (*p) {
        const char *percent = strchrnul(p, '%');
        char spec[16], *text = NULL;
        size_t n;
        int rc;

        text = arena_strndup(s->arena, p, (size_t)(percent - p));
        p = percent;
        if (*p && p[1] == '%') {
            text = arena_printf(s->arena, "%s%%", text);
            p += 2;
        } else if (*p) {
            char *formatted = NULL;

            n = take_directive(p + 1, spec);
            if (n == 0)
                return eval_fail(s, line, err, "'%%%c' is no format that is known here",
                                 p[1] ? p[1] : ' ');
            if (used == count)
                return eval_fail(s, line, err, "more %%-directives than values");
            rc = format_one(s, line, spec, items[used++], &formatted, err);
            if (rc < 0)
                return rc;
            text = arena_printf(s->arena, "%s%s", text, formatted);
            p += 1 + n;
        }
        rc = eval_check_size(s, line, strlen(out) + strlen(text), err);
        if (rc < 0)
            return rc;
        out = arena_printf(s->arena, "%s%s", out, text);
    }
    if (used < count && args->kind == VALUE_TUPLE)
        return eval_fail(s, line, err, "more values than %%-directives");
    *ret = value_string(s->arena, out, strlen(out));
    return 0;
}

static int repeat_string(const struct scope *s, unsigned int line, const struct value *string,
                         int64_t times, const struct value **ret, struct err *err)
{
    size_t n = string->string.len;
    size_t total;
    char *out;
    int rc;

    if (times < 0)
        times = 0;
    if (__builtin_mul_overflow(n, (size_t)times, &total))
        total = SIZE_MAX / 2;
    rc = eval_check_size(s, line, total, err);
    if (rc < 0)
        return rc;
    out = arena_alloc(s->arena, total + 1);
    for (size_t at = 0; at + n <= total && n > 0; at += n)
        memcpy(out + at, string->string.text, n);
    *ret = value_string(s->arena, out, total);
    return 0;
}

static int compare(const struct scope *s, unsigned int line, const char *op, const struct value *a,
                   const struct value *b, const struct value **ret, struct err *err)
{
    int64_t order;

    if (op[0] == '=' || op[0] == '!') {
        *ret = value_bool(value_equal(a, b) == (op[0] == '='));
        return 0;
    }
    if (is_number(a) && is_number(b))
        order = a->integer < b->integer ? -1 : a->integer > b->integer;
    else if (a->kind == VALUE_STRING && b->kind == VALUE_STRING)
        order = strcmp(a->string.text, b->string.text);
    else
        return eval_fail(s, line, err, "%s and %s have no order", value_kind_name(a),
                         value_kind_name(b));
    if (order == 0)
        *ret = value_bool(op[1] == '=');
    else
        *ret = value_bool((order < 0) == (op[0] == '<'));
    return 0;
}

static int contains(const struct scope *s, unsigned int line, const struct value *item,
                    const struct value *in, bool *ret, struct err *err)
{
    *ret = false;
    if (in->kind == VALUE_STRING && item->kind == VALUE_STRING) {
        *ret = strstr(in->string.text, item->string.text) != NULL;
        return 0;
    }
    if (!is_sequence(in))
        return eval_fail(s, line, err, "'in' needs a list or string on its right, not %s",
                         value_kind_name(in));
    for (size_t i = 0; i < in->list.count; i++)
        *ret |= value_equal(in->list.items[i], item);
    return 0;
}

static int apply_strings(const struct scope *s, unsigned int line, const struct value *a,
                         const struct value *b, const struct value **ret, struct err *err)
{
    int rc = eval_check_size(s, line, a->string.len + b->string.len, err);
    char *text;

    if (rc < 0)
        return rc;
    text = arena_printf(s->arena, "%s%s", a->string.text, b->string.text);
    *ret = value_string(s->arena, text, strlen(text));
    return 0;
}

int operators_apply(const struct scope *s, unsigned int line, const char *op, const struct value *a,
                    const struct value *b, const struct value **ret, struct err *err)
{
    bool found;
    int rc;

    if (strchr("=!<>", op[0]))
        return compare(s, line, op, a, b, ret, err);
    if (strstr(op, "in")) {
        rc = contains(s, line, a, b, &found, err);
        *ret = value_bool(found == (op[0] == 'i'));
        return rc;
    }
    if (is_number(a) && is_number(b))
        return apply_numbers(s, line, op[0], a->integer, b->integer, ret, err);
    if (op[0] == '%' && a->kind == VALUE_STRING)
        return format_string(s, line, a, b, ret, err);
    if (op[0] == '+' && a->kind == VALUE_STRING && b->kind == VALUE_STRING)
        return apply_strings(s, line, a, b, ret, err);
    if (op[0] == '+' && is_sequence(a) && a->kind == b->kind)
        return add_sequences(s, line, a, b, ret, err);
    if (op[0] == '*' && a->kind == VALUE_STRING && is_number(b))
        return repeat_string(s, line, a, b->integer, ret, err);
    if (op[0] == '+' && (a->kind == VALUE_STRING || b->kind == VALUE_STRING))
        return eval_fail(s, line, err,
                         "%s and %s cannot be added; str(NUMBER) makes text of a "
                         "number",
                         value_kind_name(a), value_kind_name(b));
    return eval_fail(s, line, err, "'%s' does not work on %s and %s", op, value_kind_name(a),
                     value_kind_name(b));
}

static size_t length(const struct value *v)
{
    return v->kind == VALUE_STRING ? v->string.len : v->list.count;
}

int operators_index(const struct scope *s, unsigned int line, const struct value *object,
                    const struct value *index, const struct value **ret, struct err *err)
{
    int64_t i, n;

    if (object->kind != VALUE_STRING && !is_sequence(object))
        return eval_fail(s, line, err, "%s has no elements", value_kind_name(object));
    if (!is_number(index))
        return eval_fail(s, line, err, "an index is an integer, not %s", value_kind_name(index));
    n = (int64_t)length(object);
    i = index->integer < 0 ? index->integer + n : index->integer;
    if (i < 0 || i >= n)
        return eval_fail(s, line, err, "index %lld is outside: there are %lld elements",
                         (long long)index->integer, (long long)n);
    *ret = object->kind == VALUE_STRING ? value_string(s->arena, object->string.text + i, 1)
                                        : object->list.items[i];
    return 0;
}

/* A slice bound as Python has it: from the end when negative, clamped. */
static int64_t bound(const struct value *v, int64_t otherwise, int64_t n)
{
    int64_t i = v ? v->integer : otherwise;

    if (i < 0)
        i += n;
    return i < 0 ? 0 : i > n ? n : i;
}

int operators_slice(const struct scope *s, unsigned int line, const struct value *object,
                    const struct value *from, const struct value *to, const struct value **ret,
                    struct err *err)
{
    int64_t n, first, last;

    if (object->kind != VALUE_STRING && !is_sequence(object))
        return eval_fail(s, line, err, "%s has no elements", value_kind_name(object));
    if ((from && !is_number(from)) || (to && !is_number(to)))
        return eval_fail(s, line, err, "an index is an integer");
    n = (int64_t)length(object);
    first = bound(from, 0, n);
    last = bound(to, n, n);
    if (last < first)
        last = first;
    if (object->kind == VALUE_STRING)
        *ret = value_string(s->arena, object->string.text + first, (size_t)(last - first));
    else
        *ret =
            value_list(s->arena, object->kind, object->list.items + first, (size_t)(last - first));
    return 0;
}
