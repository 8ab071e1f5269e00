/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * parser.h - text of a config file to syntax tree. What Python has and this language has not
 * (classes, lambda, comprehensions ...) is named in the error.
 */
#pragma once

#include "base/err.h"
#include "config/ast.h"

/* Parse a whole file; its statements go to *ret. 0, or -EINVAL with "FILE:LINE: message". */
int parser_parse_file(struct node_list *ret, struct arena *arena, const char *file,
                      const char *text, size_t len, struct err *err) MUST_CHECK;

/* Parse one expression (an override on the command line). */
int parser_parse_expression(struct node **ret, struct arena *arena, const char *file,
                            const char *text, size_t len, struct err *err) MUST_CHECK;
