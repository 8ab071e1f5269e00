/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * eval.h - runs a parsed config: assignments, conditions and the few functions that config
 * files call. Nothing of the host is changed and no program is run by it.
 */
#pragma once

#include "base/err.h"
#include "config/ast.h"

struct variable {
    const char *name;
    const struct value *value;
    unsigned int line; /* of its last assignment; 0 = given from outside */
    bool used;         /* read by the file itself */
    struct variable *next;
};

struct scope {
    struct arena *arena;
    const char *file; /* for messages */
    struct variable *first, *last;
    unsigned int depth;
};

/* The variable, or NULL. */
struct variable *scope_find(const struct scope *s, const char *name);
void scope_set(struct scope *s, const char *name, const struct value *value, unsigned int line);

/* 0, or -EINVAL with "FILE:LINE: message". */
int eval_statements(struct scope *s, const struct node_list *statements,
                    struct err *err) MUST_CHECK;
int eval_expression(struct scope *s, const struct node *n, const struct value **ret,
                    struct err *err) MUST_CHECK;

/* For builtins.c: err with place, -EINVAL; and the budget for values of a given size. */
int eval_fail(const struct scope *s, unsigned int line, struct err *err, const char *fmt, ...)
    PRINTF_FMT(4, 5);
int eval_check_size(const struct scope *s, unsigned int line, size_t size,
                    struct err *err) MUST_CHECK;
