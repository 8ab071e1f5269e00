/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pause.h - standing still. A vCPU that is to stop is asked through its run page, stops between
 * two instructions, reports EXIT_PAUSED and leaves its state in the run page; its thread then
 * waits until nobody wants a pause any more. System time goes on, as under Xen.
 */
#pragma once

#include "domain/domain.h"

/* Somebody wants the domain to stand still (PAUSED_*) / does not any more. Lock held; returns at
 * once, and the main loop is woken. Between lives it counts from the next life on. */
void domain_pause(struct domain *d, uint32_t who);
void domain_unpause(struct domain *d, uint32_t who);

/* Has every vCPU stopped? Lock held. */
bool domain_is_still(const struct domain *d);

/* A vCPU came up or went down: ask it to stop, or take that back, as it has to be. Lock held. */
void pause_ask_vcpu(struct domain *d, unsigned int id);
