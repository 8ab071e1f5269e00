/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * life.h - one life of a domain: from an empty memory over a loaded kernel and running vCPUs
 * to the moment when nothing of it is left. A reboot is the end of one life and the start of
 * the next in the same domain process.
 */
#pragma once

#include "base/loop.h"
#include "domain/domain.h"
#include "domain/options.h"
#include "domain/tsc.h"
#include "domain/vcpu_thread.h"

struct life {
    struct vcpu_threads *threads;
    uint64_t started_ns; /* CLOCK_MONOTONIC */
};

/* Build the domain and let it run; `image_fd` (borrowed, -1 = none): go on with what was saved
 * there instead of loading a kernel. d has lock, names, wake_fd and console; everything that
 * belongs to a life is empty. `loop` is the main thread's. On failure all is as before. Main
 * thread, without the lock. */
int life_start(struct life *l, struct domain *d, struct loop *loop, const struct domain_options *o,
               const struct tsc_sample *first, int image_fd, struct err *err) MUST_CHECK;

/* Stop the vCPUs and release everything that life_start() made; the console has got the last
 * words. d->reason and d->reason_text stay. The domain is DOMAIN_DYING. */
void life_end(struct life *l, struct domain *d);
