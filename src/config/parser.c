/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parser.c - see parser.h. Recursive descent with one token of look-ahead; every function
 * that builds an expression returns NULL after an error, which p->err then holds.
 */
#include "config/parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/lexer.h"

#define MAX_DEPTH 100 /* of nested expressions and blocks */

struct parser {
    struct arena *arena;
    struct lexer lexer;
    struct token token;
    struct err *err;
    unsigned int depth;
    bool failed;
};

static struct node *parse_expression(struct parser *p);
static bool parse_statement(struct parser *p, struct node_list *out);

static void *PRINTF_FMT(3, 4) fail_at(struct parser *p, unsigned int line, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (p->failed)
        return NULL;
    p->failed = true;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_set(p->err, EINVAL, "%s:%u: %s", p->lexer.file, line, text);
    return NULL;
}

#define FAIL(p, ...) fail_at(p, (p)->token.line, __VA_ARGS__)

static bool advance(struct parser *p)
{
    if (p->failed)
        return false;
    if (lexer_next(&p->lexer, &p->token, p->err) < 0)
        p->failed = true;
    return !p->failed;
}

static struct node *new_node(struct parser *p, enum node_kind kind, unsigned int line)
{
    struct node *n = arena_alloc(p->arena, sizeof(*n));

    n->kind = kind;
    n->line = line;
    return n;
}

static void append(struct node_list *list, struct node *n)
{
    if (list->last)
        list->last->next = n;
    else
        list->first = n;
    list->last = n;
    list->count++;
}

static bool at_op(const struct parser *p, const char *op)
{
    return !p->failed && p->token.kind == TOKEN_OP && strcmp(p->token.text, op) == 0;
}

static bool at_name(const struct parser *p, const char *name)
{
    return !p->failed && p->token.kind == TOKEN_NAME && strcmp(p->token.text, name) == 0;
}

static bool accept_op(struct parser *p, const char *op)
{
    return at_op(p, op) && advance(p);
}

static bool accept_name(struct parser *p, const char *name)
{
    return at_name(p, name) && advance(p);
}

/* What stands here, for messages. */
static const char *here(struct parser *p)
{
    switch (p->token.kind) {
    case TOKEN_END:
        return "the end of the file";
    case TOKEN_NEWLINE:
        return "the end of the line";
    case TOKEN_INDENT:
        return "an indented line";
    case TOKEN_DEDENT:
        return "the end of the indented block";
    case TOKEN_STRING:
        return "a string";
    case TOKEN_NAME:
    case TOKEN_INT:
    case TOKEN_OP:
        break;
    }
    return arena_printf(p->arena, "'%s'", p->token.text);
}

static bool expect_op(struct parser *p, const char *op, const char *where)
{
    if (!at_op(p, op)) {
        FAIL(p, "'%s' expected %s, found %s", op, where, here(p));
        return false;
    }
    return advance(p);
}

static bool is_keyword(const char *name)
{
    static const char *const words[] = {
        "and",    "or",     "not",     "in",    "is",       "if",     "else",  "elif",
        "import", "from",   "pass",    "for",   "while",    "def",    "class", "try",
        "with",   "lambda", "return",  "del",   "raise",    "global", "exec",  "assert",
        "yield",  "except", "finally", "break", "continue", "print"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(name, words[i]) == 0)
            return true;
    return false;
}

/* Items up to a closing bracket that is the current token's job; a trailing comma is fine. */
static bool parse_items(struct parser *p, struct node_list *items, const char *close)
{
    while (!at_op(p, close)) {
        struct node *item = parse_expression(p);

        if (!item)
            return false;
        append(items, item);
        if (!accept_op(p, ","))
            break;
    }
    if (!at_op(p, close)) {
        FAIL(p, "',' or '%s' expected, found %s", close, here(p));
        return false;
    }
    return advance(p);
}

static struct node *parse_string(struct parser *p)
{
    struct node *n = new_node(p, NODE_CONSTANT, p->token.line);
    const char *text = p->token.text;
    size_t len = p->token.len;

    while (advance(p) && p->token.kind == TOKEN_STRING) {
        text = arena_printf(p->arena, "%s%s", text, p->token.text);
        len += p->token.len;
        if (len > 1u << 20 || arena_used(p->arena) > 64u << 20)
            return FAIL(p, "this string is too long");
    }
    n->value = value_string(p->arena, text, len);
    return p->failed ? NULL : n;
}

static struct node *parse_bracketed(struct parser *p)
{
    struct node *n = new_node(p, NODE_LIST, p->token.line);

    if (accept_op(p, "["))
        return parse_items(p, &n->items, "]") ? n : NULL;
    advance(p); /* ( */
    n->kind = NODE_TUPLE;
    if (at_op(p, ")"))
        return advance(p) ? n : NULL;
    append(&n->items, parse_expression(p));
    if (p->failed)
        return NULL;
    if (accept_op(p, ")"))
        return n->items.first;
    if (!expect_op(p, ",", "or ')'"))
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
    if (at_op(p, "(") || at_op(p, "["))
        return parse_bracketed(p);
    if (at_op(p, "{"))
        return FAIL(p, "dictionaries ({...}) are not supported in config files");
    n = new_node(p, NODE_CONSTANT, p->token.line);
    if (p->token.kind == TOKEN_INT) {
        n->value = value_int(p->arena, p->token.integer);
    } else if (at_name(p, "None")) {
        n->value = value_none();
    } else if (at_name(p, "True") || at_name(p, "False")) {
        n->value = value_bool(at_name(p, "True"));
    } else if (p->token.kind == TOKEN_NAME && !is_keyword(p->token.text)) {
        n->kind = NODE_NAME;
        n->name = p->token.text;
    } else {
        return FAIL(p, "a value is expected, found %s", here(p));
    }
    return advance(p) ? n : NULL;
}

static struct node *parse_subscript(struct parser *p, struct node *object)
{
    struct node *n = new_node(p, NODE_INDEX, p->token.line);

    n->a = object;
    advance(p); /* [ */
    if (!at_op(p, ":")) {
        n->b = parse_expression(p);
        if (!n->b)
            return NULL;
    }
    if (accept_op(p, ":")) {
        n->kind = NODE_SLICE;
        if (!at_op(p, "]")) {
            n->c = parse_expression(p);
            if (!n->c)
                return NULL;
        }
    }
    return expect_op(p, "]", "after the index") ? n : NULL;
}

static struct node *parse_postfix(struct parser *p)
{
    struct node *n = parse_atom(p);

    while (n && !p->failed) {
        struct node *outer;

        if (at_op(p, "[")) {
            n = parse_subscript(p, n);
            continue;
        }
        if (!at_op(p, "(") && !at_op(p, "."))
            break;
        outer = new_node(p, at_op(p, "(") ? NODE_CALL : NODE_ATTRIBUTE, p->token.line);
        outer->a = n;
        advance(p);
        if (outer->kind == NODE_CALL) {
            n = parse_items(p, &outer->items, ")") ? outer : NULL;
            continue;
        }
        if (p->token.kind != TOKEN_NAME)
            return FAIL(p, "a name is expected after '.', found %s", here(p));
        outer->name = p->token.text;
        advance(p);
        n = outer;
    }
    return p->failed ? NULL : n;
}

static struct node *parse_unary(struct parser *p)
{
    struct node *n;

    if (!at_op(p, "-") && !at_op(p, "+"))
        return parse_postfix(p);
    if (++p->depth > MAX_DEPTH)
        return FAIL(p, "this expression is nested too deeply");
    n = new_node(p, NODE_UNARY, p->token.line);
    n->op = p->token.text;
    advance(p);
    n->a = parse_unary(p);
    p->depth--;
    return n->a ? n : NULL;
}

static struct node *binary(struct parser *p, const char *op, unsigned int line, struct node *a,
                           struct node *b)
{
    struct node *n = new_node(p, NODE_BINARY, line);

    n->op = op;
    n->a = a;
    n->b = b;
    return b ? n : NULL;
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
            if (at_op(p, ops[i]))
                op = ops[i];
        if (!op)
            break;
        advance(p);
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

static const char *comparison_operator(struct parser *p)
{
    static const char *const ops[] = {"==", "!=", "<>", "<", "<=", ">", ">=", NULL};

    for (size_t i = 0; ops[i]; i++)
        if (accept_op(p, ops[i]))
            return strcmp(ops[i], "<>") == 0 ? "!=" : ops[i];
    if (accept_name(p, "in"))
        return "in";
    if (accept_name(p, "is"))
        return accept_name(p, "not") ? "!=" : "==";
    if (accept_name(p, "not")) {
        if (!accept_name(p, "in"))
            FAIL(p, "'in' expected after 'not', found %s", here(p));
        return "not in";
    }
    return NULL;
}

static struct node *parse_comparison(struct parser *p)
{
    struct node *n = parse_sum(p);
    unsigned int line = p->token.line;
    const char *op = n ? comparison_operator(p) : NULL;

    if (op)
        n = binary(p, op, line, n, parse_sum(p));
    return p->failed ? NULL : n;
}

static struct node *parse_not(struct parser *p)
{
    struct node *n;

    if (!at_name(p, "not"))
        return parse_comparison(p);
    if (++p->depth > MAX_DEPTH)
        return FAIL(p, "this expression is nested too deeply");
    n = new_node(p, NODE_UNARY, p->token.line);
    n->op = "not";
    advance(p);
    n->a = parse_not(p);
    p->depth--;
    return n->a ? n : NULL;
}

static struct node *parse_logic(struct parser *p, const char *word, enum node_kind kind,
                                struct node *(*operand)(struct parser *))
{
    struct node *n = operand(p);

    while (n && at_name(p, word)) {
        struct node *outer = new_node(p, kind, p->token.line);

        advance(p);
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

static struct node *parse_expression(struct parser *p)
{
    struct node *n, *outer;

    if (p->failed)
        return NULL;
    if (++p->depth > MAX_DEPTH)
        return FAIL(p, "this expression is nested too deeply");
    n = parse_logic(p, "or", NODE_OR, parse_and);
    if (n && at_name(p, "if")) {
        outer = new_node(p, NODE_CONDITIONAL, p->token.line);
        advance(p);
        outer->b = n;
        outer->a = parse_logic(p, "or", NODE_OR, parse_and);
        if (outer->a && !accept_name(p, "else"))
            FAIL(p, "'else' expected after 'VALUE if CONDITION', found %s", here(p));
        outer->c = parse_expression(p);
        n = outer;
    }
    p->depth--;
    return p->failed ? NULL : n;
}

/* A value as it stands behind '=': `a, b` is a tuple. */
static struct node *parse_value(struct parser *p)
{
    struct node *n = parse_expression(p);
    struct node *tuple;

    if (!n || !at_op(p, ","))
        return n;
    tuple = new_node(p, NODE_TUPLE, n->line);
    append(&tuple->items, n);
    while (accept_op(p, ",") && p->token.kind != TOKEN_NEWLINE && !at_op(p, ";")) {
        n = parse_expression(p);
        if (!n)
            return NULL;
        append(&tuple->items, n);
    }
    return p->failed ? NULL : tuple;
}

/* a or a.b.c */
static const char *parse_dotted(struct parser *p)
{
    const char *name = p->token.text;

    if (p->token.kind != TOKEN_NAME || is_keyword(name))
        return FAIL(p, "a name is expected, found %s", here(p));
    advance(p);
    while (accept_op(p, ".")) {
        if (p->token.kind != TOKEN_NAME)
            return FAIL(p, "a name is expected after '.', found %s", here(p));
        name = arena_printf(p->arena, "%s.%s", name, p->token.text);
        advance(p);
    }
    return name;
}

static bool parse_import(struct parser *p, struct node_list *out)
{
    bool from = at_name(p, "from");
    unsigned int line = p->token.line;
    const char *module = NULL;

    advance(p);
    if (from) {
        module = parse_dotted(p);
        if (module && !accept_name(p, "import"))
            FAIL(p, "'import' expected, found %s", here(p));
    }
    do {
        struct node *n = new_node(p, from ? NODE_FROM : NODE_IMPORT, line);

        if (from && at_op(p, "*")) {
            FAIL(p, "'from %s import *' is not supported; import %s instead", module, module);
            return false;
        }
        n->name = from ? module : parse_dotted(p);
        n->text = from ? parse_dotted(p) : n->name;
        if (accept_name(p, "as"))
            FAIL(p, "'import ... as ...' is not supported in config files");
        append(out, n);
    } while (accept_op(p, ","));
    return !p->failed;
}

static bool parse_assignment_or_expression(struct parser *p, struct node_list *out)
{
    static const char *const ops[] = {"=", "+=", "-="};
    struct node *n = new_node(p, NODE_EXPR, p->token.line);
    struct node *target = parse_value(p);

    if (!target)
        return false;
    n->a = target;
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (!at_op(p, ops[i]))
            continue;
        if (target->kind != NODE_NAME) {
            FAIL(p, "only a name can stand before '%s'", ops[i]);
            return false;
        }
        advance(p);
        n->kind = NODE_ASSIGN;
        n->name = target->name;
        n->op = ops[i];
        n->a = parse_value(p);
        if (at_op(p, "="))
            FAIL(p, "several '=' in one statement are not supported");
        break;
    }
    append(out, n);
    return !p->failed;
}

static bool is_unsupported(const char *word)
{
    static const char *const words[] = {"for",    "while",  "def",    "class", "try",
                                        "with",   "lambda", "return", "del",   "raise",
                                        "global", "exec",   "assert", "yield"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool parse_simple(struct parser *p, struct node_list *out)
{
    if (p->token.kind == TOKEN_NAME && is_unsupported(p->token.text)) {
        FAIL(p,
             "'%s' is Python that config files cannot use here; nothing in a config is run as "
             "a program",
             p->token.text);
        return false;
    }
    if (at_name(p, "import") || at_name(p, "from"))
        return parse_import(p, out);
    if (accept_name(p, "pass"))
        return true;
    if (accept_name(p, "print")) { /* checked, then ignored */
        if (p->token.kind == TOKEN_NEWLINE)
            return true;
    }
    return parse_assignment_or_expression(p, out);
}

/* Statements on one line, separated by ';', with the line's end. */
static bool parse_line(struct parser *p, struct node_list *out)
{
    do {
        if (p->token.kind == TOKEN_NEWLINE)
            break;
        if (!parse_simple(p, out))
            return false;
    } while (accept_op(p, ";"));
    if (p->failed)
        return false;
    if (p->token.kind != TOKEN_NEWLINE) {
        if (at_op(p, ":"))
            FAIL(p, "':' has no meaning here");
        else
            FAIL(p, "the end of the line is expected, found %s%s", here(p),
                 p->token.kind == TOKEN_NAME ? " (text needs quotes)" : "");
        return false;
    }
    return advance(p);
}

static bool parse_block(struct parser *p, struct node_list *out, const char *of)
{
    if (!expect_op(p, ":", arena_printf(p->arena, "after '%s'", of)))
        return false;
    if (p->token.kind != TOKEN_NEWLINE)
        return parse_line(p, out);
    advance(p);
    if (!p->failed && p->token.kind != TOKEN_INDENT) {
        FAIL(p, "expected an indented block after '%s'; put blanks before this line", of);
        return false;
    }
    advance(p);
    while (!p->failed && p->token.kind != TOKEN_DEDENT && p->token.kind != TOKEN_END)
        if (!parse_statement(p, out))
            return false;
    return p->token.kind == TOKEN_END || advance(p);
}

/* From `if` or `elif` on. */
static bool parse_if(struct parser *p, struct node_list *out)
{
    struct node *n = new_node(p, NODE_IF, p->token.line);
    const char *word = p->token.text;
    bool ok;

    if (++p->depth > MAX_DEPTH) {
        FAIL(p, "too many levels of 'if'");
        return false;
    }
    advance(p);
    n->a = parse_expression(p);
    if (at_op(p, "="))
        FAIL(p, "'=' assigns; comparing is '=='");
    ok = n->a && parse_block(p, &n->body, word);
    if (ok && at_name(p, "elif"))
        ok = parse_if(p, &n->orelse);
    else if (ok && accept_name(p, "else"))
        ok = parse_block(p, &n->orelse, "else");
    append(out, n);
    p->depth--;
    return ok && !p->failed;
}

static bool parse_statement(struct parser *p, struct node_list *out)
{
    if (p->failed)
        return false;
    if (p->token.kind == TOKEN_INDENT) {
        FAIL(p, "this line is indented for no reason; remove the blanks before it");
        return false;
    }
    if (at_name(p, "if"))
        return parse_if(p, out);
    if (at_name(p, "else") || at_name(p, "elif")) {
        FAIL(p, "'%s' without 'if'", p->token.text);
        return false;
    }
    return parse_line(p, out);
}

static bool parser_init(struct parser *p, struct arena *arena, const char *file, const char *text,
                        size_t len, struct err *err)
{
    memset(p, 0, sizeof(*p));
    p->arena = arena;
    p->err = err;
    lexer_init(&p->lexer, arena, file, text, len);
    return advance(p);
}

int parser_parse_file(struct node_list *ret, struct arena *arena, const char *file,
                      const char *text, size_t len, struct err *err)
{
    struct parser p;

    memset(ret, 0, sizeof(*ret));
    parser_init(&p, arena, file, text, len, err);
    while (!p.failed && p.token.kind != TOKEN_END)
        parse_statement(&p, ret);
    return p.failed ? -EINVAL : 0;
}

int parser_parse_expression(struct node **ret, struct arena *arena, const char *file,
                            const char *text, size_t len, struct err *err)
{
    struct parser p;
    struct node *n = NULL;

    if (parser_init(&p, arena, file, text, len, err))
        n = parse_value(&p);
    if (n && p.token.kind != TOKEN_NEWLINE)
        fail_at(&p, p.token.line, "the end is expected, found %s", here(&p));
    *ret = n;
    return p.failed ? -EINVAL : 0;
}
