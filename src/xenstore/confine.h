/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * confine.h - a connection of domain 0 that is for one domain: its process (src/domain) looks after
 * nodes of that domain, and may be taken over by its guest. Nothing of other domains is to be seen
 * or changed through it, and it cannot be made more than that again.
 */
#pragma once

#include "xenstore/conn.h"

/* From now on for domain `id`, whose other nodes are below /vm/`uuid`. EINVAL if it is no
 * connection of domain 0, EBUSY if it has watches or transactions, ENOSPC if the domain has too
 * many. */
int confine_start(struct conn *c, domid_t id, const char *uuid);

/* May it name this node, a whole path or a special watch? True for connections that are free: what
 * their domains may is said by rights.h. */
bool confine_allows(const struct conn *c, const char *path);
/* May it remove this node, with what is below? Besides the above. */
bool confine_allows_removal(const struct conn *c, const char *path);
/* As long as `c` is there, nobody who is confined can name this node and what is below it: `c`
 * looks after it. Instead of the one before; "" is nothing. */
int confine_reserve(struct conn *c, const char *path);
/* May it speak of this domain? */
bool confine_allows_domain(const struct conn *c, domid_t id);
