/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * operators.c - see operators.h.
 */
#define _GNU_SOURCE
#include "config/operators.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/format.h"

static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t r = b == -1 ? 0 : a % b;

    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool power(int64_t base, int64_t exponent, int64_t *ret)
{
    *ret = 1;
    for (int64_t i = 0; i < exponent; i++) {
        if (__builtin_mul_overflow(*ret, base, ret))
            return false;
        if (*ret == 0 || (*ret == 1 && base == 1))
            return true;
        if (i > 64) { /* base is -1 */
            *ret = exponent % 2 ? -1 : 1;
            return true;
        }
    }
    return exponent >= 0;
}

static bool shift(int64_t a, int64_t b, bool left, int64_t *ret)
{
    if (b < 0 || b > 62)
        return false;
    *ret = left ? (int64_t)((uint64_t)a << b) : a >> b;
    return !left || *ret >> b == a;
}

/* a OP b of integers. 0, or -EINVAL. */
static int apply_integers(struct scope *s, unsigned int line, const char *op, int64_t a, int64_t b,
                          const struct value **ret, struct err *err)
{
    int64_t r = 0;
    bool fits = true;

    if (strchr("/%", op[0]) && b == 0)
        return scope_fail(s, line, err, "division by zero");
    switch (op[0]) {
    case '+':
        fits = !__builtin_add_overflow(a, b, &r);
        break;
    case '-':
        fits = !__builtin_sub_overflow(a, b, &r);
        break;
    case '*':
        fits = op[1] ? power(a, b, &r) : !__builtin_mul_overflow(a, b, &r);
        break;
    case '%':
        r = floor_mod(a, b);
        break;
    case '/':
        if (b == -1)
            fits = !__builtin_sub_overflow(0, a, &r);
        else
            r = a / b - (a % b != 0 && (a < 0) != (b < 0));
        break;
    case '<':
    case '>':
        fits = shift(a, b, op[0] == '<', &r);
        break;
    case '&':
        r = a & b;
        break;
    case '|':
        r = a | b;
        break;
    default:
        r = a ^ b;
        break;
    }
    if (!fits)
        return scope_fail(s, line, err, "this number is too large");
    *ret = value_int(s->arena, r);
    return 0;
}

static int apply_reals(struct scope *s, unsigned int line, const char *op, double a, double b,
                       const struct value **ret, struct err *err)
{
    double r;

    if (strchr("/%", op[0]) && b == 0)
        return scope_fail(s, line, err, "division by zero");
    switch (op[0]) {
    case '+':
        r = a + b;
        break;
    case '-':
        r = a - b;
        break;
    case '*':
        if (op[1])
            return scope_fail(s, line, err, "'**' needs integers");
        r = a * b;
        break;
    case '/':
        r = op[1] ? floor(a / b) : a / b;
        break;
    case '%':
        r = a - b * floor(a / b);
        break;
    default:
        return scope_fail(s, line, err, "'%s' needs integers", op);
    }
    *ret = value_float(s->arena, r);
    return 0;
}

/* a + b of two lists or two tuples. */
static int add_sequences(struct scope *s, unsigned int line, const struct value *a,
                         const struct value *b, const struct value **ret, struct err *err)
{
    size_t count = a->items->count + b->items->count;
    const struct value **items;
    int rc = scope_check_size(s, line, count * sizeof(*items), err);

    if (rc < 0)
        return rc;
    items = arena_alloc(s->arena, count * sizeof(*items) + 1);
    for (size_t i = 0; i < count; i++)
        items[i] = i < a->items->count ? a->items->at[i] : b->items->at[i - a->items->count];
    *ret = value_list(s->arena, a->kind, items, count);
    return 0;
}

/* How many bytes `times` repetitions of n of them are; SIZE_MAX / 2 when that is no number. */
static size_t repeated(size_t n, int64_t times)
{
    size_t total;

    if (times < 0)
        return 0;
    return __builtin_mul_overflow(n, (size_t)times, &total) ? SIZE_MAX / 2 : total;
}

static int repeat_string(struct scope *s, unsigned int line, const struct value *string,
                         int64_t times, const struct value **ret, struct err *err)
{
    size_t n = string->string.len;
    size_t total = repeated(n, times);
    int rc = scope_check_size(s, line, total, err);
    char *out;

    if (rc < 0)
        return rc;
    out = arena_alloc(s->arena, total + 1);
    for (size_t at = 0; n > 0 && at < total; at += n)
        memcpy(out + at, string->string.text, n);
    *ret = value_string(s->arena, out, total);
    return 0;
}

static int repeat_sequence(struct scope *s, unsigned int line, const struct value *list,
                           int64_t times, const struct value **ret, struct err *err)
{
    size_t n = list->items->count;
    size_t total = repeated(n * sizeof(*list->items->at), times);
    const struct value **items;
    int rc = scope_check_size(s, line, total, err);

    if (rc < 0)
        return rc;
    items = arena_alloc(s->arena, total + 1);
    for (size_t i = 0; i < total / sizeof(*items); i++)
        items[i] = list->items->at[i % n];
    *ret = value_list(s->arena, list->kind, items, total / sizeof(*items));
    return 0;
}

int operators_equal(struct scope *s, unsigned int line, const struct value *a,
                    const struct value *b, bool *ret, struct err *err)
{
    size_t work = 0;

    *ret = value_equal(a, b, &work);
    if (work >= VALUE_MAX_WORK)
        return scope_fail(s, line, err, "these values are too large to compare");
    return scope_charge(s, line, work / 4, err);
}

static int compare(struct scope *s, unsigned int line, const char *op, const struct value *a,
                   const struct value *b, const struct value **ret, struct err *err)
{
    double order;
    bool equal;
    int rc;

    if (op[0] == '=' || op[0] == '!') {
        rc = operators_equal(s, line, a, b, &equal, err);
        *ret = value_bool(equal == (op[0] == '='));
        return rc;
    }
    if (value_is_number(a) && value_is_number(b))
        order = a->integer < b->integer ? -1 : a->integer > b->integer;
    else if ((value_is_number(a) || a->kind == VALUE_FLOAT) &&
             (value_is_number(b) || b->kind == VALUE_FLOAT))
        order = value_real(a) - value_real(b);
    else if (a->kind == VALUE_STRING && b->kind == VALUE_STRING)
        order = (double)strcmp(a->string.text, b->string.text);
    else
        return scope_fail(s, line, err, "%s and %s have no order", value_kind_name(a),
                          value_kind_name(b));
    if (order == 0)
        *ret = value_bool(op[1] == '=');
    else
        *ret = value_bool((order < 0) == (op[0] == '<'));
    return 0;
}

int operators_find_key(struct scope *s, unsigned int line, const struct value *dict,
                       const struct value *key, int64_t *ret, struct err *err)
{
    *ret = -1;
    for (size_t i = 0; i < dict->items->count; i += 2) {
        bool equal;
        int rc = operators_equal(s, line, dict->items->at[i], key, &equal, err);

        if (rc < 0)
            return rc;
        if (equal) {
            *ret = (int64_t)i;
            break;
        }
    }
    return scope_charge_value(s, line, dict, err);
}

static int contains(struct scope *s, unsigned int line, const struct value *item,
                    const struct value *in, bool *ret, struct err *err)
{
    int64_t at;
    int rc;

    *ret = false;
    if (in->kind == VALUE_STRING && item->kind == VALUE_STRING) {
        *ret = strstr(in->string.text, item->string.text) != NULL;
        return 0;
    }
    if (in->kind == VALUE_DICT) {
        rc = operators_find_key(s, line, in, item, &at, err);
        *ret = rc == 0 && at >= 0;
        return rc;
    }
    if (!value_is_sequence(in))
        return scope_fail(s, line, err, "'in' needs a list or string on its right, not %s",
                          value_kind_name(in));
    for (size_t i = 0; i < in->items->count && !*ret; i++) {
        rc = operators_equal(s, line, in->items->at[i], item, ret, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_strings(struct scope *s, unsigned int line, const struct value *a,
                       const struct value *b, const struct value **ret, struct err *err)
{
    int rc = scope_check_size(s, line, a->string.len + b->string.len, err);
    char *text;

    if (rc < 0)
        return rc;
    text = arena_printf(s->arena, "%s%s", a->string.text, b->string.text);
    *ret = value_string(s->arena, text, strlen(text));
    return 0;
}

/* Of values that are not both numbers. */
static int apply_others(struct scope *s, unsigned int line, const char *op, const struct value *a,
                        const struct value *b, const struct value **ret, struct err *err)
{
    bool plus = strcmp(op, "+") == 0, times = strcmp(op, "*") == 0;

    if (strcmp(op, "%") == 0 && a->kind == VALUE_STRING)
        return format_string(s, line, a, b, ret, err);
    if (plus && a->kind == VALUE_STRING && b->kind == VALUE_STRING)
        return add_strings(s, line, a, b, ret, err);
    if (plus && value_is_sequence(a) && a->kind == b->kind)
        return add_sequences(s, line, a, b, ret, err);
    if (times && value_is_number(a) && !value_is_number(b))
        return apply_others(s, line, op, b, a, ret, err);
    if (times && a->kind == VALUE_STRING && value_is_number(b))
        return repeat_string(s, line, a, b->integer, ret, err);
    if (times && value_is_sequence(a) && value_is_number(b))
        return repeat_sequence(s, line, a, b->integer, ret, err);
    if (plus && (a->kind == VALUE_STRING || b->kind == VALUE_STRING))
        return scope_fail(s, line, err,
                          "%s and %s cannot be added; str(NUMBER) makes text of a number",
                          value_kind_name(a), value_kind_name(b));
    return scope_fail(s, line, err, "'%s' does not work on %s and %s", op, value_kind_name(a),
                      value_kind_name(b));
}

static bool is_comparison(const char *op)
{
    return op[0] == '=' || op[0] == '!' || (strchr("<>", op[0]) && op[1] != op[0]);
}

int operators_apply(struct scope *s, unsigned int line, const char *op, const struct value *a,
                    const struct value *b, const struct value **ret, struct err *err)
{
    bool found;
    int rc = scope_charge_value(s, line, a, err);

    if (rc == 0)
        rc = scope_charge_value(s, line, b, err);
    if (rc < 0)
        return rc;
    if (is_comparison(op))
        return compare(s, line, op, a, b, ret, err);
    if (strstr(op, "in")) {
        rc = contains(s, line, a, b, &found, err);
        *ret = value_bool(found == (op[0] == 'i'));
        return rc;
    }
    if (value_is_number(a) && value_is_number(b))
        return apply_integers(s, line, op, a->integer, b->integer, ret, err);
    if ((a->kind == VALUE_FLOAT || value_is_number(a)) &&
        (b->kind == VALUE_FLOAT || value_is_number(b)))
        return apply_reals(s, line, op, value_real(a), value_real(b), ret, err);
    return apply_others(s, line, op, a, b, ret, err);
}

int operators_unary(struct scope *s, unsigned int line, const char *op, const struct value *a,
                    const struct value **ret, struct err *err)
{
    if (strcmp(op, "not") == 0) {
        *ret = value_bool(!value_truth(a));
        return 0;
    }
    if (a->kind == VALUE_FLOAT && op[0] != '~') {
        *ret = value_float(s->arena, op[0] == '-' ? -a->real : a->real);
        return 0;
    }
    if (!value_is_number(a))
        return scope_fail(s, line, err, "'%s' needs an integer, not %s", op, value_kind_name(a));
    if (op[0] == '~')
        *ret = value_int(s->arena, ~a->integer);
    else if (op[0] == '-')
        *ret = value_int(s->arena, (int64_t)(0 - (uint64_t)a->integer));
    else
        *ret = value_int(s->arena, a->integer);
    return 0;
}

static bool has_elements(const struct value *v)
{
    return v->kind == VALUE_STRING || value_is_sequence(v);
}

static size_t length(const struct value *v)
{
    return v->kind == VALUE_STRING ? v->string.len : v->items->count;
}

/* An index into a string or list as Python has it, from the end when negative. */
static int take_index(struct scope *s, unsigned int line, const struct value *object,
                      const struct value *index, size_t *ret, struct err *err)
{
    int64_t i, n;

    if (!has_elements(object))
        return scope_fail(s, line, err, "%s has no elements", value_kind_name(object));
    if (!value_is_number(index))
        return scope_fail(s, line, err, "an index is an integer, not %s", value_kind_name(index));
    n = (int64_t)length(object);
    i = index->integer < 0 ? index->integer + n : index->integer;
    if (i < 0 || i >= n)
        return scope_fail(s, line, err, "index %lld is outside: there are %lld elements",
                          (long long)index->integer, (long long)n);
    *ret = (size_t)i;
    return 0;
}

static int no_such_key(struct scope *s, unsigned int line, const struct value *key, struct err *err)
{
    return scope_fail(s, line, err, "the dictionary has no key %.100s",
                      value_to_repr(s->arena, key));
}

int operators_index(struct scope *s, unsigned int line, const struct value *object,
                    const struct value *index, const struct value **ret, struct err *err)
{
    int64_t at;
    size_t i = 0;
    int rc;

    if (object->kind == VALUE_DICT) {
        rc = operators_find_key(s, line, object, index, &at, err);
        if (rc < 0)
            return rc;
        if (at < 0)
            return no_such_key(s, line, index, err);
        *ret = object->items->at[at + 1];
        return 0;
    }
    rc = take_index(s, line, object, index, &i, err);
    if (rc < 0)
        return rc;
    *ret = object->kind == VALUE_STRING ? value_string(s->arena, object->string.text + i, 1)
                                        : object->items->at[i];
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

int operators_slice(struct scope *s, unsigned int line, const struct value *object,
                    const struct value *from, const struct value *to, const struct value **ret,
                    struct err *err)
{
    int64_t n, first, last;
    int rc;

    if (!has_elements(object))
        return scope_fail(s, line, err, "%s has no elements", value_kind_name(object));
    if ((from && !value_is_number(from)) || (to && !value_is_number(to)))
        return scope_fail(s, line, err, "an index is an integer");
    rc = scope_charge_value(s, line, object, err);
    if (rc < 0)
        return rc;
    n = (int64_t)length(object);
    first = bound(from, 0, n);
    last = bound(to, n, n);
    if (last < first)
        last = first;
    if (object->kind == VALUE_STRING)
        *ret = value_string(s->arena, object->string.text + first, (size_t)(last - first));
    else
        *ret =
            value_list(s->arena, object->kind, object->items->at + first, (size_t)(last - first));
    return 0;
}

static void remove_items(const struct value *v, size_t at, size_t n)
{
    struct value_items *items = v->items;

    for (size_t i = at; i + n < items->count; i++)
        items->at[i] = items->at[i + n];
    items->count -= n;
}

static int set_key(struct scope *s, unsigned int line, const struct value *dict,
                   const struct value *key, const struct value *value, struct err *err)
{
    int64_t at;
    int rc = operators_find_key(s, line, dict, key, &at, err);

    if (rc < 0)
        return rc;
    if (at < 0 && !value)
        return no_such_key(s, line, key, err);
    if (!value) {
        remove_items(dict, (size_t)at, 2);
    } else if (at >= 0) {
        dict->items->at[at + 1] = value;
    } else {
        rc = scope_check_size(s, line, (dict->items->count + 2) * sizeof(value), err);
        if (rc < 0)
            return rc;
        value_append(s->arena, dict, key);
        value_append(s->arena, dict, value);
    }
    return 0;
}

int operators_set_item(struct scope *s, unsigned int line, const struct value *object,
                       const struct value *index, const struct value *value, struct err *err)
{
    size_t i;
    int rc;

    if (object->kind == VALUE_DICT)
        return set_key(s, line, object, index, value, err);
    if (object->kind != VALUE_LIST)
        return scope_fail(s, line, err, "%s cannot be changed", value_kind_name(object));
    rc = take_index(s, line, object, index, &i, err);
    if (rc < 0)
        return rc;
    if (!value)
        remove_items(object, i, 1);
    else
        object->items->at[i] = value;
    return scope_charge_value(s, line, object, err);
}
