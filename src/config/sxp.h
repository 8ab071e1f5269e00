/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sxp.h - S-expressions as xend wrote them: (name value), lists in lists. Read from text,
 * built, printed in the layout that scripts know. Nodes live in an arena.
 *
 * An element without a value, `(features )`, stands for an empty text; so is it printed.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"

struct sxp {
    const char *atom;         /* NULL: a list */
    struct sxp *first, *last; /* of a list, linked by next */
    struct sxp *next;
};

/* Parse text of len bytes; *ret is a list of all the expressions in it. Messages begin with
 * "file:LINE: ". 0 or -EINVAL. */
int sxp_parse(struct arena *a, const char *file, const char *text, size_t len, struct sxp **ret,
              struct err *err) MUST_CHECK;

/* A list; name (may be NULL) becomes its first atom. */
struct sxp *sxp_list(struct arena *a, const char *name);
void sxp_append(struct sxp *list, struct sxp *item);
void sxp_append_atom(struct arena *a, struct sxp *list, const char *atom);
/* Append (name value) and return it; an empty value is left out. */
struct sxp *sxp_append_pair(struct arena *a, struct sxp *list, const char *name, const char *value);

/* First atom of a list, "" if there is none. */
const char *sxp_name(const struct sxp *list);
/* The list called `name` within a list, or NULL. */
const struct sxp *sxp_find(const struct sxp *list, const char *name);
/* The atom behind a list's name; "" if there is none; NULL if that is a list. */
const char *sxp_value(const struct sxp *list);

/* The outermost list has each element on a line of its own; the others where they do not fit
 * into 80 columns. */
void sxp_print(FILE *out, const struct sxp *list);
