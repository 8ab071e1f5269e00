/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtin_match.c - re.search, re.match and what they return.
 */
#include "config/builtin.h"
#include "config/regex.h"

static int find(const struct call *c, bool anchored, const struct value **ret)
{
    const struct value *text = c->args[1];
    struct arena *a = c->scope->arena;
    const char *error = NULL;
    const struct regex *re = regex_compile(a, call_text(c, 0), &error);
    const struct value *groups[REGEX_MAX_GROUPS];
    struct regex_match m;
    int rc;

    if (!re)
        return CALL_FAIL(c, "regular expression '%.100s': %s", call_text(c, 0), error);
    rc = scope_charge(c->scope, c->line, regex_cost(re, text->string.len) / 4, c->err);
    if (rc < 0)
        return rc;
    *ret = value_none();
    if (!regex_find(a, re, text->string.text, text->string.len, anchored, &m))
        return 0;
    for (size_t i = 0; i < m.nr_groups; i++)
        groups[i] = m.start[i] == SIZE_MAX || m.end[i] == SIZE_MAX
                        ? value_none()
                        : value_string(a, text->string.text + m.start[i], m.end[i] - m.start[i]);
    *ret = value_list(a, VALUE_MATCH, groups, m.nr_groups);
    return 0;
}

static int fn_search(const struct call *c, const struct value **ret)
{
    return find(c, false, ret);
}

static int fn_match(const struct call *c, const struct value **ret)
{
    return find(c, true, ret);
}

static int fn_group(const struct call *c, const struct value **ret)
{
    int64_t n = c->nr_args ? c->args[0]->integer : 0;

    if (n < 0 || n >= (int64_t)c->self->items->count)
        return CALL_FAIL(c, "there is no group %lld", (long long)n);
    *ret = c->self->items->at[n];
    return 0;
}

static int fn_groups(const struct call *c, const struct value **ret)
{
    *ret =
        value_list(c->scope->arena, VALUE_TUPLE, c->self->items->at + 1, c->self->items->count - 1);
    return 0;
}

const struct builtin builtin_match[] = {
    {"re.search", "ss", fn_search, NULL},
    {"re.match", "ss", fn_match, NULL},
    {"match.group", "I", fn_group, NULL},
    {"match.groups", "", fn_groups, NULL},
    {0},
};
