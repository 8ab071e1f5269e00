/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_ring.h - the guest's end of xenstore (ABI section 12.1): carries bytes between its
 * ring and a connection to xenstored that has its rights. xenstored takes the messages apart
 * and judges them; here only the ring's indices can be wrong.
 */
#pragma once

#include "base/loop.h"
#include "domain/domain.h"

/* Make d->store: the ring is d->store_mfn, its event d->store_port, whose handler this sets.
 * Takes fd, the connection (also on failure). Main thread, without the lock. 0 or -errno. */
int xenstore_ring_create(struct domain *d, struct loop *loop, int fd, struct err *err) MUST_CHECK;
/* Main thread, without the lock; nothing happens if there is none. */
void xenstore_ring_destroy(struct domain *d);
