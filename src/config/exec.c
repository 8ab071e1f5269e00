/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * exec.c - see exec.h. `break`, `continue` and `return` travel outwards as s->flow; `raise` is
 * an error like any other, with its class in s->raised.
 */
#include "config/exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/builtins.h"
#include "config/eval.h"
#include "config/operators.h"

#define MAX_PRINTED_LINE 1000

static int assign(struct scope *s, const struct node *target, const struct value *value,
                  struct err *err);

/* a, b = VALUE */
static int unpack(struct scope *s, const struct node *target, const struct value *value,
                  struct err *err)
{
    size_t i = 0;

    if (!value_is_sequence(value))
        return scope_fail(s, target->line, err, "%s cannot be taken apart into %zu names",
                          value_kind_name(value), target->items.count);
    if (value->items->count != target->items.count)
        return scope_fail(s, target->line, err, "%zu values for %zu names", value->items->count,
                          target->items.count);
    for (const struct node *n = target->items.first; n; n = n->next) {
        int rc = assign(s, n, value->items->at[i++], err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

static int assign(struct scope *s, const struct node *target, const struct value *value,
                  struct err *err)
{
    const struct value *object, *index = NULL;
    int rc;

    if (target->kind == NODE_NAME)
        return scope_set(s, target->name, value, target->line, err);
    if (target->kind != NODE_INDEX)
        return unpack(s, target, value, err);
    rc = eval_expression(s, target->a, &object, err);
    if (rc == 0)
        rc = eval_expression(s, target->b, &index, err);
    return rc < 0 ? rc : operators_set_item(s, target->line, object, index, value, err);
}

/* a = b = VALUE, a += VALUE */
static int exec_assign(struct scope *s, const struct node *n, struct err *err)
{
    const struct node *target = n->items.first;
    const struct value *value, *old;
    int rc = eval_expression(s, n->a, &value, err);

    if (rc < 0)
        return rc;
    /* xl: += on a new name is an assignment. */
    if (n->op[0] != '=' && (target->kind != NODE_NAME || scope_find(s, target->name))) {
        const char op[2] = {n->op[0], '\0'};

        rc = eval_expression(s, target, &old, err);
        if (rc == 0)
            rc = operators_apply(s, n->line, op, old, value, &value, err);
    }
    for (; target && rc == 0; target = target->next)
        rc = assign(s, target, value, err);
    return rc;
}

static int exec_delete(struct scope *s, const struct node *n, struct err *err)
{
    for (const struct node *target = n->items.first; target; target = target->next) {
        const struct value *object, *index;
        struct variable *v = target->kind == NODE_NAME ? scope_find(s, target->name) : NULL;
        int rc;

        if (v) {
            v->value = NULL;
            continue;
        }
        if (target->kind != NODE_INDEX)
            return scope_fail(s, n->line, err, "there is nothing to delete by this name");
        rc = eval_expression(s, target->a, &object, err);
        if (rc == 0)
            rc = eval_expression(s, target->b, &index, err);
        if (rc == 0)
            rc = operators_set_item(s, n->line, object, index, NULL, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int exec_print(struct scope *s, const struct node *n, struct err *err)
{
    char line[MAX_PRINTED_LINE] = "";
    size_t used = 0;

    for (const struct node *item = n->items.first; item; item = item->next) {
        const struct value *value;
        int rc = eval_expression(s, item, &value, err);

        if (rc < 0)
            return rc;
        if (used < sizeof(line))
            used +=
                (size_t)snprintf(line + used, sizeof(line) - used, "%s%s",
                                 item == n->items.first ? "" : " ", value_to_text(s->arena, value));
    }
    if (s->nr_printed < SCOPE_MAX_PRINTED)
        s->printed[s->nr_printed++] = arena_strndup(s->arena, line, strlen(line));
    return 0;
}

static int exec_import(struct scope *s, const struct node *n, struct err *err)
{
    char top[64];
    const struct value *module;
    int rc = builtins_import(s, n->line, n->name, &module, err);

    if (rc < 0)
        return rc;
    if (n->kind == NODE_FROM) {
        rc = builtins_attribute(s, n->line, module, n->text, &module, err);
        return rc < 0 ? rc : scope_set(s, n->text, module, 0, err);
    }
    snprintf(top, sizeof(top), "%.*s", (int)strcspn(n->name, "."), n->name);
    rc = builtins_import(s, n->line, top, &module, err);
    return rc < 0 ? rc : scope_set(s, top, module, 0, err);
}

static int exec_if(struct scope *s, const struct node *n, struct err *err)
{
    const struct value *value;
    int rc = eval_expression(s, n->a, &value, err);

    return rc < 0 ? rc : exec_statements(s, value_truth(value) ? &n->body : &n->orelse, err);
}

/* After a turn of a loop: does it end here? */
static bool leaves_loop(struct scope *s)
{
    bool ends = s->flow == FLOW_BREAK || s->flow == FLOW_RETURN;

    if (s->flow != FLOW_RETURN)
        s->flow = FLOW_ON;
    return ends;
}

static int exec_while(struct scope *s, const struct node *n, struct err *err)
{
    for (;;) {
        const struct value *value;
        int rc = eval_expression(s, n->a, &value, err);

        if (rc < 0)
            return rc;
        if (!value_truth(value))
            return exec_statements(s, &n->orelse, err);
        rc = exec_statements(s, &n->body, err);
        if (rc < 0 || leaves_loop(s))
            return rc;
    }
}

/* What `for` goes through: the items, the characters of a string, the keys of a dict. */
static const struct value *turn_value(struct scope *s, const struct value *over, size_t turn)
{
    if (over->kind == VALUE_STRING)
        return turn < over->string.len ? value_string(s->arena, over->string.text + turn, 1) : NULL;
    if (over->kind == VALUE_DICT)
        turn *= 2;
    return turn < over->items->count ? over->items->at[turn] : NULL;
}

static int exec_for(struct scope *s, const struct node *n, struct err *err)
{
    const struct value *over, *value;
    int rc = eval_expression(s, n->b, &over, err);

    if (rc < 0)
        return rc;
    if (over->kind != VALUE_STRING && over->kind != VALUE_DICT && !value_is_sequence(over))
        return scope_fail(s, n->line, err, "'for' needs a list, not %s", value_kind_name(over));
    for (size_t turn = 0; (value = turn_value(s, over, turn)); turn++) {
        rc = scope_charge(s, n->line, 1, err);
        if (rc == 0)
            rc = assign(s, n->a, value, err);
        if (rc == 0)
            rc = exec_statements(s, &n->body, err);
        if (rc < 0 || leaves_loop(s))
            return rc;
    }
    return exec_statements(s, &n->orelse, err);
}

/* Parameters that got no argument take their defaults. */
static int take_defaults(struct scope *s, unsigned int line, const struct node *def,
                         const struct value **bound, struct err *err)
{
    size_t i = 0;

    for (const struct node *p = def->items.first; p; p = p->next, i++) {
        int rc;

        if (!bound[i] && !p->a)
            return scope_fail(s, line, err, "%s() needs an argument '%s'", def->name, p->name);
        rc = bound[i] ? 0 : eval_expression(s, p->a, &bound[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Arguments in the order of the parameters. */
static int bind(struct scope *s, unsigned int line, const struct node *def,
                const struct value *args, const char *const *names, const struct value **bound,
                struct err *err)
{
    if (args->items->count > def->items.count)
        return scope_fail(s, line, err, "%s() takes %zu argument%s", def->name, def->items.count,
                          def->items.count == 1 ? "" : "s");
    for (size_t i = 0; i < args->items->count; i++) {
        size_t at = i;

        if (names && names[i]) {
            at = 0;
            for (const struct node *p = def->items.first; p; p = p->next, at++)
                if (strcmp(p->name, names[i]) == 0)
                    break;
        }
        if (at == def->items.count)
            return scope_fail(s, line, err, "%s() has no parameter '%s'", def->name, names[i]);
        if (bound[at])
            return scope_fail(s, line, err, "%s() is given an argument twice", def->name);
        bound[at] = args->items->at[i];
    }
    return take_defaults(s, line, def, bound, err);
}

static int run_body(struct scope *s, const struct node *def, const struct value *const *bound,
                    struct err *err)
{
    size_t i = 0;
    int rc = 0;

    for (const struct node *p = def->items.first; p && rc == 0; p = p->next)
        rc = scope_set(s, p->name, bound[i++], p->line, err);
    return rc < 0 ? rc : exec_statements(s, &def->body, err);
}

int exec_call(struct scope *s, unsigned int line, const struct node *def, const struct value *args,
              const char *const *names, const struct value **ret, struct err *err)
{
    struct variables locals = {0}, *outer = s->locals;
    const struct value **bound = arena_alloc(s->arena, def->items.count * sizeof(*bound) + 1);
    int rc = bind(s, line, def, args, names, bound, err);

    if (rc < 0)
        return rc;
    if (s->calls >= SCOPE_MAX_CALLS) {
        s->exhausted = true;
        return scope_fail(s, line, err, "%s() is called from itself too often", def->name);
    }
    s->calls++;
    s->locals = &locals;
    s->result = value_none();
    rc = run_body(s, def, bound, err);
    s->locals = outer;
    s->calls--;
    *ret = s->flow == FLOW_RETURN ? s->result : value_none();
    s->flow = FLOW_ON;
    return rc;
}

static int exec_return(struct scope *s, const struct node *n, struct err *err)
{
    const struct value *value = value_none();
    int rc = n->a ? eval_expression(s, n->a, &value, err) : 0;

    s->result = value;
    s->flow = FLOW_RETURN;
    return rc;
}

/* raise CLASS, raise CLASS(text), raise CLASS, text, raise "text" */
static int exec_raise(struct scope *s, const struct node *n, struct err *err)
{
    const struct value *value, *text;
    int rc;

    if (!n->a)
        return scope_fail(s, n->line, err, "raise: %s", s->raised ? s->raised : "an error");
    rc = eval_expression(s, n->a, &value, err);
    if (rc < 0)
        return rc;
    s->raised = value_to_text(s->arena, value);
    if (n->b) {
        rc = eval_expression(s, n->b, &text, err);
        if (rc < 0)
            return rc;
        s->raised =
            arena_printf(s->arena, "%.100s: %.300s", s->raised, value_to_text(s->arena, text));
    }
    return scope_fail(s, n->line, err, "the file itself raises this error: %s", s->raised);
}

static int exec_assert(struct scope *s, const struct node *n, struct err *err)
{
    const struct value *value, *text = NULL;
    int rc = eval_expression(s, n->a, &value, err);

    if (rc < 0 || value_truth(value))
        return rc;
    if (n->b)
        rc = eval_expression(s, n->b, &text, err);
    if (rc < 0)
        return rc;
    return scope_fail(s, n->line, err, "this 'assert' does not hold%s%.300s", text ? ": " : "",
                      text ? value_to_text(s->arena, text) : "");
}

/* Does `except CLASS` take what was raised? Errors of ours are of every class. */
static bool is_of_class(const struct scope *s, const struct value *class)
{
    const char *name = class->kind == VALUE_EXCEPTION ? class->string.text : "";
    size_t n = strlen(name);

    if (value_is_sequence(class)) {
        for (size_t i = 0; i < class->items->count; i++)
            if (class->items->at[i]->kind == VALUE_EXCEPTION && is_of_class(s, class->items->at[i]))
                return true;
        return false;
    }
    return !s->raised || strcmp(name, "Exception") == 0 || strcmp(name, "StandardError") == 0 ||
           (strncmp(s->raised, name, n) == 0 && (!s->raised[n] || s->raised[n] == ':'));
}

static int exec_handler(struct scope *s, const struct node *handler, const char *message,
                        struct err *err)
{
    int rc = 0;

    if (handler->name)
        rc = scope_set(s, handler->name, value_named(s->arena, VALUE_EXCEPTION, message),
                       handler->line, err);
    return rc < 0 ? rc : exec_statements(s, &handler->body, err);
}

static int exec_try(struct scope *s, const struct node *n, struct err *err)
{
    struct err *cause = arena_alloc(s->arena, sizeof(*cause));
    int rc;

    s->raised = NULL;
    rc = exec_statements(s, &n->body, cause);
    if (rc == 0)
        return s->flow == FLOW_ON ? exec_statements(s, &n->orelse, err) : 0;
    for (const struct node *handler = n->items.first; handler && !s->exhausted;
         handler = handler->next) {
        const struct value *class = NULL;

        rc = handler->a ? eval_expression(s, handler->a, &class, err) : 0;
        if (rc < 0)
            return rc;
        if (!class || is_of_class(s, class))
            return exec_handler(s, handler, s->raised ? s->raised : cause->msg, err);
    }
    return err_set(err, EINVAL, "%s", cause->msg);
}

static int exec_statement(struct scope *s, const struct node *n, struct err *err)
{
    const struct value *value;

    switch (n->kind) {
    case NODE_ASSIGN:
        return exec_assign(s, n, err);
    case NODE_DELETE:
        return exec_delete(s, n, err);
    case NODE_PRINT:
        return exec_print(s, n, err);
    case NODE_IMPORT:
    case NODE_FROM:
        return exec_import(s, n, err);
    case NODE_IF:
        return exec_if(s, n, err);
    case NODE_WHILE:
        return exec_while(s, n, err);
    case NODE_FOR:
        return exec_for(s, n, err);
    case NODE_DEF: {
        struct value *function = arena_alloc(s->arena, sizeof(*function));

        function->kind = VALUE_FUNCTION;
        function->function = n;
        function->string.text = n->name;
        function->string.len = strlen(n->name);
        return scope_set(s, n->name, function, n->line, err);
    }
    case NODE_RETURN:
        return exec_return(s, n, err);
    case NODE_RAISE:
        return exec_raise(s, n, err);
    case NODE_ASSERT:
        return exec_assert(s, n, err);
    case NODE_TRY:
        return exec_try(s, n, err);
    case NODE_BREAK:
        s->flow = FLOW_BREAK;
        return 0;
    case NODE_CONTINUE:
        s->flow = FLOW_CONTINUE;
        return 0;
    case NODE_PASS:
        return 0;
    default:
        return eval_expression(s, n->a, &value, err);
    }
}

int exec_statements(struct scope *s, const struct node_list *statements, struct err *err)
{
    for (const struct node *n = statements->first; n && s->flow == FLOW_ON; n = n->next) {
        int rc = scope_charge(s, n->line, 1, err);

        if (rc == 0)
            rc = exec_statement(s, n, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}
