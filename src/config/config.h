/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * config.h - one domain config: a file in the xm (Python subset) or xl syntax plus the
 * VAR=VALUE arguments of the command line, which win over the file.
 */
#pragma once

#include "base/err.h"
#include "config/value.h"

struct config;

struct config *config_new(void);
void config_free(struct config *c); /* NULL is fine */

/* Note a VAR=VALUE argument; call before config_load. A LIST option may be given several
 * times. 0 or -EINVAL. */
int config_add_override(struct config *c, const char *assignment, struct err *err) MUST_CHECK;

/* The text of a file of either kind, to be freed. 0, or -errno with a sentence. */
int config_read_file(const char *path, char **ret, size_t *ret_len, struct err *err) MUST_CHECK;

/* Read and evaluate a file. 0, or -errno with one sentence ("FILE:LINE: ..." where it applies).
 * Once per config. */
int config_load(struct config *c, const char *path, struct err *err) MUST_CHECK;

/* As config_load for text in memory; `name` stands for the file in messages. */
int config_load_text(struct config *c, const char *name, const char *text, size_t len,
                     struct err *err) MUST_CHECK;

/* Set an option from elsewhere than a file in the config language; place is kept, NULL value
 * is ignored, a LIST grows. The command line still wins. 0 or -EINVAL with place. */
int config_set(struct config *c, const char *name, const struct value *value, const char *place,
               struct err *err) MUST_CHECK;
/* Where such values live; gone with the config. */
struct arena *config_arena(struct config *c);
/* What messages call the source, when it is no file in the config language. */
void config_set_path(struct config *c, const char *path);

/* After loading: options by name, of their type; `otherwise` when not set. */
bool config_is_set(const struct config *c, const char *name);
const char *config_string(const struct config *c, const char *name, const char *otherwise);
int64_t config_int(const struct config *c, const char *name, int64_t otherwise);
/* The value of an option of whatever type, or NULL. */
const struct value *config_value(const struct config *c, const char *name);
/* Number of strings of a LIST option, and one of them. */
size_t config_list_count(const struct config *c, const char *name);
const char *config_list_item(const struct config *c, const char *name, size_t i);

/* "FILE:LINE" of an option, "command line", or the file when it is not set. For messages. */
const char *config_place(const struct config *c, const char *name);
/* The path given to config_load. */
const char *config_path(const struct config *c);

/* What the reader should know although it is no error; lines without newline. */
size_t config_warning_count(const struct config *c);
const char *config_warning(const struct config *c, size_t i);
/* What the file printed; lines without newline. */
size_t config_printed_count(const struct config *c);
const char *config_printed(const struct config *c, size_t i);
void config_warn(struct config *c, const char *fmt, ...) PRINTF_FMT(2, 3);
