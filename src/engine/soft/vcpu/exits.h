/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * exits.h - V's end of the run page: giving the turn to the domain process, waiting for
 * kicks, timer deadlines.
 */
#pragma once

#include "engine/soft/run.h"

/* Hand the run page to D with this reason; returns when D gives it back. */
void exit_to_domain(enum exit_reason reason);
/* The same, when D may take any time: no other vCPU has to wait for this one meanwhile. */
void exit_to_domain_away(enum exit_reason reason);

/* Sleep until D or another vCPU kicks or the deadline (absolute system ns, 0 = none) passes.
 * Returns at once if a kick has come since the last call of exit_note_kicks. */
void exit_wait_kick(uint64_t deadline);
/* All kicks up to now are being acted on. */
void exit_note_kicks(void);

/* The vCPU's next timer. exit_arm_timer programs the host's timer if that must fire earlier
 * than it will anyway; exit_deadline_passed tells whether it is due. */
void exit_set_deadline(uint64_t deadline);
bool exit_deadline_passed(void);
void exit_arm_timer(void);
/* The host timer fired or was used for something else. */
void exit_timer_fired(void);
