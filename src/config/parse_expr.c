/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parse_expr.c - see parse_expr.h.
 */
#include "config/parse_expr.h"

#include <stdio.h>
#include <string.h>

#include "config/scope.h"

#define DEEP "this expression is"

/* Items up to a closing bracket that is the current token's job; a trailing comma is fine. */
static bool parse_items(struct parser *p, struct node_list *items, const char *close)
{
    while (!parse_at_op(p, close)) {
        struct node *item = parse_expression(p);

        if (!item)
            return false;
        parse_append(items, item);
        if (parse_at_name(p, "for")) {
            PARSE_FAIL(p, "'[... for ...]' is not supported in config files; use a loop");
            return false;
        }
        if (!parse_accept_op(p, ","))
            break;
    }
    if (!parse_at_op(p, close)) {
        PARSE_FAIL(p, "',' or '%s' expected, found %s", close, parse_here(p));
        return false;
    }
    return parse_advance(p);
}

/* Strings side by side are one. */
static struct node *parse_string(struct parser *p)
{
    struct node *n = parse_new_node(p, NODE_CONSTANT, p->token.line);
    const char *text = p->token.text;
    size_t len = p->token.len;

    while (parse_advance(p) && p->token.kind == TOKEN_STRING) {
        text = arena_printf(p->arena, "%s%s", text, p->token.text);
        len += p->token.len;
        if (len > VALUE_MAX_SIZE || arena_used(p->arena) > SCOPE_MAX_MEMORY)
            return PARSE_FAIL(p, "this string is too long");
    }
    n->value = value_string(p->arena, text, len);
    return p->failed ? NULL : n;
}

static struct node *parse_dict(struct parser *p)
{
    struct node *n = parse_new_node(p, NODE_DICT, p->token.line);

    parse_advance(p); /* { */
    while (!parse_at_op(p, "}")) {
        struct node *key = parse_expression(p);
        struct node *value =
            key && parse_expect_op(p, ":", "after a key") ? parse_expression(p) : NULL;

        if (!value)
            return NULL;
        parse_append(&n->items, key);
        parse_append(&n->items, value);
        if (!parse_accept_op(p, ","))
            break;
    }
    return parse_expect_op(p, "}", "or ','") ? n : NULL;
}

static struct node *parse_bracketed(struct parser *p)
{
    struct node *n = parse_new_node(p, NODE_LIST, p->token.line);

    if (parse_accept_op(p, "["))
        return parse_items(p, &n->items, "]") ? n : NULL;
    parse_advance(p); /* ( */
    n->kind = NODE_TUPLE;
    if (parse_at_op(p, ")"))
        return parse_advance(p) ? n : NULL;
    parse_append(&n->items, parse_expression(p));
    if (p->failed)
        return NULL;
    if (parse_accept_op(p, ")"))
        return n->items.first;
    if (!parse_expect_op(p, ",", "or ')'"))
        return NULL;
    return parse_items(p, &n->items, ")") ? n : NULL;
}

static struct node *parse_atom(struct parser *p)
{
    struct node *n;

    if (p->failed)
        return NULL;
    if (p->token.kind == TOKEN_STRING)
        return parse_string(p);
    if (parse_at_op(p, "(") || parse_at_op(p, "["))
        return parse_bracketed(p);
    if (parse_at_op(p, "{"))
        return parse_dict(p);
    n = parse_new_node(p, NODE_CONSTANT, p->token.line);
    if (p->token.kind == TOKEN_INT) {
        n->value = value_int(p->arena, p->token.integer);
    } else if (p->token.kind == TOKEN_FLOAT) {
        n->value = value_float(p->arena, p->token.real);
    } else if (parse_at_name(p, "None")) {
        n->value = value_none();
    } else if (parse_at_name(p, "True") || parse_at_name(p, "False")) {
        n->value = value_bool(parse_at_name(p, "True"));
    } else if (p->token.kind == TOKEN_NAME && !parse_is_keyword(p->token.text)) {
        n->kind = NODE_NAME;
        n->name = p->token.text;
    } else if (parse_at_name(p, "lambda") || parse_at_name(p, "yield")) {
        return PARSE_FAIL(p, "'%s' is Python that config files cannot use here", p->token.text);
    } else {
        return PARSE_FAIL(p, "a value is expected, found %s", parse_here(p));
    }
    return parse_advance(p) ? n : NULL;
}

static struct node *parse_subscript(struct parser *p, struct node *object)
{
    struct node *n = parse_new_node(p, NODE_INDEX, p->token.line);

    n->a = object;
    parse_advance(p); /* [ */
    if (!parse_at_op(p, ":")) {
        n->b = parse_expression(p);
        if (!n->b)
            return NULL;
    }
    if (parse_accept_op(p, ":")) {
        n->kind = NODE_SLICE;
        if (!parse_at_op(p, "]")) {
            n->c = parse_expression(p);
            if (!n->c)
                return NULL;
        }
    }
    return parse_expect_op(p, "]", "after the index") ? n : NULL;
}

/* f(a, b, name=c) */
static struct node *parse_call(struct parser *p, struct node *function)
{
    struct node *n = parse_new_node(p, NODE_CALL, p->token.line);

    n->a = function;
    parse_advance(p); /* ( */
    while (!parse_at_op(p, ")")) {
        struct node *argument = parse_expression(p);

        if (!argument)
            return NULL;
        if (parse_at_op(p, "=") && argument->kind == NODE_NAME) {
            argument->kind = NODE_KEYWORD;
            parse_advance(p);
            argument->a = parse_expression(p);
            if (!argument->a)
                return NULL;
        }
        parse_append(&n->items, argument);
        if (!parse_accept_op(p, ","))
            break;
    }
    return parse_expect_op(p, ")", "or ','") ? n : NULL;
}

/* object.NAME */
static struct node *parse_attribute(struct parser *p, struct node *object)
{
    struct node *n = parse_new_node(p, NODE_ATTRIBUTE, p->token.line);

    n->a = object;
    parse_advance(p); /* . */
    if (p->token.kind != TOKEN_NAME)
        return PARSE_FAIL(p, "a name is expected after '.', found %s", parse_here(p));
    n->name = p->token.text;
    return parse_advance(p) ? n : NULL;
}

static struct node *parse_postfix(struct parser *p)
{
    struct node *n = parse_atom(p);

    while (n) {
        if (parse_at_op(p, "["))
            n = parse_subscript(p, n);
        else if (parse_at_op(p, "("))
            n = parse_call(p, n);
        else if (parse_at_op(p, "."))
            n = parse_attribute(p, n);
        else
            break;
    }
    return p->failed ? NULL : n;
}

static struct node *binary(struct parser *p, const char *op, unsigned int line, struct node *a,
                           struct node *b)
{
    struct node *n = parse_new_node(p, NODE_BINARY, line);

    n->op = op;
    n->a = a;
    n->b = b;
    return b ? n : NULL;
}

static struct node *parse_unary(struct parser *p);

/* a ** b binds tighter than a sign before it, not than one behind. */
static struct node *parse_power(struct parser *p)
{
    struct node *n = parse_postfix(p);
    unsigned int line = p->token.line;

    if (n && parse_accept_op(p, "**"))
        n = binary(p, "**", line, n, parse_unary(p));
    return p->failed ? NULL : n;
}

static struct node *parse_unary(struct parser *p)
{
    struct node *n;

    if (p->failed)
        return NULL;
    if (!parse_at_op(p, "-") && !parse_at_op(p, "+") && !parse_at_op(p, "~"))
        return parse_power(p);
    if (!parse_enter(p, DEEP))
        return NULL;
    n = parse_new_node(p, NODE_UNARY, p->token.line);
    n->op = p->token.text;
    parse_advance(p);
    n->a = parse_unary(p);
    p->depth--;
    return n->a ? n : NULL;
}

/* A chain of operators of one precedence, joined from the left. */
static struct node *parse_chain(struct parser *p, const char *const *ops,
                                struct node *(*operand)(struct parser *))
{
    struct node *n = operand(p);

    while (n) {
        const char *op = NULL;
        unsigned int line = p->token.line;

        for (size_t i = 0; ops[i] && !op; i++)
            if (parse_at_op(p, ops[i]))
                op = ops[i];
        if (!op)
            break;
        parse_advance(p);
        n = binary(p, op, line, n, operand(p));
    }
    return p->failed ? NULL : n;
}

static struct node *parse_term(struct parser *p)
{
    static const char *const ops[] = {"*", "/", "//", "%", NULL};

    return parse_chain(p, ops, parse_unary);
}

static struct node *parse_sum(struct parser *p)
{
    static const char *const ops[] = {"+", "-", NULL};

    return parse_chain(p, ops, parse_term);
}

static struct node *parse_shift(struct parser *p)
{
    static const char *const ops[] = {"<<", ">>", NULL};

    return parse_chain(p, ops, parse_sum);
}

static struct node *parse_bit_and(struct parser *p)
{
    static const char *const ops[] = {"&", NULL};

    return parse_chain(p, ops, parse_shift);
}

static struct node *parse_bit_xor(struct parser *p)
{
    static const char *const ops[] = {"^", NULL};

    return parse_chain(p, ops, parse_bit_and);
}

static struct node *parse_bit_or(struct parser *p)
{
    static const char *const ops[] = {"|", NULL};

    return parse_chain(p, ops, parse_bit_xor);
}

static const char *comparison_operator(struct parser *p)
{
    static const char *const ops[] = {"==", "!=", "<>", "<", "<=", ">", ">=", NULL};

    for (size_t i = 0; ops[i]; i++)
        if (parse_accept_op(p, ops[i]))
            return strcmp(ops[i], "<>") == 0 ? "!=" : ops[i];
    if (parse_accept_name(p, "in"))
        return "in";
    if (parse_accept_name(p, "is"))
        return parse_accept_name(p, "not") ? "!=" : "==";
    if (parse_accept_name(p, "not")) {
        if (!parse_accept_name(p, "in"))
            PARSE_FAIL(p, "'in' expected after 'not', found %s", parse_here(p));
        return "not in";
    }
    return NULL;
}

/* a < b < c is a < b and b < c. */
static struct node *parse_comparison(struct parser *p)
{
    struct node *left = parse_bit_or(p), *all = left;

    while (left) {
        unsigned int line = p->token.line;
        const char *op = comparison_operator(p);
        struct node *right, *outer;

        if (!op)
            break;
        right = parse_bit_or(p);
        outer = binary(p, op, line, left, right);
        if (outer && all != left) {
            struct node *both = parse_new_node(p, NODE_AND, line);

            both->a = all;
            both->b = outer;
            outer = both;
        }
        all = outer;
        left = right;
    }
    return p->failed ? NULL : all;
}

static struct node *parse_not(struct parser *p)
{
    struct node *n;

    if (!parse_at_name(p, "not"))
        return parse_comparison(p);
    if (!parse_enter(p, DEEP))
        return NULL;
    n = parse_new_node(p, NODE_UNARY, p->token.line);
    n->op = "not";
    parse_advance(p);
    n->a = parse_not(p);
    p->depth--;
    return n->a ? n : NULL;
}

static struct node *parse_logic(struct parser *p, const char *word, enum node_kind kind,
                                struct node *(*operand)(struct parser *))
{
    struct node *n = operand(p);

    while (n && parse_at_name(p, word)) {
        struct node *outer = parse_new_node(p, kind, p->token.line);

        parse_advance(p);
        outer->a = n;
        outer->b = operand(p);
        n = outer->b ? outer : NULL;
    }
    return p->failed ? NULL : n;
}

static struct node *parse_and(struct parser *p)
{
    return parse_logic(p, "and", NODE_AND, parse_not);
}

struct node *parse_expression(struct parser *p)
{
    struct node *n, *outer;

    if (p->failed || !parse_enter(p, DEEP))
        return NULL;
    n = parse_logic(p, "or", NODE_OR, parse_and);
    if (n && parse_at_name(p, "if")) {
        outer = parse_new_node(p, NODE_CONDITIONAL, p->token.line);
        parse_advance(p);
        outer->b = n;
        outer->a = parse_logic(p, "or", NODE_OR, parse_and);
        if (outer->a && !parse_accept_name(p, "else"))
            PARSE_FAIL(p, "'else' expected after 'VALUE if CONDITION', found %s", parse_here(p));
        outer->c = parse_expression(p);
        n = outer;
    }
    p->depth--;
    return p->failed ? NULL : n;
}

/* More items behind a first one and a comma make it a tuple. */
static struct node *parse_comma_list(struct parser *p, struct node *(*item)(struct parser *))
{
    struct node *n = item(p);
    struct node *tuple;

    if (!n || !parse_at_op(p, ","))
        return n;
    tuple = parse_new_node(p, NODE_TUPLE, n->line);
    parse_append(&tuple->items, n);
    while (parse_accept_op(p, ",") && p->token.kind != TOKEN_NEWLINE && !parse_at_op(p, ";") &&
           !parse_at_op(p, "=") && !parse_at_name(p, "in")) {
        n = item(p);
        if (!n)
            return NULL;
        parse_append(&tuple->items, n);
    }
    return p->failed ? NULL : tuple;
}

struct node *parse_value(struct parser *p)
{
    return parse_comma_list(p, parse_expression);
}

struct node *parse_targets(struct parser *p)
{
    return parse_comma_list(p, parse_postfix);
}
