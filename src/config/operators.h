/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * operators.h - the config language's operators on values, with Python 2's meaning (integer
 * division rounds down). All return 0, or -EINVAL with the place.
 */
#pragma once

#include "config/scope.h"

/* a OP b for arithmetic, comparison and `in`. `%` of a string is in format.h. */
int operators_apply(struct scope *s, unsigned int line, const char *op, const struct value *a,
                    const struct value *b, const struct value **ret, struct err *err) MUST_CHECK;
/* -a, +a, ~a, not a */
int operators_unary(struct scope *s, unsigned int line, const char *op, const struct value *a,
                    const struct value **ret, struct err *err) MUST_CHECK;

int operators_equal(struct scope *s, unsigned int line, const struct value *a,
                    const struct value *b, bool *ret, struct err *err) MUST_CHECK;

int operators_index(struct scope *s, unsigned int line, const struct value *object,
                    const struct value *index, const struct value **ret,
                    struct err *err) MUST_CHECK;
/* from and to may be NULL. */
int operators_slice(struct scope *s, unsigned int line, const struct value *object,
                    const struct value *from, const struct value *to, const struct value **ret,
                    struct err *err) MUST_CHECK;
/* object[index] = value; value NULL: del object[index] */
int operators_set_item(struct scope *s, unsigned int line, const struct value *object,
                       const struct value *index, const struct value *value,
                       struct err *err) MUST_CHECK;
/* Where a dict has a key: index of the key in its items, or -1 in *ret. */
int operators_find_key(struct scope *s, unsigned int line, const struct value *dict,
                       const struct value *key, int64_t *ret, struct err *err) MUST_CHECK;
