/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * builtins.h - the functions, modules and methods that config files of the field use:
 * os.uname(), re.search(), "".join() and the like. They look at the host, never change it.
 */
#pragma once

#include "config/scope.h"

/* A plain function (len, str, int, range ...), an exception's class or xm_vars, or NULL. */
const struct value *builtins_find(struct arena *a, const char *name);

/* `import NAME`. */
int builtins_import(struct scope *s, unsigned int line, const char *name, const struct value **ret,
                    struct err *err) MUST_CHECK;

/* object.name */
int builtins_attribute(struct scope *s, unsigned int line, const struct value *object,
                       const char *name, const struct value **ret, struct err *err) MUST_CHECK;

/* fn(args); args is a tuple, names those of keyword arguments (see exec_call). */
int builtins_call(struct scope *s, unsigned int line, const struct value *fn,
                  const struct value *args, const char *const *names, const struct value **ret,
                  struct err *err) MUST_CHECK;
