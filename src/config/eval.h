/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * eval.h - evaluates a parsed config: expressions here, statements in exec.h. Nothing of the
 * host is changed and no program is run by it.
 */
#pragma once

#include "config/ast.h"
#include "config/scope.h"

/* 0, or -EINVAL with "FILE:LINE: message". */
int eval_expression(struct scope *s, const struct node *n, const struct value **ret,
                    struct err *err) MUST_CHECK;
