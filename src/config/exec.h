/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * exec.h - the statements of a config file, and calls of the functions that it defines.
 */
#pragma once

#include "config/ast.h"
#include "config/scope.h"

/* 0, or -EINVAL with "FILE:LINE: message". */
int exec_statements(struct scope *s, const struct node_list *statements,
                    struct err *err) MUST_CHECK;

/* Call `def`; args is a tuple, names those of keyword arguments (NULL for one without, or
 * NULL altogether). */
int exec_call(struct scope *s, unsigned int line, const struct node *def, const struct value *args,
              const char *const *names, const struct value **ret, struct err *err) MUST_CHECK;
