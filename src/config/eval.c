/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * eval.c - see eval.h. Every expression costs a step (scope.h).
 */
#include "config/eval.h"

#include <string.h>

#include "config/builtins.h"
#include "config/exec.h"
#include "config/operators.h"

static int eval_name(struct scope *s, const struct node *n, const struct value **ret,
                     struct err *err)
{
    struct variable *v = scope_find(s, n->name);

    if (v) {
        v->used = true;
        *ret = v->value;
        return 0;
    }
    *ret = builtins_find(s->arena, n->name);
    if (*ret)
        return 0;
    if (strcmp(n->name, "open") == 0 || strcmp(n->name, "eval") == 0 ||
        strcmp(n->name, "execfile") == 0)
        return scope_fail(s, n->line, err,
                          "%s() is not available: a config cannot read other files or run code",
                          n->name);
    return scope_fail(s, n->line, err, "'%s' is not defined; text needs quotes: '%s'", n->name,
                      n->name);
}

static int eval_items(struct scope *s, const struct node_list *items, enum value_kind kind,
                      const struct value **ret, struct err *err)
{
    *ret = value_list(s->arena, kind, NULL, 0);
    for (const struct node *n = items->first; n; n = n->next) {
        const struct value *item;
        int rc = eval_expression(s, n->kind == NODE_KEYWORD ? n->a : n, &item, err);

        if (rc < 0)
            return rc;
        value_append(s->arena, *ret, item);
    }
    return 0;
}

static int eval_dict(struct scope *s, const struct node *n, const struct value **ret,
                     struct err *err)
{
    const struct value *pairs, *dict = value_list(s->arena, VALUE_DICT, NULL, 0);
    int rc = eval_items(s, &n->items, VALUE_LIST, &pairs, err);

    for (size_t i = 0; rc == 0 && i < pairs->items->count; i += 2)
        rc =
            operators_set_item(s, n->line, dict, pairs->items->at[i], pairs->items->at[i + 1], err);
    *ret = dict;
    return rc;
}

static int eval_unary(struct scope *s, const struct node *n, const struct value **ret,
                      struct err *err)
{
    const struct value *a;
    int rc = eval_expression(s, n->a, &a, err);

    return rc < 0 ? rc : operators_unary(s, n->line, n->op, a, ret, err);
}

static int eval_binary(struct scope *s, const struct node *n, const struct value **ret,
                       struct err *err)
{
    const struct value *a, *b = NULL;
    int rc = eval_expression(s, n->a, &a, err);

    if (rc == 0)
        rc = eval_expression(s, n->b, &b, err);
    return rc < 0 ? rc : operators_apply(s, n->line, n->op, a, b, ret, err);
}

/* and, or, x if c else y: only what is needed is evaluated. */
static int eval_choice(struct scope *s, const struct node *n, const struct value **ret,
                       struct err *err)
{
    const struct value *a;
    int rc = eval_expression(s, n->a, &a, err);

    if (rc < 0)
        return rc;
    if (n->kind == NODE_CONDITIONAL)
        return eval_expression(s, value_truth(a) ? n->b : n->c, ret, err);
    if (value_truth(a) == (n->kind == NODE_OR)) {
        *ret = a;
        return 0;
    }
    return eval_expression(s, n->b, ret, err);
}

/* The names of keyword arguments, NULL for the others; NULL when there are none. */
static int keyword_names(struct scope *s, const struct node *n, const char ***ret, struct err *err)
{
    size_t i = 0;

    *ret = NULL;
    for (const struct node *item = n->items.first; item; item = item->next, i++) {
        if (item->kind != NODE_KEYWORD && *ret)
            return scope_fail(s, n->line, err, "an argument without name follows one with");
        if (item->kind != NODE_KEYWORD)
            continue;
        if (!*ret)
            *ret = arena_alloc(s->arena, n->items.count * sizeof(**ret));
        (*ret)[i] = item->name;
    }
    return 0;
}

static int eval_call(struct scope *s, const struct node *n, const struct value **ret,
                     struct err *err)
{
    const struct value *fn, *args;
    const char **names = NULL;
    int rc = eval_expression(s, n->a, &fn, err);

    if (rc == 0)
        rc = keyword_names(s, n, &names, err);
    if (rc == 0)
        rc = eval_items(s, &n->items, VALUE_TUPLE, &args, err);
    if (rc != 0)
        return rc;
    if (fn->kind == VALUE_FUNCTION)
        return exec_call(s, n->line, fn->function, args, names, ret, err);
    if (fn->kind == VALUE_EXCEPTION) {
        const char *text = args->items->count ? value_to_text(s->arena, args->items->at[0]) : "";

        *ret = value_named(s->arena, VALUE_EXCEPTION,
                           arena_printf(s->arena, "%s: %.400s", fn->string.text, text));
        return 0;
    }
    if (fn->kind != VALUE_BUILTIN)
        return scope_fail(s, n->line, err, "%s cannot be called", value_kind_name(fn));
    return builtins_call(s, n->line, fn, args, names, ret, err);
}

static int eval_attribute(struct scope *s, const struct node *n, const struct value **ret,
                          struct err *err)
{
    const struct value *object;
    int rc = eval_expression(s, n->a, &object, err);

    if (rc < 0)
        return rc;
    return builtins_attribute(s, n->line, object, n->name, ret, err);
}

static int eval_subscript(struct scope *s, const struct node *n, const struct value **ret,
                          struct err *err)
{
    const struct value *object, *from = NULL, *to = NULL;
    int rc = eval_expression(s, n->a, &object, err);

    if (rc == 0 && n->b)
        rc = eval_expression(s, n->b, &from, err);
    if (rc == 0 && n->c)
        rc = eval_expression(s, n->c, &to, err);
    if (rc < 0)
        return rc;
    if (n->kind == NODE_INDEX)
        return operators_index(s, n->line, object, from, ret, err);
    return operators_slice(s, n->line, object, from, to, ret, err);
}

static int eval_dispatch(struct scope *s, const struct node *n, const struct value **ret,
                         struct err *err)
{
    switch (n->kind) {
    case NODE_CONSTANT:
        *ret = n->value;
        return 0;
    case NODE_NAME:
        return eval_name(s, n, ret, err);
    case NODE_LIST:
        return eval_items(s, &n->items, VALUE_LIST, ret, err);
    case NODE_TUPLE:
        return eval_items(s, &n->items, VALUE_TUPLE, ret, err);
    case NODE_DICT:
        return eval_dict(s, n, ret, err);
    case NODE_UNARY:
        return eval_unary(s, n, ret, err);
    case NODE_BINARY:
        return eval_binary(s, n, ret, err);
    case NODE_AND:
    case NODE_OR:
    case NODE_CONDITIONAL:
        return eval_choice(s, n, ret, err);
    case NODE_CALL:
        return eval_call(s, n, ret, err);
    case NODE_ATTRIBUTE:
        return eval_attribute(s, n, ret, err);
    case NODE_INDEX:
    case NODE_SLICE:
        return eval_subscript(s, n, ret, err);
    default:
        return scope_fail(s, n->line, err, "a value is expected");
    }
}

int eval_expression(struct scope *s, const struct node *n, const struct value **ret,
                    struct err *err)
{
    int rc = scope_charge(s, n->line, 1, err);

    *ret = value_none();
    if (rc < 0)
        return rc;
    if (s->depth >= SCOPE_MAX_DEPTH) {
        s->exhausted = true;
        return scope_fail(s, n->line, err, "this expression is too long");
    }
    s->depth++;
    rc = eval_dispatch(s, n, ret, err);
    s->depth--;
    return rc;
}
