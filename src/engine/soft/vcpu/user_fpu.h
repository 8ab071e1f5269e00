/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_fpu.h - where the vCPU's FPU state is. There is one: it belongs to the vCPU, not to an
 * address space. It is in this process's registers (user_fpu_here) or in the stub that ran
 * last, as an XSAVE image that is hostile input.
 */
#pragma once

#include "engine/soft/vcpu/stubs.h"

/* Load the initial state; this process holds it then. */
void user_fpu_init(void);
/* Copy the state out, and start with one that is hostile input. RUN_FPU_SIZE bytes. */
void user_fpu_save(uint8_t *to);
void user_fpu_load(const uint8_t *from);
/* The stub is about to run: it gets the state, if it has it not. */
void user_fpu_give(struct stub *s);
/* The stub is about to end or to change hands: take the state back if it is there. */
void user_fpu_rescue(struct stub *s);
