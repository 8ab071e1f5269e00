/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_life.h - what a life of the domain has in xenstored: its first nodes, its
 * connection, and that it is there at all.
 */
#pragma once

#include "base/loop.h"
#include "domain/domain.h"

/* Introduce the domain to this instance's xenstored, with what xl writes before a domU starts
 * and nothing that promises a device (ABI section 12.3). The domain is there until the last copy
 * of the descriptor that is returned is closed. Or -errno. */
int xenstore_introduce(const struct domain *d, struct err *err) MUST_CHECK;
/* The same for a paravirtualized domain, whose ring is connected to xenstored. Main thread,
 * without the lock; event channels exist. 0 or -errno. */
int xenstore_attach(struct domain *d, struct loop *loop, struct err *err) MUST_CHECK;
/* Release it: xenstored removes all that was the domain's. Nothing happens if it was not
 * attached. */
void xenstore_detach(struct domain *d);

/* Write one node of the running domain, below its home or its /vm directory. Main thread, without
 * the lock. 0 or -errno; 0 also if there is no life to tell it. */
int xenstore_put(const struct domain *d, const char *path, const char *value,
                 struct err *err) MUST_CHECK;
int xenstore_put_vm(const struct domain *d, const char *name, const char *value,
                    struct err *err) MUST_CHECK;
/* The same for cpu/N/availability of all vCPUs, as d->vcpu_avail has it. */
int xenstore_put_vcpus(const struct domain *d, struct err *err) MUST_CHECK;
