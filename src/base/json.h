/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * json.h - small additions to jansson for documents that come from elsewhere: a member that
 * is missing or of the wrong type is a default or one clear sentence, never a crash.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "base/types.h"

/* The member, or `otherwise` when it is missing or of another type. Strings are borrowed
 * from the object. */
const char *json_get_string(const json_t *object, const char *key, const char *otherwise);
json_int_t json_get_int(const json_t *object, const char *key, json_int_t otherwise);
bool json_get_bool(const json_t *object, const char *key, bool otherwise);

/* An integer member that must be there and within [min, max]. 0 or -EINVAL. */
int json_need_int(const json_t *object, const char *key, json_int_t min, json_int_t max,
                  json_int_t *ret, struct err *err) MUST_CHECK;

/* One line of text (with its newline), newly allocated; NULL when out of memory. */
char *json_to_line(const json_t *value);

/* Parse one document of `len` bytes. *ret is a new reference to an object. 0 or -EINVAL. */
int json_parse_object(const char *text, size_t len, json_t **ret, struct err *err) MUST_CHECK;
