/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtin_text.c - methods of strings.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/builtin.h"

#define BLANKS " \t\r\n\f\v"

/* The string without characters of a set at its start and end. */
static int strip(const struct call *c, bool left, bool right, const struct value **ret)
{
    bool given = c->nr_args > 0 && c->args[0]->kind == VALUE_STRING;
    const char *set = given ? call_text(c, 0) : BLANKS;
    const char *text = c->self->string.text;
    size_t n = c->self->string.len;

    while (right && n > 0 && strchr(set, text[n - 1]))
        n--;
    while (left && n > 0 && strchr(set, *text)) {
        text++;
        n--;
    }
    *ret = value_string(c->scope->arena, text, n);
    return 0;
}

static int fn_strip(const struct call *c, const struct value **ret)
{
    return strip(c, true, true, ret);
}

static int fn_lstrip(const struct call *c, const struct value **ret)
{
    return strip(c, true, false, ret);
}

static int fn_rstrip(const struct call *c, const struct value **ret)
{
    return strip(c, false, true, ret);
}

static int change_case(const struct call *c, int (*fn)(int), const struct value **ret)
{
    char *text = arena_strndup(c->scope->arena, c->self->string.text, c->self->string.len);

    for (char *p = text; *p; p++)
        *p = (char)fn((unsigned char)*p);
    return call_return_text(c, text, ret);
}

static int fn_lower(const struct call *c, const struct value **ret)
{
    return change_case(c, tolower, ret);
}

static int fn_upper(const struct call *c, const struct value **ret)
{
    return change_case(c, toupper, ret);
}

static int fn_startswith(const struct call *c, const struct value **ret)
{
    *ret = value_bool(strncmp(c->self->string.text, call_text(c, 0), c->args[0]->string.len) == 0);
    return 0;
}

static int fn_endswith(const struct call *c, const struct value **ret)
{
    size_t n = c->self->string.len, tail = c->args[0]->string.len;

    *ret = value_bool(tail <= n && strcmp(c->self->string.text + n - tail, call_text(c, 0)) == 0);
    return 0;
}

static int fn_find(const struct call *c, const struct value **ret)
{
    const char *found = strstr(c->self->string.text, call_text(c, 0));

    *ret = value_int(c->scope->arena, found ? found - c->self->string.text : -1);
    return 0;
}

static int fn_count(const struct call *c, const struct value **ret)
{
    const char *what = call_text(c, 0);
    int64_t n = 0;

    if (!what[0])
        return CALL_FAIL(c, "count() needs something to look for");
    for (const char *p = strstr(c->self->string.text, what); p; n++)
        p = strstr(p + strlen(what), what);
    *ret = value_int(c->scope->arena, n);
    return 0;
}

static int fn_isdigit(const struct call *c, const struct value **ret)
{
    const char *text = c->self->string.text;

    *ret = value_bool(text[0] && strspn(text, "0123456789") == c->self->string.len);
    return 0;
}

static int fn_zfill(const struct call *c, const struct value **ret)
{
    static const char zeros[] = "00000000000000000000000000000000";
    const char *text = c->self->string.text;
    int64_t missing = c->args[0]->integer - (int64_t)c->self->string.len;
    int sign = text[0] == '-';

    if (missing >= (int64_t)sizeof(zeros))
        return CALL_FAIL(c, "zfill(): %lld is too wide", (long long)c->args[0]->integer);
    return call_return_text(c,
                            arena_printf(c->scope->arena, "%.*s%.*s%s", sign, text,
                                         missing > 0 ? (int)missing : 0, zeros, text + sign),
                            ret);
}

static int fn_join(const struct call *c, const struct value **ret)
{
    const struct value *list = c->args[0];
    size_t total = 0, used = 0;
    char *text;
    int rc;

    if (!value_is_sequence(list))
        return CALL_FAIL(c, "join() needs a list");
    for (size_t i = 0; i < list->items->count; i++) {
        if (list->items->at[i]->kind != VALUE_STRING)
            return CALL_FAIL(c, "join() needs a list of strings; element %zu is %s", i + 1,
                             value_kind_name(list->items->at[i]));
        total += (i ? c->self->string.len : 0) + list->items->at[i]->string.len;
    }
    rc = scope_check_size(c->scope, c->line, total, c->err);
    if (rc < 0)
        return rc;
    text = arena_alloc(c->scope->arena, total + 1);
    for (size_t i = 0; i < list->items->count; i++) {
        const struct value *item = list->items->at[i];

        if (i > 0) {
            memcpy(text + used, c->self->string.text, c->self->string.len);
            used += c->self->string.len;
        }
        memcpy(text + used, item->string.text, item->string.len);
        used += item->string.len;
    }
    *ret = value_string(c->scope->arena, text, total);
    return 0;
}

/* Where the next separator is (or the end), and how long it is. Blanks by default. */
static const char *next_separator(const char *text, const char *separator, size_t *len)
{
    const char *found;

    if (separator) {
        found = strstr(text, separator);
        *len = strlen(separator);
        return found ? found : text + strlen(text);
    }
    found = text + strcspn(text, BLANKS);
    *len = strspn(found, BLANKS);
    return found;
}

/* split(), split(separator), split(separator, most) */
static int fn_split(const struct call *c, const struct value **ret)
{
    bool given = c->nr_args > 0 && c->args[0]->kind == VALUE_STRING;
    const char *separator = given ? call_text(c, 0) : NULL;
    int64_t most = c->nr_args > 1 ? c->args[1]->integer : -1;
    const char *p = c->self->string.text;
    const struct value *list = value_list(c->scope->arena, VALUE_LIST, NULL, 0);

    if (separator && !separator[0])
        return CALL_FAIL(c, "split() needs a separator of some length");
    if (!separator)
        p += strspn(p, BLANKS);
    for (;; most--) {
        size_t len = 0;
        const char *end = most == 0 ? p + strlen(p) : next_separator(p, separator, &len);
        int rc = scope_charge(c->scope, c->line, 1, c->err);

        if (rc < 0)
            return rc;
        if (separator || end > p)
            value_append(c->scope->arena, list,
                         value_string(c->scope->arena, p, (size_t)(end - p)));
        if (!*end)
            break;
        p = end + len;
    }
    *ret = list;
    return 0;
}

static int fn_replace(const struct call *c, const struct value **ret)
{
    const char *from = call_text(c, 0), *to = call_text(c, 1);
    size_t from_len = c->args[0]->string.len, to_len = c->args[1]->string.len;
    const char *p = c->self->string.text, *found;
    size_t count = 0;
    char *out, *at;
    int rc;

    if (!from[0])
        return CALL_FAIL(c, "replace() needs something to look for");
    for (const char *q = strstr(p, from); q; q = strstr(q + from_len, from))
        count++;
    rc = scope_check_size(
        c->scope, c->line,
        to_len > VALUE_MAX_SIZE / (count + 1) ? SIZE_MAX / 2 : c->self->string.len + count * to_len,
        c->err);
    if (rc < 0)
        return rc;
    out = at = arena_alloc(c->scope->arena, c->self->string.len + count * to_len + 1);
    while ((found = strstr(p, from))) {
        memcpy(at, p, (size_t)(found - p));
        at += found - p;
        memcpy(at, to, to_len);
        at += to_len;
        p = found + from_len;
    }
    memcpy(at, p, strlen(p) + 1);
    return call_return_text(c, out, ret);
}

const struct builtin builtin_text[] = {
    {"str.strip", "S", fn_strip, NULL},
    {"str.lstrip", "S", fn_lstrip, NULL},
    {"str.rstrip", "S", fn_rstrip, NULL},
    {"str.lower", "", fn_lower, NULL},
    {"str.upper", "", fn_upper, NULL},
    {"str.startswith", "s", fn_startswith, NULL},
    {"str.endswith", "s", fn_endswith, NULL},
    {"str.find", "s", fn_find, NULL},
    {"str.count", "s", fn_count, NULL},
    {"str.isdigit", "", fn_isdigit, NULL},
    {"str.zfill", "i", fn_zfill, NULL},
    {"str.join", "a", fn_join, NULL},
    {"str.split", "SI", fn_split, NULL},
    {"str.replace", "ss", fn_replace, NULL},
    {0},
};
