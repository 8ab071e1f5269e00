/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * step.h - guest code one instruction at a time: code of either mode that is single-stepped or
 * may meet a breakpoint.
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/soft/vcpu/cache.h"

#define DR6_BS 0x4000u /* single step */
#define STEP_MAX 256   /* instructions between two looks at events and kicks */

/* Execute the one instruction at v->rip, or deliver what it raises. True: it is done and nothing
 * was raised. */
bool step_once(struct vcpu *v);

/* Must the kernel code at v->rip be run by step_kernel()? */
bool step_needed(const struct vcpu *v);
/* Run some kernel code, at most until something has to be looked at. */
void step_kernel(struct vcpu *v);

/* The same for user code. Where it is single-stepped only, a stub can do that. */
bool step_user_needed(struct vcpu *v);
void step_user(struct vcpu *v);

/* User code that no stub can run: some instructions, at most until something has to be looked at.
 * False: it is not 64-bit code. */
bool step_user_apart(struct vcpu *v, unsigned int instructions);

/* The CPU refused an instruction of user code. If it is one that is emulated for user mode:
 * execute it, or deliver what it raises. False: it is not. */
bool step_user_refused(struct vcpu *v, const struct fault *f);

/* User code met page fault f. If it is for an address that no stub can map (where the kernel's
 * half is, of a root that both modes share) but the guest's tables lead there: go on in software
 * for a while. False: it is a fault of the guest's, *f is right. */
bool step_user_high(struct vcpu *v, struct fault *f);
