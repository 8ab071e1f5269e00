/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * operators.h - the config language's operators on values, with Python's meaning (integer
 * division rounds down; % formats when its left side is a string).
 */
#pragma once

#include "config/eval.h"

/* a OP b for arithmetic, comparison and `in`. 0, or -EINVAL with the place. */
int operators_apply(const struct scope *s, unsigned int line, const char *op, const struct value *a,
                    const struct value *b, const struct value **ret, struct err *err) MUST_CHECK;
int operators_index(const struct scope *s, unsigned int line, const struct value *object,
                    const struct value *index, const struct value **ret,
                    struct err *err) MUST_CHECK;
/* from and to may be NULL. */
int operators_slice(const struct scope *s, unsigned int line, const struct value *object,
                    const struct value *from, const struct value *to, const struct value **ret,
                    struct err *err) MUST_CHECK;
