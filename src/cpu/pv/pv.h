/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv.h - the Xen PV personality of a virtual CPU, as the engine's main loop sees it.
 *
 * The engine runs guest code until something stops it, calls the matching function below,
 * then loops `while (pv_event_due(v)) pv_deliver_event(v);` and runs on. All are called on
 * the vCPU's own thread with the whole architectural state in *v; they leave it ready to
 * run, in the mode v->user_mode says. Guest mistakes end in a guest-visible error, a fault
 * or env_domain_crash(), never in ours.
 */
#pragma once

#include "cpu/vcpu.h"

/* Complete the state that the domain process gave a new vCPU (registers, callbacks,
 * vcpu_info): reset values of debug registers, timers and registered areas; first fill of
 * the time record. */
void pv_init(struct vcpu *v);

/* Must an event or NMI be delivered before the next guest instruction? Async-signal-safe. */
bool pv_event_due(const struct vcpu *v);
/* Build its frame. Only when pv_event_due(). */
void pv_deliver_event(struct vcpu *v);

/* Deliver an exception to the guest kernel (ABI 5.2). v->rip is what the frame must show;
 * the U bit of a #PF is recomputed. No handler or no stack: the domain crashes. */
void pv_inject(struct vcpu *v, const struct fault *f);

/* `int n` in either mode, v->rip at an instruction of `len` bytes. Fills *f with what is to
 * be injected: the trap with rip behind the instruction, or #GP with rip at it (ABI 5.3).
 * int3 and into ask nobody: the engine injects their vectors itself. */
void pv_software_int(struct vcpu *v, uint8_t n, unsigned int len, struct fault *f);

/* Guest user mode executed `syscall` (64-bit or from 32-bit code) or `sysenter`; v->rip is at
 * the next instruction. */
void pv_user_syscall(struct vcpu *v);
void pv_user_syscall32(struct vcpu *v);
void pv_user_sysenter(struct vcpu *v);

/* Guest kernel mode executed `syscall`: a hypercall; v->rip is at the next instruction. */
void pv_hypercall(struct vcpu *v);

/* Absolute system time (ns) of the next timer, 0 = none. */
uint64_t pv_next_deadline(const struct vcpu *v);
/* Fire what is due, then tell the engine the next deadline. */
void pv_timers_run(struct vcpu *v);

/* Set the periodic timer, ns; 0 = stop. The caller checked the period. */
void pv_set_periodic(struct vcpu *v, uint64_t period);

/* The vCPU starts or stops running for a reason the engine knows (RUNSTATE_*). */
void pv_runstate_change(struct vcpu *v, unsigned int state);

/* Rewrite the time records (vcpu_info and registered area): vcpu_info moved, or the TSC's
 * parameters changed. */
void pv_time_update(struct vcpu *v);

/* A descriptor by selector: GDT, LDT, and Xen's flat ones. 0 with *desc, or -1: null
 * selector, outside the table or not readable. */
int pv_descriptor_read(struct vcpu *v, uint16_t sel, uint64_t desc[1]);

/* Debug registers for `mov drN` and the hypercalls; set: 0, or -XEN_EPERM, -XEN_EINVAL (both
 * #GP to an instruction), -XEN_ENODEV (#UD). */
int pv_debugreg_set(struct vcpu *v, unsigned int reg, uint64_t value);
int pv_debugreg_get(const struct vcpu *v, unsigned int reg, uint64_t *ret);
