/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * restore.h - a life that goes on from a saved one: its memory, CPUs and clock out of a file
 * (docs/internals/save.md). Main thread, without the domain's lock; no vCPU runs yet.
 */
#pragma once

#include "domain/domain.h"
#include "domain/options.h"

struct restore;

/* Read the image at fd's offset (borrowed) and make d->ram of it; d->console_mfn and d->store_mfn
 * are set. *ret is new. On failure d->ram is the caller's to free. 0 or -errno with a sentence. */
int restore_memory(struct restore **ret, struct domain *d, const struct domain_options *o, int fd,
                   struct err *err) MUST_CHECK;
void restore_free(struct restore *r);

/* Nanoseconds of system time from which the clock is to go on. */
uint64_t restore_system_time(const struct restore *r);

/* Give the vCPUs their state and tell the guest's memory about its new life. Event channels and
 * grant table are those of domain_abi_init(). 0, or -EINVAL with a sentence. */
int restore_state(const struct restore *r, struct domain *d, struct err *err) MUST_CHECK;
