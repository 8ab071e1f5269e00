/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * options.h - the table of config options (options.def) and conversion to an option's type.
 */
#pragma once

#include "base/err.h"
#include "config/value.h"

enum option_type { OPTION_STRING, OPTION_INT, OPTION_BOOL, OPTION_LIST, OPTION_ANY };

enum option_status { OPTION_USED, OPTION_LATER, OPTION_ACCEPTED };

struct option_info {
    const char *name;
    enum option_type type;
    const char *guests; /* letters: P paravirtualized, H fully virtualized, V PVH */
    enum option_status status;
    const char *otherwise; /* default, as text */
    const char *doc;
};

extern const struct option_info option_table[];
extern const size_t option_count;

/* NULL if there is no such option. */
const struct option_info *option_find(const char *name);
/* The option whose name is most like `name`, or NULL if none is near. */
const struct option_info *option_guess(const char *name);

/* Value of a config as the option's type has it: STRING, INT (also for BOOL), LIST of STRING.
 * None means "not set": *ret is NULL. -EINVAL with a sentence without place. */
int option_convert(const struct option_info *o, struct arena *a, const struct value *value,
                   const struct value **ret, struct err *err) MUST_CHECK;
