/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * restore.h - let a saved domain (toolstack/saved.h) go on: for restore, resume and migrations.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct restore_options {
    const char *config;  /* a config file instead of the saved one; NULL: none */
    bool paused;         /* it waits for 'xm unpause' */
    struct err *failure; /* not NULL: told why it does not start, instead of standard error */
};

/* From a file. Returns the verb's exit status. */
int restore_file(const char *file, const struct restore_options *o);

/* From an open one that stands behind its head; `file` is for sentences. The verb's exit status. */
int restore_image(int fd, const json_t *head, const char *file, const struct restore_options *o);
