/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domains.h - the domains of a store: what each has of what is limited, and how one comes and
 * goes.
 */
#pragma once

#include "xenstore/store.h"

/* NULL if nothing is known of it; also for domain 0, which has no limits. */
struct xs_domain *domains_find(const struct store *s, domid_t id);
/* The same, made if needed. NULL when out of memory. */
struct xs_domain *domains_get(struct store *s, domid_t id);
/* Forget it if nothing is left of it. */
void domains_put(struct store *s, struct xs_domain *d);

/* Is there any that was introduced? */
bool domains_introduced(const struct store *s);

/* Account of the store's tree. */
void domains_account(void *arg, domid_t owner, int nodes);

/* @introduceDomain fires, if it is new. */
int domains_introduce(struct store *s, domid_t id);
/* The domain is gone: close its connections, remove what it owns, its home, its /vm entry and
 * its backends' directories, take it out of all permissions. @releaseDomain fires, if it was
 * introduced. */
void domains_release(struct store *s, struct xs_domain *d);
