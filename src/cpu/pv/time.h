/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * time.h - timers, time records and runstate of one vCPU, for the hypercalls that set them.
 * What the engine calls is in pv.h.
 */
#pragma once

#include "cpu/pv/abi.h"
#include "cpu/vcpu.h"

#include <xen/vcpu.h>

/* Arm the one-shot timer for an absolute system time, 0 = stop. A time that has passed
 * raises VIRQ_TIMER at once. */
void time_set_singleshot(struct vcpu *v, uint64_t deadline);

/* Runstate as of now: the running total of the current state included. */
void time_get_runstate(const struct vcpu *v, struct vcpu_runstate_info *ret);

/* Copy the runstate to the registered areas. */
void time_publish_runstate(struct vcpu *v);
