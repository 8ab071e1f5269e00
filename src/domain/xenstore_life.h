/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_life.h - what a life of the domain has in xenstored: its first nodes, its
 * connection, and that it is there at all.
 */
#pragma once

#include "base/loop.h"
#include "domain/domain.h"

/* Introduce the domain to this instance's xenstored, with what xl writes before a PV domU
 * starts and nothing that promises a device (ABI section 12.3), and connect its ring. Main
 * thread, without the lock; event channels exist. 0 or -errno. */
int xenstore_attach(struct domain *d, struct loop *loop, struct err *err) MUST_CHECK;
/* Release it: xenstored removes all that was the domain's. Nothing happens if it was not
 * attached. */
void xenstore_detach(struct domain *d);
