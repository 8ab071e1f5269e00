/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_spec.h - the options of a domain's console: how long its log grows.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"

/* "console_log_size" and "console_log_files" of a domain's document. 0, or -errno with place. */
int console_spec_add(const struct config *c, json_t *doc, struct err *err) MUST_CHECK;
