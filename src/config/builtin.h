/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtin.h - one function or method of the config language, and the tables of them. Methods
 * are in the tables as "str.NAME", "list.NAME", "dict.NAME", "match.NAME".
 */
#pragma once

#include "config/scope.h"

struct call {
    struct scope *scope;
    unsigned int line;
    const struct value *self; /* methods */
    const struct value *const *args;
    size_t nr_args;
    struct err *err;
};

typedef int builtin_fn(const struct call *c, const struct value **ret);

/* Kinds of arguments: s string, i integer, n number, f function, a anything; in upper case:
 * may be left out; '.': any number more of any kind. */
struct builtin {
    const char *name;
    const char *args;
    builtin_fn *fn;
    const char *names; /* "a b": names of the arguments, NULL where keywords are no use */
};

/* Each ends with an entry without name. */
extern const struct builtin builtin_data[];  /* len, int, range, lists, dicts */
extern const struct builtin builtin_text[];  /* strings */
extern const struct builtin builtin_host[];  /* os, socket, sys, time, xm_vars */
extern const struct builtin builtin_match[]; /* re */

/* For the functions: an argument's text, an error with the place, a string as result. */
static inline const char *call_text(const struct call *c, size_t i)
{
    return c->args[i]->string.text;
}

#define CALL_FAIL(c, ...) scope_fail((c)->scope, (c)->line, (c)->err, __VA_ARGS__)

int call_return_text(const struct call *c, const char *text, const struct value **ret);
