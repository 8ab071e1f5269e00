/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * options.c - see options.h.
 */
#include "config/options.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define OPTION(name, type, guests, status, otherwise, doc)                                         \
    {#name, OPTION_##type, guests, OPTION_##status, otherwise, doc},
const struct option_info option_table[] = {
#include "config/options.def"
};
#undef OPTION

const size_t option_count = ARRAY_SIZE(option_table);

const struct option_info *option_find(const char *name)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].name, name) == 0)
            return &option_table[i];
    return NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance with transposition of neighbours; names longer than the table count as far. */
static size_t distance(const char *a, const char *b)
{
    enum { MAX = 40 };

    size_t la = strlen(a), lb = strlen(b);
    size_t d[MAX + 1][MAX + 1];

    if (la > MAX || lb > MAX)
        return MAX;
    for (size_t i = 0; i <= la; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= lb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        for (size_t j = 1; j <= lb; j++) {
            size_t change = a[i - 1] != b[j - 1];

            d[i][j] = least(least(d[i - 1][j] + 1, d[i][j - 1] + 1), d[i - 1][j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[la][lb];
}

const struct option_info *option_guess(const char *name)
{
    size_t limit = strlen(name) <= 4 ? 1 : 2;
    const struct option_info *best = NULL;

    for (size_t i = 0; i < option_count; i++) {
        size_t d =
            strcasecmp(option_table[i].name, name) == 0 ? 0 : distance(option_table[i].name, name);

        if (d > limit || (best && d == limit))
            continue;
        best = &option_table[i];
        limit = d;
    }
    return best;
}

static bool parse_bool(const char *text, int64_t *ret)
{
    static const char *const yes[] = {"yes", "y", "true", "on"};
    static const char *const no[] = {"no", "n", "false", "off", ""};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0) {
            *ret = 1;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
        if (strcasecmp(text, no[i]) == 0) {
            *ret = 0;
            return true;
        }
    }
    return value_parse_int(text, ret);
}

static int convert_number(const struct option_info *o, struct arena *a, const struct value *v,
                          const struct value **ret, struct err *err)
{
    bool is_bool = o->type == OPTION_BOOL;
    int64_t n = v->integer;

    if (v->kind == VALUE_FLOAT && v->real == (double)(int64_t)v->real) {
        n = (int64_t)v->real;
    } else if (v->kind == VALUE_STRING) {
        if (is_bool ? !parse_bool(v->string.text, &n) : !value_parse_int(v->string.text, &n))
            return err_set(err, EINVAL, "%s = '%s': %s is needed", o->name, v->string.text,
                           is_bool ? "0 or 1" : "an integer");
    } else if (v->kind != VALUE_INT && v->kind != VALUE_BOOL) {
        return err_set(err, EINVAL, "%s: %s is needed, not %s", o->name,
                       is_bool ? "0 or 1" : "an integer", value_kind_name(v));
    }
    *ret = value_int(a, is_bool ? n != 0 : n);
    return 0;
}

static int convert_list(const struct option_info *o, struct arena *a, const struct value *v,
                        const struct value **ret, struct err *err)
{
    if (v->kind == VALUE_STRING) {
        *ret = value_list(a, VALUE_LIST, &v, v->string.len > 0);
        return 0;
    }
    if (v->kind != VALUE_LIST && v->kind != VALUE_TUPLE)
        return err_set(err, EINVAL, "%s: a list of strings is needed, not %s: %s = [ '...' ]",
                       o->name, value_kind_name(v), o->name);
    for (size_t i = 0; i < v->items->count; i++)
        if (v->items->at[i]->kind != VALUE_STRING)
            return err_set(err, EINVAL, "%s: element %zu must be a string, not %s", o->name, i + 1,
                           value_kind_name(v->items->at[i]));
    *ret = value_list(a, VALUE_LIST, v->items->at, v->items->count);
    return 0;
}

int option_convert(const struct option_info *o, struct arena *a, const struct value *v,
                   const struct value **ret, struct err *err)
{
    char *text;

    *ret = NULL;
    if (v->kind == VALUE_NONE)
        return 0;
    switch (o->type) {
    case OPTION_INT:
    case OPTION_BOOL:
        return convert_number(o, a, v, ret, err);
    case OPTION_LIST:
        return convert_list(o, a, v, ret, err);
    case OPTION_ANY:
        *ret = v;
        return 0;
    case OPTION_STRING:
        break;
    }
    if (v->kind != VALUE_STRING && v->kind != VALUE_INT)
        return err_set(err, EINVAL, "%s: a string is needed, not %s", o->name, value_kind_name(v));
    text = value_to_text(a, v);
    *ret = value_string(a, text, strlen(text));
    return 0;
}
