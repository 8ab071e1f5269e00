/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parse_core.h - what the parser's halves (parse_expr.c, parser.c) share: one token of
 * look-ahead, and an error after which nothing more is read. Every function that builds a
 * part of the tree returns NULL or false after an error, which p->err then holds.
 */
#pragma once

#include "base/err.h"
#include "config/ast.h"
#include "config/lexer.h"

#define PARSE_MAX_DEPTH 100 /* of nested expressions and blocks */

struct parser {
    struct arena *arena;
    struct lexer lexer;
    struct token token;
    struct err *err;
    unsigned int depth;
    unsigned int loops, functions; /* that enclose this place */
    bool failed;
};

bool parse_init(struct parser *p, struct arena *arena, const char *file, const char *text,
                size_t len, struct err *err);

/* Note the first error, as "FILE:LINE: message"; returns NULL. */
void *parse_fail_at(struct parser *p, unsigned int line, const char *fmt, ...) PRINTF_FMT(3, 4);
#define PARSE_FAIL(p, ...) parse_fail_at(p, (p)->token.line, __VA_ARGS__)

bool parse_advance(struct parser *p);
bool parse_at_op(const struct parser *p, const char *op);
bool parse_at_name(const struct parser *p, const char *name);
/* Go on if that is what stands here. */
bool parse_accept_op(struct parser *p, const char *op);
bool parse_accept_name(struct parser *p, const char *name);
/* `where` continues the sentence "'OP' expected ...". */
bool parse_expect_op(struct parser *p, const char *op, const char *where);
/* What stands here, for messages. */
const char *parse_here(struct parser *p);
bool parse_is_keyword(const char *name);

struct node *parse_new_node(struct parser *p, enum node_kind kind, unsigned int line);
void parse_append(struct node_list *list, struct node *n);

/* Count a level of nesting; leave it with p->depth--. */
bool parse_enter(struct parser *p, const char *what);
