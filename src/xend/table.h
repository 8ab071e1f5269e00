/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * table.h - the domains that xend looks after: all that live in the run directory, whoever
 * started them, and those that it is just starting.
 */
#pragma once

#include "base/json.h"
#include "xend/xend.h"

/* Adopt what lives and watch the run directory. 0 or -errno. */
int table_create(struct table **ret, struct xend *x, struct err *err) MUST_CHECK;
void table_destroy(struct table *t); /* NULL is fine; no domain ends by it */

bool table_is_empty(const struct table *t);

/* A new array of objects: domid (0 while it starts), name, uuid, managed, state ("running",
 * "starting"), adopted (seconds since 1970). */
json_t *table_list(const struct table *t);

/* Start a managed domain. `done` may be NULL; it is called once, unless this fails. */
typedef void table_started_fn(void *arg, int result, const struct err *err);
int table_start(struct table *t, const char *name, table_started_fn *done, void *arg,
                struct err *err) MUST_CHECK;

/* What on_xend_start and on_xend_stop ask for. */
void table_autostart(struct table *t);
void table_stop_domains(struct table *t);
