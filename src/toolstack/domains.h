/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domains.h - what is known of domains: objects as a domain process describes itself
 * ("info", docs/internals/control-protocol.md). Domain 0 is the host.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "toolstack/registry.h"

/* Is this argument domain 0, by name or number? */
bool domains_is_host(const char *name_or_id);

/* Find a domain by name, id or uuid, in this order. -ESRCH with the sentence that scripts know. */
int domains_find(const char *name, struct registry_entry *ret, struct err *err) MUST_CHECK;

/* A new object, or NULL if the domain has gone. One that does not answer within a moment (it
 * is starting or busy) is shown with what its record tells and the member "stale". */
json_t *domains_info(const struct registry_entry *entry);

/* Objects of the domains named, in that order; of all when nr_names is 0, by id, the host
 * first. *ret is a new array. -ESRCH if one is not there. All are asked at the same time. */
int domains_collect(char *const *names, int nr_names, json_t **ret, struct err *err) MUST_CHECK;

/* As domains_collect(), and also the managed domains that do not run: they have no domid, and
 * their state is "". */
int domains_collect_all(char *const *names, int nr_names, json_t **ret, struct err *err) MUST_CHECK;
