/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xend_config.h - xend-config.sxp: one table of all options (xend_options.def), the file, and
 * what its author should know.
 *
 * The file is $XEND_CONFIG, else /etc/xen/xend-config.sxp for root and
 * ${XDG_CONFIG_HOME:-~/.config}/xenolith/xend-config.sxp for others. None is all defaults.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/paths.h"

enum xend_option_type { XEND_STRING, XEND_INT, XEND_BOOL, XEND_ANY };
enum xend_option_status { XEND_HONOURED, XEND_MAPPED, XEND_LATER, XEND_REFUSED };

struct xend_option {
    const char *name;
    enum xend_option_type type;
    const char *otherwise; /* the default, as text */
    enum xend_option_status status;
    const char *text;
};

extern const struct xend_option xend_option_table[];
extern const size_t xend_option_count;

struct xend_config;

/* Which file it is, whether it is there or not. */
int xend_config_path(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;

/* Read it. 0, or -errno with a sentence that names the file and the option. */
int xend_config_load(struct xend_config **ret, struct err *err) MUST_CHECK;
/* The same of text in memory; `file` stands in messages. */
int xend_config_load_text(struct xend_config **ret, const char *file, const char *text, size_t len,
                          struct err *err) MUST_CHECK;
void xend_config_free(struct xend_config *c); /* NULL is fine */

/* An option as set or by default; its name must be in the table. c == NULL: all defaults. */
const char *xend_config_string(const struct xend_config *c, const char *name);
long xend_config_int(const struct xend_config *c, const char *name);
bool xend_config_bool(const struct xend_config *c, const char *name);

/* What is unknown, refused or without effect: lines without newline. */
size_t xend_config_warning_count(const struct xend_config *c);
const char *xend_config_warning(const struct xend_config *c, size_t i);

/* This process's own, read at the first call; an unreadable file is all defaults here (xend
 * itself says so when it starts). Never NULL after that, or NULL = defaults. */
const struct xend_config *xend_config_own(void);
/* Read it again at the next call; what the last one returned is gone. */
void xend_config_reread(void);
