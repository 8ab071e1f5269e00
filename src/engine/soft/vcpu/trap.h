/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap.h - host signals of the vCPU process: faults of translated code become vTLB fills or
 * guest exceptions; the timer and kicks stop guest code at an instruction boundary.
 */
#pragma once

#include "base/types.h"

/* Install handlers on their own stack and create the preemption timer. */
void trap_init(void);

/* SIGALRM after `ns` nanoseconds from now (at least 1). */
void trap_timer_set(uint64_t ns);
/* A kick that met C code has armed the timer, to come again: what it asked for is being done. Else
 * it would go on for ever and keep a stub that takes longer to wake from making progress. The timer
 * is to be set again for whatever else it was. */
void trap_retry_cancel(void);

/* From soft_resolve: give soft.ea_host for soft.ea, or 0 with soft.reason set. */
int resolve_access(void);
