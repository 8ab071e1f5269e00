/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * loop.h - the main loop's verbs (main.c), shared with step.c and execute.c.
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/soft/vcpu/user.h"

/* Run translated kernel code at `host` until it exits: soft.reason tells why. trap_flag
 * (EFLAGS_TF or 0) is what the guest sees of that flag meanwhile. */
void loop_enter(struct vcpu *v, void *host, uint64_t trap_flag);
/* The same for code of a program (local.h). */
void loop_enter_program(struct vcpu *v, void *host);
/* Deliver an exception, noted for the crash report. */
void loop_fault(struct vcpu *v, const struct fault *f);
/* The `syscall` before v->rip was executed in kernel mode. */
void loop_hypercall(struct vcpu *v);
/* A program made a system call of that kind. */
void loop_system_call(struct vcpu *v, enum user_stop stop);
