/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * scope.h - what a config file has while it runs: its variables, and the budget of steps,
 * memory and depth that ends a hostile file. Whoever does work that a file decides charges
 * for it here first.
 */
#pragma once

#include <errno.h>

#include "base/arena.h"
#include "base/err.h"
#include "config/value.h"

#define SCOPE_MAX_MEMORY (24u << 20) /* bytes of tree and values */
#define SCOPE_MAX_STEPS 300000u
#define SCOPE_MAX_DEPTH 1500 /* of expressions in expressions, through calls, too */
#define SCOPE_MAX_CALLS 60   /* of functions in functions */
#define SCOPE_MAX_PRINTED 100
#define SCOPE_BUCKETS 64

struct variable {
    const char *name;
    const struct value *value; /* NULL = deleted */
    unsigned int line;         /* of its last assignment; 0 = given from outside */
    bool used;                 /* read by the file itself */
    struct variable *next;     /* in order of first assignment */
    struct variable *next_in_bucket;
};

struct variables {
    struct variable *first, *last;
    size_t count;
    struct variable *buckets[SCOPE_BUCKETS];
};

/* What a statement asks of those around it. */
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN };

/* A variable that xm_vars.var() declared. */
struct declared {
    const char *name, *use;
    const struct value *check; /* a function, or NULL */
    struct declared *next;
};

struct scope {
    struct arena *arena;
    const char *file; /* for messages */
    struct variables globals;
    struct variables *locals; /* NULL outside functions */
    enum flow flow;
    const struct value *result; /* FLOW_RETURN */
    const char *raised;         /* "CLASS: message" of a `raise` under way, else NULL */
    bool exhausted;             /* a limit was reached: not for `except` */
    unsigned int depth, calls, steps;
    struct declared *declared;
    const char *printed[SCOPE_MAX_PRINTED]; /* lines of `print` */
    size_t nr_printed;
};

/* A variable that a name means here, or NULL: of the function, else of the file. */
struct variable *scope_find(const struct scope *s, const char *name);
/* Assign in the innermost scope. 0, or -EINVAL when there are too many variables. */
int scope_set(struct scope *s, const char *name, const struct value *value, unsigned int line,
              struct err *err) MUST_CHECK;

/* err becomes "FILE:LINE: message". */
void scope_error(const struct scope *s, unsigned int line, struct err *err, const char *fmt, ...)
    PRINTF_FMT(4, 5);
/* The same as a value to be returned: -EINVAL, which whoever reads the caller can see. */
#define scope_fail(...) (scope_error(__VA_ARGS__), -EINVAL)
/* Count n steps. 0, or -EINVAL when the file has had enough of them or of memory. */
int scope_charge(struct scope *s, unsigned int line, size_t n, struct err *err) MUST_CHECK;
/* The same for the work that reading this value takes. */
int scope_charge_value(struct scope *s, unsigned int line, const struct value *v,
                       struct err *err) MUST_CHECK;
/* A value of that size is about to be made. */
int scope_check_size(struct scope *s, unsigned int line, size_t size, struct err *err) MUST_CHECK;
