/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parse_expr.h - expressions: recursive descent, one function for each level of precedence.
 */
#pragma once

#include "config/parse_core.h"

/* One expression. */
struct node *parse_expression(struct parser *p);
/* As it stands behind '=': `a, b` is a tuple. */
struct node *parse_value(struct parser *p);
/* What `for` binds: names with dots, indices and commas, up to `in`. */
struct node *parse_targets(struct parser *p);
