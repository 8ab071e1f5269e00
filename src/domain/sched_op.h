/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sched_op.h - the domain's watchdogs, armed by SCHEDOP_watchdog (ABI section 3.11). For the
 * main loop, which calls these with the lock held.
 */
#pragma once

#include "domain/domain.h"

/* System time at which the earliest armed watchdog bites, 0 = none is armed. wake_fd is
 * written when this changes to something earlier. */
uint64_t sched_watchdog_next(const struct domain *d);

/* Shut the domain down (SHUTDOWN_WATCHDOG) if one has bitten. */
void sched_watchdog_check(struct domain *d);
