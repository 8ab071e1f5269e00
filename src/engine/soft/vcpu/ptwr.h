/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ptwr.h - writable page tables (ABI 7): the guest kernel may write to a level-1 table that it
 * has mapped read-only, and to no other read-only page.
 *
 * Which tables are pinned is known (env_pin_level). A table that is only in use, below a root or
 * a pinned upper table, is recognised when it is first written: then it carries FRAME_PT until
 * it may have gone out of use.
 */
#pragma once

#include "cpu/env.h"

/* The kernel was refused a write at va, because frame mfn is mapped read-only there: is it a
 * level-1 table? ptwr_is_level1() says so too from then on. */
bool ptwr_recognise(struct vcpu *v, gva_t va, mfn_t mfn);

/* Is the frame known as a level-1 table, which the kernel may write to although it maps it
 * read-only? */
bool ptwr_is_level1(mfn_t mfn);

/* Roots, pins or upper levels changed. Translations made by then may stay, as in any TLB. */
void ptwr_forget(void);
