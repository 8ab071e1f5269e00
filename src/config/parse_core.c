/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parse_core.c - see parse_core.h.
 */
#include "config/parse_core.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/scope.h"

bool parse_init(struct parser *p, struct arena *arena, const char *file, const char *text,
                size_t len, struct err *err)
{
    memset(p, 0, sizeof(*p));
    p->arena = arena;
    p->err = err;
    lexer_init(&p->lexer, arena, file, text, len);
    return parse_advance(p);
}

void *parse_fail_at(struct parser *p, unsigned int line, const char *fmt, ...)
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

bool parse_advance(struct parser *p)
{
    if (p->failed)
        return false;
    if (arena_used(p->arena) > SCOPE_MAX_MEMORY)
        PARSE_FAIL(p, "this file is too large");
    else if (lexer_next(&p->lexer, &p->token, p->err) < 0)
        p->failed = true;
    return !p->failed;
}

bool parse_at_op(const struct parser *p, const char *op)
{
    return !p->failed && p->token.kind == TOKEN_OP && strcmp(p->token.text, op) == 0;
}

bool parse_at_name(const struct parser *p, const char *name)
{
    return !p->failed && p->token.kind == TOKEN_NAME && strcmp(p->token.text, name) == 0;
}

bool parse_accept_op(struct parser *p, const char *op)
{
    return parse_at_op(p, op) && parse_advance(p);
}

bool parse_accept_name(struct parser *p, const char *name)
{
    return parse_at_name(p, name) && parse_advance(p);
}

bool parse_expect_op(struct parser *p, const char *op, const char *where)
{
    if (!parse_at_op(p, op)) {
        PARSE_FAIL(p, "'%s' expected %s, found %s", op, where, parse_here(p));
        return false;
    }
    return parse_advance(p);
}

const char *parse_here(struct parser *p)
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
    case TOKEN_FLOAT:
    case TOKEN_OP:
        break;
    }
    return arena_printf(p->arena, "'%s'", p->token.text);
}

bool parse_is_keyword(const char *name)
{
    static const char *const words[] = {
        "and",    "or",     "not",      "in",     "is",    "if",     "else",  "elif",
        "import", "from",   "pass",     "for",    "while", "def",    "class", "try",
        "with",   "return", "lambda",   "del",    "raise", "global", "exec",  "assert",
        "yield",  "break",  "continue", "except", "print", "finally"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(name, words[i]) == 0)
            return true;
    return false;
}

struct node *parse_new_node(struct parser *p, enum node_kind kind, unsigned int line)
{
    struct node *n = arena_alloc(p->arena, sizeof(*n));

    n->kind = kind;
    n->line = line;
    return n;
}

void parse_append(struct node_list *list, struct node *n)
{
    if (list->last)
        list->last->next = n;
    else
        list->first = n;
    list->last = n;
    list->count++;
}

bool parse_enter(struct parser *p, const char *what)
{
    if (++p->depth <= PARSE_MAX_DEPTH)
        return true;
    PARSE_FAIL(p, "%s nested too deeply", what);
    return false;
}
