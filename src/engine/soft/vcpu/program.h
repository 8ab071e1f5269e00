/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * program.h - guest user mode, in a stub (user.h) or here (local.h), whichever is faster.
 */
#pragma once

#include "engine/soft/vcpu/user.h"

/* As user_run(). */
enum user_stop program_run(struct vcpu *v, struct fault *ret_fault);

/* TLB duties, as user.h has them. */
void program_flush(mfn_t root);
void program_invlpg(mfn_t root, gva_t va);
void program_release(mfn_t root);
void program_set_root(mfn_t root);
