/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_mini.h - a small xenstore inside the domain process, for a domain that runs
 * without the daemon: one tree, one guest connection over the store ring (ABI section 12).
 * All functions are called with the domain's lock held.
 */
#pragma once

#include "domain/domain.h"

/* Create d->store with the keys a domU expects, and connect it to d->store_mfn and
 * d->store_port. 0 or -errno. */
int xsmini_init(struct domain *d, struct err *err);
void xsmini_done(struct domain *d);

/* Serve the ring: take what the guest sent, answer, notify. Also the handler of the port. */
void xsmini_serve(struct domain *d);

/* The host's own access, not limited by permissions. Paths are absolute, or relative to
 * /local/domain/<domid>. write creates parents and fires the guest's watches. 0 or -errno;
 * read returns the length of the value, cut to size - 1 and terminated. */
int xsmini_write(struct domain *d, const char *path, const char *value);
int xsmini_read(struct domain *d, const char *path, char *buf, size_t size);
/* As write, then the node belongs to `owner` and the guest may read it; nobody else may
 * do anything. */
int xsmini_write_owned(struct domain *d, const char *path, const char *value, domid_t owner);
int xsmini_remove(struct domain *d, const char *path);
