/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * restore.h - let a saved domain (toolstack/saved.h) go on: for restore, resume and migrations.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* From a file. Returns the verb's exit status. */
int restore_file(const char *file, bool paused);

/* From an open one that stands behind its head; `file` is for sentences. `failure`, if not NULL, is
 * told why it does not start, instead of standard error. The verb's exit status. */
int restore_image(int fd, const json_t *head, const char *file, bool paused, struct err *failure);
