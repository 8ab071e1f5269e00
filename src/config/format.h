/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * format.h - STRING % VALUES of the config language.
 */
#pragma once

#include "config/scope.h"

/* args: a tuple, a dict for %(name)s, or one value. 0, or -EINVAL with the place. */
int format_string(struct scope *s, unsigned int line, const struct value *format,
                  const struct value *args, const struct value **ret, struct err *err) MUST_CHECK;
