/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * regex.h - regular expressions of the config language, with Python's syntax and preference
 * (the leftmost match; of several, what a backtracking matcher finds first). Matching takes
 * time proportional to pattern times text whatever a hostile pattern looks like, which the C
 * library's does not.
 */
#pragma once

#include "base/arena.h"
#include "base/types.h"

#define REGEX_MAX_GROUPS 10 /* with group 0, the whole match */

struct regex;

struct regex_match {
    size_t nr_groups;
    /* Offsets into the text; start SIZE_MAX: the group took no part. */
    size_t start[REGEX_MAX_GROUPS], end[REGEX_MAX_GROUPS];
};

/* NULL and a reason (*ret_error, without place) when the pattern is wrong or not supported. */
const struct regex *regex_compile(struct arena *a, const char *pattern, const char **ret_error);

/* Steps that a match against a text of len bytes may take, for the caller to charge. */
size_t regex_cost(const struct regex *re, size_t len);

/* Find the first match, from the text's start only when anchored. */
bool regex_find(struct arena *a, const struct regex *re, const char *text, size_t len,
                bool anchored, struct regex_match *ret);
