/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * lexer.h - the config language's tokens, Python's lexical rules: line structure by newline
 * and indentation, none of it inside brackets, comments, string escapes.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/types.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NEWLINE,
    TOKEN_INDENT,
    TOKEN_DEDENT,
    TOKEN_NAME,
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_STRING, /* text/len: the value, escapes resolved */
    TOKEN_OP,     /* text: "==", "(", ... */
};

struct token {
    enum token_kind kind;
    unsigned int line;
    const char *text; /* NUL-terminated copy in the arena */
    size_t len;
    int64_t integer;
    double real;
};

#define LEXER_MAX_DEPTH 64 /* brackets and indentation */

struct lexer {
    struct arena *arena;
    const char *file; /* for messages */
    const char *at, *end;
    unsigned int line;
    bool line_start;
    unsigned int indents[LEXER_MAX_DEPTH];
    unsigned int nr_indents;
    unsigned int dedents_due;

    struct {
        char open;
        unsigned int line;
    } brackets[LEXER_MAX_DEPTH];

    unsigned int nr_brackets;
    bool ended;
};

/* text (borrowed) of len bytes; NULs in it are an error when met. */
void lexer_init(struct lexer *l, struct arena *arena, const char *file, const char *text,
                size_t len);
/* 0, or -EINVAL with "FILE:LINE: message". */
int lexer_next(struct lexer *l, struct token *ret, struct err *err) MUST_CHECK;
