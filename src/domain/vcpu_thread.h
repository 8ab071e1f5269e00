/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_thread.h - one thread per vCPU: lets it run and handles its exits.
 */
#pragma once

#include "domain/domain.h"

struct vcpu_threads;

/* Start the threads; the run pages are filled and the domain is DOMAIN_RUNNING. 0 or -errno
 * (then none is left). Without the lock. */
int vcpu_threads_start(struct vcpu_threads **ret, struct domain *d, struct err *err) MUST_CHECK;

/* A vCPU may have come up: let its thread look. With the lock, by the main loop whenever
 * wake_fd was written. */
void vcpu_threads_wake(struct vcpu_threads *t);

/* After domain_pause(): wait until no vCPU runs guest code, `ms` at most. With the lock, which is
 * given up meanwhile. False: one does not obey. Also at the end of the domain, before it is joined.
 */
bool vcpu_threads_wait_still(struct vcpu_threads *t, struct domain *d, unsigned int ms);

/* Wait until all have ended, which they do once the domain is DOMAIN_DYING and the engine
 * is stopped. Without the lock; NULL is fine. */
void vcpu_threads_join(struct vcpu_threads *t);
