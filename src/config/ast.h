/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ast.h - syntax tree of a config file. Nodes live in the config's arena.
 */
#pragma once

#include "config/value.h"

enum node_kind {
    /* expressions */
    NODE_CONSTANT,    /* value */
    NODE_NAME,        /* name */
    NODE_LIST,        /* items */
    NODE_TUPLE,       /* items */
    NODE_DICT,        /* items: key, value, key, value, ... */
    NODE_UNARY,       /* op, a */
    NODE_BINARY,      /* op, a, b: arithmetic and comparison */
    NODE_AND,         /* a, b */
    NODE_OR,          /* a, b */
    NODE_CONDITIONAL, /* b if a else c */
    NODE_CALL,        /* a(items), some of them KEYWORDs */
    NODE_KEYWORD,     /* name=a, in a call only */
    NODE_ATTRIBUTE,   /* a.name */
    NODE_INDEX,       /* a[b] */
    NODE_SLICE,       /* a[b:c], b and c may be NULL */
    /* statements */
    NODE_ASSIGN, /* items (targets) op a; op "=", "+=" ... */
    NODE_EXPR,   /* a, for its errors only */
    NODE_PRINT,  /* items */
    NODE_DELETE, /* items (targets) */
    NODE_IMPORT, /* import name as text */
    NODE_FROM,   /* from name import text */
    NODE_IF,     /* if a: body else: orelse */
    NODE_WHILE,  /* while a: body else: orelse */
    NODE_FOR,    /* for a in b: body else: orelse */
    NODE_DEF,    /* def name(items): body; items are NAMEs with their default in a */
    NODE_RETURN, /* a or NULL */
    NODE_RAISE,  /* a, b or NULL */
    NODE_ASSERT, /* a, b or NULL */
    NODE_TRY,    /* try: body, items are the EXCEPTs, else: orelse */
    NODE_EXCEPT, /* except a as name: body; both may be NULL */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_PASS,
};

struct node {
    enum node_kind kind;
    unsigned int line;
    const char *op;   /* operator text; "not in" as one */
    const char *name; /* identifiers */
    const char *text;
    const struct value *value;
    struct node *a, *b, *c;

    struct node_list {
        struct node *first, *last; /* linked by next */
        size_t count;
    } items, body, orelse;
    struct node *next;
};
