/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtin_data.c - functions on numbers, lists and dictionaries.
 */
#include <stdlib.h>
#include <string.h>

#include "config/builtin.h"
#include "config/operators.h"

static int fn_len(const struct call *c, const struct value **ret)
{
    const struct value *v = c->args[0];
    size_t n;

    if (v->kind == VALUE_STRING)
        n = v->string.len;
    else if (value_is_sequence(v) || v->kind == VALUE_DICT)
        n = v->items->count / (v->kind == VALUE_DICT ? 2 : 1);
    else
        return CALL_FAIL(c, "%s has no length", value_kind_name(v));
    *ret = value_int(c->scope->arena, (int64_t)n);
    return 0;
}

static int fn_str(const struct call *c, const struct value **ret)
{
    return call_return_text(c, value_to_text(c->scope->arena, c->args[0]), ret);
}

static int fn_repr(const struct call *c, const struct value **ret)
{
    return call_return_text(c, value_to_repr(c->scope->arena, c->args[0]), ret);
}

static int fn_bool(const struct call *c, const struct value **ret)
{
    *ret = value_bool(value_truth(c->args[0]));
    return 0;
}

/* int(x), int(text, base) */
static int fn_int(const struct call *c, const struct value **ret)
{
    const struct value *v = c->args[0];
    int64_t n = v->integer;

    if (v->kind == VALUE_FLOAT && v->real > -9e18 && v->real < 9e18) {
        n = (int64_t)v->real;
    } else if (v->kind == VALUE_STRING && c->nr_args > 1) {
        int64_t base = c->args[1]->integer;
        char *end;

        if (base != 0 && (base < 2 || base > 36))
            return CALL_FAIL(c, "int(): there is no base %lld", (long long)base);
        n = strtoll(v->string.text, &end, (int)base);
        if (*end || !v->string.text[0])
            return CALL_FAIL(c, "int(): '%.100s' is no number of that base", v->string.text);
    } else if (v->kind == VALUE_STRING) {
        if (!value_parse_int(v->string.text, &n))
            return CALL_FAIL(c, "int(): '%.100s' is no number", v->string.text);
    } else if (!value_is_number(v)) {
        return CALL_FAIL(c, "int() does not work on %s", value_kind_name(v));
    }
    *ret = value_int(c->scope->arena, n);
    return 0;
}

static int fn_float(const struct call *c, const struct value **ret)
{
    const struct value *v = c->args[0];
    double d = value_real(v);
    char *end;

    if (v->kind == VALUE_STRING) {
        d = strtod(v->string.text, &end);
        if (*end || !v->string.text[0])
            return CALL_FAIL(c, "float(): '%.100s' is no number", v->string.text);
    } else if (!value_is_number(v) && v->kind != VALUE_FLOAT) {
        return CALL_FAIL(c, "float() does not work on %s", value_kind_name(v));
    }
    *ret = value_float(c->scope->arena, d);
    return 0;
}

static int fn_hex(const struct call *c, const struct value **ret)
{
    return call_return_text(
        c, arena_printf(c->scope->arena, "0x%llx", (unsigned long long)c->args[0]->integer), ret);
}

static int fn_chr(const struct call *c, const struct value **ret)
{
    int64_t n = c->args[0]->integer;

    if (n < 1 || n > 255)
        return CALL_FAIL(c, "chr() works on 1 to 255, not on %lld", (long long)n);
    *ret = value_string(c->scope->arena, (const char[]){(char)n, '\0'}, 1);
    return 0;
}

static int fn_ord(const struct call *c, const struct value **ret)
{
    if (c->args[0]->string.len != 1)
        return CALL_FAIL(c, "ord() works on one character");
    *ret = value_int(c->scope->arena, (unsigned char)call_text(c, 0)[0]);
    return 0;
}

static int fn_abs(const struct call *c, const struct value **ret)
{
    const struct value *v = c->args[0];
    bool negative = value_real(v) < 0;

    return operators_unary(c->scope, c->line, negative ? "-" : "+", v, ret, c->err);
}

/* range(n), range(from, to), range(from, to, step) */
static int fn_range(const struct call *c, const struct value **ret)
{
    int64_t from = c->nr_args > 1 ? c->args[0]->integer : 0;
    int64_t to = c->args[c->nr_args > 1]->integer;
    int64_t step = c->nr_args > 2 ? c->args[2]->integer : 1;
    const struct value *list = value_list(c->scope->arena, VALUE_LIST, NULL, 0);

    if (step == 0)
        return CALL_FAIL(c, "range(): the step is 0");
    while (step > 0 ? from < to : from > to) {
        int rc = scope_charge(c->scope, c->line, 1, c->err);

        if (rc < 0)
            return rc;
        value_append(c->scope->arena, list, value_int(c->scope->arena, from));
        if (__builtin_add_overflow(from, step, &from))
            break;
    }
    *ret = list;
    return 0;
}

/* min and max of the arguments, or of the items of one. */
static int extreme(const struct call *c, const char *op, const struct value **ret)
{
    bool of_list = c->nr_args == 1 && value_is_sequence(c->args[0]);
    const struct value *const *items = of_list ? c->args[0]->items->at : c->args;
    size_t count = of_list ? c->args[0]->items->count : c->nr_args;
    const struct value *best = count ? items[0] : NULL;

    if (!best)
        return CALL_FAIL(c, "there is nothing to choose from");
    for (size_t i = 1; i < count; i++) {
        const struct value *better;
        int rc = operators_apply(c->scope, c->line, op, items[i], best, &better, c->err);

        if (rc < 0)
            return rc;
        if (value_truth(better))
            best = items[i];
    }
    *ret = best;
    return 0;
}

static int fn_min(const struct call *c, const struct value **ret)
{
    return extreme(c, "<", ret);
}

static int fn_max(const struct call *c, const struct value **ret)
{
    return extreme(c, ">", ret);
}

static int convert_sequence(const struct call *c, enum value_kind kind, const struct value **ret)
{
    const struct value *v = c->nr_args ? c->args[0] : NULL;

    if (v && !value_is_sequence(v))
        return CALL_FAIL(c, "%s cannot be made a list", value_kind_name(v));
    *ret = value_list(c->scope->arena, kind, v ? v->items->at : NULL, v ? v->items->count : 0);
    return 0;
}

static int fn_list(const struct call *c, const struct value **ret)
{
    return convert_sequence(c, VALUE_LIST, ret);
}

static int fn_tuple(const struct call *c, const struct value **ret)
{
    return convert_sequence(c, VALUE_TUPLE, ret);
}

static int append_to(const struct call *c, const struct value *item)
{
    int rc =
        scope_check_size(c->scope, c->line, (c->self->items->count + 1) * sizeof(item), c->err);

    if (rc == 0)
        value_append(c->scope->arena, c->self, item);
    return rc;
}

static int fn_append(const struct call *c, const struct value **ret)
{
    *ret = value_none();
    return append_to(c, c->args[0]);
}

static int fn_extend(const struct call *c, const struct value **ret)
{
    const struct value *more = c->args[0];
    size_t count;
    int rc = 0;

    if (!value_is_sequence(more))
        return CALL_FAIL(c, "extend() needs a list, not %s", value_kind_name(more));
    count = more->items->count; /* of the list itself, perhaps */
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = append_to(c, more->items->at[i]);
    *ret = value_none();
    return rc;
}

/* The keys (part 0), the values (1) or pairs of both (2). */
static int parts(const struct call *c, unsigned int part, const struct value **ret)
{
    const struct value_items *items = c->self->items;
    struct arena *a = c->scope->arena;
    const struct value *list = value_list(a, VALUE_LIST, NULL, 0);

    for (size_t i = 0; i < items->count; i += 2)
        value_append(a, list,
                     part == 2 ? value_list(a, VALUE_TUPLE, items->at + i, 2)
                               : items->at[i + part]);
    *ret = list;
    return 0;
}

static int fn_keys(const struct call *c, const struct value **ret)
{
    return parts(c, 0, ret);
}

static int fn_values(const struct call *c, const struct value **ret)
{
    return parts(c, 1, ret);
}

static int fn_items(const struct call *c, const struct value **ret)
{
    return parts(c, 2, ret);
}

static int fn_get(const struct call *c, const struct value **ret)
{
    int64_t at;
    int rc = operators_find_key(c->scope, c->line, c->self, c->args[0], &at, c->err);

    if (rc < 0)
        return rc;
    if (at >= 0)
        *ret = c->self->items->at[at + 1];
    else
        *ret = c->nr_args > 1 ? c->args[1] : value_none();
    return 0;
}

static int fn_has_key(const struct call *c, const struct value **ret)
{
    int64_t at;
    int rc = operators_find_key(c->scope, c->line, c->self, c->args[0], &at, c->err);

    *ret = value_bool(rc == 0 && at >= 0);
    return rc;
}

const struct builtin builtin_data[] = {
    {"len", "a", fn_len, NULL},
    {"str", "a", fn_str, NULL},
    {"repr", "a", fn_repr, NULL},
    {"bool", "a", fn_bool, NULL},
    {"int", "aI", fn_int, NULL},
    {"long", "aI", fn_int, NULL},
    {"float", "a", fn_float, NULL},
    {"hex", "i", fn_hex, NULL},
    {"chr", "i", fn_chr, NULL},
    {"ord", "s", fn_ord, NULL},
    {"abs", "n", fn_abs, NULL},
    {"range", "iII", fn_range, NULL},
    {"xrange", "iII", fn_range, NULL},
    {"min", "a.", fn_min, NULL},
    {"max", "a.", fn_max, NULL},
    {"list", "A", fn_list, NULL},
    {"tuple", "A", fn_tuple, NULL},
    {"list.append", "a", fn_append, NULL},
    {"list.extend", "a", fn_extend, NULL},
    {"dict.keys", "", fn_keys, NULL},
    {"dict.values", "", fn_values, NULL},
    {"dict.items", "", fn_items, NULL},
    {"dict.get", "aA", fn_get, NULL},
    {"dict.has_key", "a", fn_has_key, NULL},
    {0},
};
