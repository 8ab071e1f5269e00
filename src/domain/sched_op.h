/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sched_op.h - hypercalls 29 and 6, shutdown, watchdog and what else of SCHEDOP_* leaves the
 * vCPU process (ABI section 3.11).
 */
#pragma once

#include "domain/hypercall.h"

int64_t sched_op(const struct hypercall *h);
int64_t sched_op_compat(const struct hypercall *h);

/* For the main loop, lock held. next: system time of the earliest armed watchdog, 0 = none.
 * check: shut the domain down if one has bitten. wake_fd is written when one is armed. */
uint64_t sched_watchdog_next(const struct domain *d);
void sched_watchdog_check(struct domain *d);
