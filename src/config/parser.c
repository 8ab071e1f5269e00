/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parser.c - see parser.h. Statements and blocks; expressions are in parse_expr.c.
 */
#include "config/parser.h"

#include <errno.h>
#include <string.h>

#include "config/parse_expr.h"

static bool parse_statement(struct parser *p, struct node_list *out);

static bool at_line_end(const struct parser *p)
{
    return p->token.kind == TOKEN_NEWLINE || parse_at_op(p, ";");
}

/* a or a.b.c */
static const char *parse_dotted(struct parser *p)
{
    const char *name = p->token.text;

    if (p->token.kind != TOKEN_NAME || parse_is_keyword(name))
        return PARSE_FAIL(p, "a name is expected, found %s", parse_here(p));
    parse_advance(p);
    while (parse_accept_op(p, ".")) {
        if (p->token.kind != TOKEN_NAME)
            return PARSE_FAIL(p, "a name is expected after '.', found %s", parse_here(p));
        name = arena_printf(p->arena, "%s.%s", name, p->token.text);
        parse_advance(p);
    }
    return name;
}

static bool parse_import(struct parser *p, struct node_list *out)
{
    bool from = parse_at_name(p, "from");
    unsigned int line = p->token.line;
    const char *module = NULL;

    parse_advance(p);
    if (from) {
        module = parse_dotted(p);
        if (module && !parse_accept_name(p, "import"))
            PARSE_FAIL(p, "'import' expected, found %s", parse_here(p));
    }
    do {
        struct node *n = parse_new_node(p, from ? NODE_FROM : NODE_IMPORT, line);

        if (from && parse_at_op(p, "*")) {
            PARSE_FAIL(p, "'from %s import *' is not supported; import %s instead", module, module);
            return false;
        }
        n->name = from ? module : parse_dotted(p);
        n->text = from ? parse_dotted(p) : n->name;
        if (parse_accept_name(p, "as"))
            PARSE_FAIL(p, "'import ... as ...' is not supported in config files");
        parse_append(out, n);
    } while (parse_accept_op(p, ","));
    return !p->failed;
}

/* Can this stand before '='? */
static bool check_target(struct parser *p, const struct node *n, const char *before)
{
    if (n->kind == NODE_TUPLE || n->kind == NODE_LIST) {
        for (const struct node *item = n->items.first; item; item = item->next)
            if (!check_target(p, item, before))
                return false;
        return true;
    }
    if (n->kind == NODE_NAME || n->kind == NODE_INDEX)
        return true;
    PARSE_FAIL(p, "only a name or NAME[INDEX] can stand before '%s'", before);
    return false;
}

static const char *assignment_operator(struct parser *p)
{
    static const char *const ops[] = {"=", "+=", "-=", "*=", "/=", "%="};

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        if (parse_at_op(p, ops[i]))
            return ops[i];
    return NULL;
}

/* `a`, `a = value`, `a = b = value`, `a += value` */
static bool parse_assignment_or_expression(struct parser *p, struct node_list *out)
{
    struct node *n = parse_new_node(p, NODE_EXPR, p->token.line);
    const char *op;

    n->a = parse_value(p);
    while (n->a && (op = assignment_operator(p))) {
        if (!check_target(p, n->a, op))
            return false;
        if (n->op && (n->op[0] != '=' || op[0] != '=')) {
            PARSE_FAIL(p, "'%s' cannot follow '%s'", op, n->op);
            return false;
        }
        n->kind = NODE_ASSIGN;
        n->op = op;
        parse_append(&n->items, n->a);
        parse_advance(p);
        n->a = parse_value(p);
    }
    parse_append(out, n);
    return !p->failed;
}

static bool parse_print(struct parser *p, struct node_list *out)
{
    struct node *n = parse_new_node(p, NODE_PRINT, p->token.line);

    parse_advance(p);
    if (parse_at_op(p, ">>")) {
        PARSE_FAIL(p, "'print >>' is not supported in config files");
        return false;
    }
    while (!p->failed && !at_line_end(p)) {
        struct node *item = parse_expression(p);

        if (!item)
            return false;
        parse_append(&n->items, item);
        if (!parse_accept_op(p, ","))
            break;
    }
    parse_append(out, n);
    return !p->failed;
}

static bool parse_delete(struct parser *p, struct node_list *out)
{
    struct node *n = parse_new_node(p, NODE_DELETE, p->token.line);

    do {
        struct node *target;

        parse_advance(p);
        target = parse_expression(p);
        if (!target || !check_target(p, target, "del"))
            return false;
        parse_append(&n->items, target);
    } while (parse_at_op(p, ","));
    parse_append(out, n);
    return !p->failed;
}

/* return [value], raise [value[, value]], assert value[, value] */
static bool parse_with_values(struct parser *p, struct node_list *out, enum node_kind kind)
{
    struct node *n = parse_new_node(p, kind, p->token.line);

    if (kind == NODE_RETURN && p->functions == 0) {
        PARSE_FAIL(p, "'return' outside a function");
        return false;
    }
    parse_advance(p);
    if (!at_line_end(p) || kind == NODE_ASSERT)
        n->a = kind == NODE_RETURN ? parse_value(p) : parse_expression(p);
    if (n->a && parse_accept_op(p, ","))
        n->b = parse_expression(p);
    parse_append(out, n);
    return !p->failed;
}

static bool parse_word(struct parser *p, struct node_list *out, enum node_kind kind)
{
    if (kind != NODE_PASS && p->loops == 0) {
        PARSE_FAIL(p, "'%s' outside a loop", p->token.text);
        return false;
    }
    parse_append(out, parse_new_node(p, kind, p->token.line));
    return parse_advance(p);
}

static bool is_unsupported(const char *word)
{
    static const char *const words[] = {"class", "with", "global", "exec", "yield", "finally"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool parse_simple(struct parser *p, struct node_list *out)
{
    if (p->token.kind == TOKEN_NAME && is_unsupported(p->token.text)) {
        PARSE_FAIL(p, "'%s' is Python that config files cannot use here", p->token.text);
        return false;
    }
    if (parse_at_name(p, "import") || parse_at_name(p, "from"))
        return parse_import(p, out);
    if (parse_at_name(p, "print"))
        return parse_print(p, out);
    if (parse_at_name(p, "del"))
        return parse_delete(p, out);
    if (parse_at_name(p, "return"))
        return parse_with_values(p, out, NODE_RETURN);
    if (parse_at_name(p, "raise"))
        return parse_with_values(p, out, NODE_RAISE);
    if (parse_at_name(p, "assert"))
        return parse_with_values(p, out, NODE_ASSERT);
    if (parse_at_name(p, "pass"))
        return parse_word(p, out, NODE_PASS);
    if (parse_at_name(p, "break"))
        return parse_word(p, out, NODE_BREAK);
    if (parse_at_name(p, "continue"))
        return parse_word(p, out, NODE_CONTINUE);
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
    } while (parse_accept_op(p, ";"));
    if (p->failed)
        return false;
    if (p->token.kind != TOKEN_NEWLINE) {
        if (parse_at_op(p, ":"))
            PARSE_FAIL(p, "':' has no meaning here");
        else
            PARSE_FAIL(p, "the end of the line is expected, found %s%s", parse_here(p),
                       p->token.kind == TOKEN_NAME ? " (text needs quotes)" : "");
        return false;
    }
    return parse_advance(p);
}

static bool parse_block(struct parser *p, struct node_list *out, const char *of)
{
    if (!parse_expect_op(p, ":", arena_printf(p->arena, "after '%s'", of)))
        return false;
    if (p->token.kind != TOKEN_NEWLINE)
        return parse_line(p, out);
    parse_advance(p);
    if (!p->failed && p->token.kind != TOKEN_INDENT) {
        PARSE_FAIL(p, "expected an indented block after '%s'; put blanks before this line", of);
        return false;
    }
    parse_advance(p);
    while (!p->failed && p->token.kind != TOKEN_DEDENT && p->token.kind != TOKEN_END)
        if (!parse_statement(p, out))
            return false;
    return p->token.kind == TOKEN_END || parse_advance(p);
}

/* From `if` or `elif` on. */
static bool parse_if(struct parser *p, struct node_list *out)
{
    struct node *n = parse_new_node(p, NODE_IF, p->token.line);
    const char *word = p->token.text;
    bool ok;

    if (!parse_enter(p, "these blocks are"))
        return false;
    parse_advance(p);
    n->a = parse_expression(p);
    if (parse_at_op(p, "="))
        PARSE_FAIL(p, "'=' assigns; comparing is '=='");
    ok = n->a && parse_block(p, &n->body, word);
    if (ok && parse_at_name(p, "elif"))
        ok = parse_if(p, &n->orelse);
    else if (ok && parse_accept_name(p, "else"))
        ok = parse_block(p, &n->orelse, "else");
    parse_append(out, n);
    p->depth--;
    return ok && !p->failed;
}

/* `for a in b:` and `while a:`, with their `else`. */
static bool parse_loop(struct parser *p, struct node_list *out)
{
    bool is_for = parse_at_name(p, "for");
    struct node *n = parse_new_node(p, is_for ? NODE_FOR : NODE_WHILE, p->token.line);
    const char *word = p->token.text;
    bool ok;

    if (!parse_enter(p, "these blocks are"))
        return false;
    parse_advance(p);
    n->a = is_for ? parse_targets(p) : parse_expression(p);
    if (is_for && n->a && check_target(p, n->a, "in")) {
        if (!parse_accept_name(p, "in"))
            PARSE_FAIL(p, "'in' expected after 'for NAME', found %s", parse_here(p));
        n->b = parse_value(p);
    }
    p->loops++;
    ok = !p->failed && parse_block(p, &n->body, word);
    p->loops--;
    if (ok && parse_accept_name(p, "else"))
        ok = parse_block(p, &n->orelse, "else");
    parse_append(out, n);
    p->depth--;
    return ok && !p->failed;
}

static bool parse_parameters(struct parser *p, struct node_list *parameters)
{
    if (!parse_expect_op(p, "(", "after the function's name"))
        return false;
    while (!parse_at_op(p, ")")) {
        struct node *n = parse_new_node(p, NODE_NAME, p->token.line);

        n->name = p->token.text;
        if (p->token.kind != TOKEN_NAME || parse_is_keyword(n->name)) {
            PARSE_FAIL(p, "a parameter's name is expected, found %s", parse_here(p));
            return false;
        }
        parse_advance(p);
        if (parse_accept_op(p, "="))
            n->a = parse_expression(p);
        parse_append(parameters, n);
        if (p->failed || !parse_accept_op(p, ","))
            break;
    }
    return parse_expect_op(p, ")", "or ','");
}

static bool parse_def(struct parser *p, struct node_list *out)
{
    struct node *n = parse_new_node(p, NODE_DEF, p->token.line);
    unsigned int loops = p->loops;
    bool ok;

    if (!parse_enter(p, "these blocks are"))
        return false;
    parse_advance(p);
    n->name = p->token.text;
    if (p->token.kind != TOKEN_NAME || parse_is_keyword(n->name))
        PARSE_FAIL(p, "the function's name is expected after 'def', found %s", parse_here(p));
    parse_advance(p);
    p->functions++;
    p->loops = 0;
    ok = parse_parameters(p, &n->items) && parse_block(p, &n->body, "def");
    p->functions--;
    p->loops = loops;
    parse_append(out, n);
    p->depth--;
    return ok && !p->failed;
}

/* `except:`, `except A:`, `except A, e:`, `except A as e:`, `except (A, B):` */
static bool parse_except(struct parser *p, struct node_list *out)
{
    struct node *n = parse_new_node(p, NODE_EXCEPT, p->token.line);

    parse_advance(p);
    if (!parse_at_op(p, ":")) {
        n->a = parse_expression(p);
        if (parse_accept_op(p, ",") || parse_accept_name(p, "as")) {
            n->name = p->token.text;
            if (p->token.kind != TOKEN_NAME)
                PARSE_FAIL(p, "a name is expected, found %s", parse_here(p));
            parse_advance(p);
        }
    }
    parse_append(out, n);
    return !p->failed && parse_block(p, &n->body, "except");
}

static bool parse_try(struct parser *p, struct node_list *out)
{
    struct node *n = parse_new_node(p, NODE_TRY, p->token.line);
    bool ok;

    if (!parse_enter(p, "these blocks are"))
        return false;
    parse_advance(p);
    ok = parse_block(p, &n->body, "try");
    while (ok && parse_at_name(p, "except"))
        ok = parse_except(p, &n->items);
    if (ok && n->items.count == 0) {
        PARSE_FAIL(p, "'except' expected after the block of 'try', found %s", parse_here(p));
        ok = false;
    }
    if (ok && parse_accept_name(p, "else"))
        ok = parse_block(p, &n->orelse, "else");
    parse_append(out, n);
    p->depth--;
    return ok && !p->failed;
}

static bool parse_statement(struct parser *p, struct node_list *out)
{
    if (p->failed)
        return false;
    if (p->token.kind == TOKEN_INDENT) {
        PARSE_FAIL(p, "this line is indented for no reason; remove the blanks before it");
        return false;
    }
    if (parse_at_name(p, "if"))
        return parse_if(p, out);
    if (parse_at_name(p, "for") || parse_at_name(p, "while"))
        return parse_loop(p, out);
    if (parse_at_name(p, "def"))
        return parse_def(p, out);
    if (parse_at_name(p, "try"))
        return parse_try(p, out);
    if (parse_at_name(p, "else") || parse_at_name(p, "elif") || parse_at_name(p, "except")) {
        PARSE_FAIL(p, "'%s' without '%s'", p->token.text,
                   parse_at_name(p, "except") ? "try" : "if");
        return false;
    }
    return parse_line(p, out);
}

int parser_parse_file(struct node_list *ret, struct arena *arena, const char *file,
                      const char *text, size_t len, struct err *err)
{
    struct parser p;

    memset(ret, 0, sizeof(*ret));
    parse_init(&p, arena, file, text, len, err);
    while (!p.failed && p.token.kind != TOKEN_END)
        parse_statement(&p, ret);
    return p.failed ? -EINVAL : 0;
}

int parser_parse_expression(struct node **ret, struct arena *arena, const char *file,
                            const char *text, size_t len, struct err *err)
{
    struct parser p;
    struct node *n = NULL;

    if (parse_init(&p, arena, file, text, len, err))
        n = parse_value(&p);
    if (n && p.token.kind != TOKEN_NEWLINE)
        parse_fail_at(&p, p.token.line, "the end is expected, found %s", parse_here(&p));
    *ret = n;
    return p.failed ? -EINVAL : 0;
}
