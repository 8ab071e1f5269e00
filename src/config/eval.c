/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * eval.c - see eval.h. Without loops a file ends after as many steps as it has nodes; what is
 * left to bound is memory (eval_check_size) and recursion (MAX_DEPTH).
 */
#include "config/eval.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/builtins.h"
#include "config/operators.h"

#define MAX_DEPTH 2000
#define MAX_VALUE (1u << 20)  /* bytes of one string, items of one list */
#define MAX_TOTAL (64u << 20) /* bytes of everything */

struct variable *scope_find(const struct scope *s, const char *name)
{
    for (struct variable *v = s->first; v; v = v->next)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

void scope_set(struct scope *s, const char *name, const struct value *value, unsigned int line)
{
    struct variable *v = scope_find(s, name);

    if (!v) {
        v = arena_alloc(s->arena, sizeof(*v));
        v->name = arena_strndup(s->arena, name, strlen(name));
        if (s->last)
            s->last->next = v;
        else
            s->first = v;
        s->last = v;
    }
    v->value = value;
    v->line = line;
}

int eval_fail(const struct scope *s, unsigned int line, struct err *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(err, EINVAL, "%s:%u: %s", s->file, line, text);
}

int eval_check_size(const struct scope *s, unsigned int line, size_t size, struct err *err)
{
    if (size > MAX_VALUE || arena_used(s->arena) + size > MAX_TOTAL)
        return eval_fail(s, line, err, "this value becomes too large");
    return 0;
}

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
    return eval_fail(s, n->line, err, "'%s' is not defined; text needs quotes: '%s'", n->name,
                     n->name);
}

static int eval_items(struct scope *s, const struct node_list *items, enum value_kind kind,
                      const struct value **ret, struct err *err)
{
    const struct value **values = arena_alloc(s->arena, items->count * sizeof(*values) + 1);
    size_t count = 0;

    for (const struct node *n = items->first; n; n = n->next) {
        int rc = eval_expression(s, n, &values[count++], err);

        if (rc < 0)
            return rc;
    }
    *ret = value_list(s->arena, kind, values, count);
    return 0;
}

static int eval_unary(struct scope *s, const struct node *n, const struct value **ret,
                      struct err *err)
{
    const struct value *a;
    int rc = eval_expression(s, n->a, &a, err);

    if (rc < 0)
        return rc;
    if (strcmp(n->op, "not") == 0) {
        *ret = value_bool(!value_truth(a));
        return 0;
    }
    if (a->kind != VALUE_INT && a->kind != VALUE_BOOL)
        return eval_fail(s, n->line, err, "'%s' needs an integer, not %s", n->op,
                         value_kind_name(a));
    *ret = value_int(s->arena, n->op[0] == '-' ? (int64_t)(0 - (uint64_t)a->integer) : a->integer);
    return 0;
}

static int eval_binary(struct scope *s, const struct node *n, const struct value **ret,
                       struct err *err)
{
    const struct value *a, *b;
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

static int eval_call(struct scope *s, const struct node *n, const struct value **ret,
                     struct err *err)
{
    const struct value *fn, *args;
    int rc = eval_expression(s, n->a, &fn, err);

    if (rc == 0)
        rc = eval_items(s, &n->items, VALUE_TUPLE, &args, err);
    if (rc < 0)
        return rc;
    if (fn->kind != VALUE_FUNCTION)
        return eval_fail(s, n->line, err, "%s cannot be called", value_kind_name(fn));
    return builtins_call(s, n->line, fn, args, ret, err);
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
    case NODE_ASSIGN:
    case NODE_EXPR:
    case NODE_IMPORT:
    case NODE_FROM:
    case NODE_PASS:
    case NODE_IF:
        break;
    }
    return eval_fail(s, n->line, err, "a value is expected");
}

int eval_expression(struct scope *s, const struct node *n, const struct value **ret,
                    struct err *err)
{
    int rc;

    if (s->depth >= MAX_DEPTH)
        return eval_fail(s, n->line, err, "this expression is too long");
    s->depth++;
    rc = eval_dispatch(s, n, ret, err);
    s->depth--;
    return rc;
}

static int eval_assign(struct scope *s, const struct node *n, struct err *err)
{
    struct variable *old = scope_find(s, n->name);
    const struct value *value;
    int rc = eval_expression(s, n->a, &value, err);

    if (rc < 0)
        return rc;
    /* xl: += on a new name is an assignment. */
    if (n->op[0] != '=' && old) {
        const char op[2] = {n->op[0], '\0'};

        rc = operators_apply(s, n->line, op, old->value, value, &value, err);
        if (rc < 0)
            return rc;
    }
    scope_set(s, n->name, value, n->line);
    return 0;
}

static int eval_import(struct scope *s, const struct node *n, struct err *err)
{
    char top[64];
    const struct value *module;
    int rc = builtins_import(s, n->line, n->name, &module, err);

    if (rc < 0)
        return rc;
    if (n->kind == NODE_FROM) {
        rc = builtins_attribute(s, n->line, module, n->text, &module, err);
        if (rc == 0)
            scope_set(s, n->text, module, 0);
        return rc;
    }
    snprintf(top, sizeof(top), "%.*s", (int)strcspn(n->name, "."), n->name);
    rc = builtins_import(s, n->line, top, &module, err);
    if (rc == 0)
        scope_set(s, top, module, 0);
    return rc;
}

static int eval_statement(struct scope *s, const struct node *n, struct err *err)
{
    const struct value *value;
    int rc;

    switch (n->kind) {
    case NODE_ASSIGN:
        return eval_assign(s, n, err);
    case NODE_IMPORT:
    case NODE_FROM:
        return eval_import(s, n, err);
    case NODE_PASS:
        return 0;
    case NODE_IF:
        rc = eval_expression(s, n->a, &value, err);
        if (rc < 0)
            return rc;
        return eval_statements(s, value_truth(value) ? &n->body : &n->orelse, err);
    default:
        return eval_expression(s, n->a, &value, err);
    }
}

int eval_statements(struct scope *s, const struct node_list *statements, struct err *err)
{
    for (const struct node *n = statements->first; n; n = n->next) {
        int rc = eval_statement(s, n, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}
