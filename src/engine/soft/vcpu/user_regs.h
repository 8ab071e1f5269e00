/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_regs.h - registers between struct vcpu and a stub's page X, checked in both directions:
 * a stub must not fault on what the guest kernel asks for, and the guest kernel must not see
 * what user mode cannot have.
 */
#pragma once

#include "engine/soft/vcpu/user_tlb.h"

/* v to the stub. false: user mode cannot go on there, *f is what a CPU would raise. */
bool user_regs_store(struct vcpu *v, const struct space *sp, struct fault *f);
/* The stub to v. */
void user_regs_load(struct vcpu *v, const struct space *sp);
