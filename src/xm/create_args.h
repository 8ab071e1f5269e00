/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * create_args.h - the arguments of xm create.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define CREATE_MAX_OVERRIDES 128

struct create_args {
    const char *file; /* as given; NULL = none */
    const char *sxp;  /* -F: an S-expression instead of it */
    const char *path; /* --path: directories to look for it, colon separated */
    bool is_xl;       /* xl's letters, not xm's */
    bool console, quiet, paused, viewer, dry_run, json, help, help_config;
    bool foreground;                             /* until the domain ends */
    const char *overrides[CREATE_MAX_OVERRIDES]; /* VAR=VALUE */
    size_t nr_overrides;
};

/* Options may stand anywhere; "--" ends them. Strings are borrowed from argv. 0 or -EINVAL. */
int create_args_parse(struct create_args *ret, bool is_xl, int argc, char **argv,
                      struct err *err) MUST_CHECK;

/* Where the config file is: the name itself, else NAME in each directory of the path. Fills
 * buf of `size`; -ENOENT with a sentence. */
int create_args_find_file(const struct create_args *args, char *buf, size_t size,
                          struct err *err) MUST_CHECK;
