/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * low_wish.h - address spaces whose programs have asked their kernel for memory at the place that
 * stubs have as a rule. The page tables do not tell of it before it is touched, and who reads it
 * first would find the stub: so it gets a stub that is aside.
 *
 * This goes by Linux' system calls. With another kernel, or a wrong guess, a stub is moved, no
 * more.
 */
#pragma once

#include "cpu/vcpu.h"

/* A 64-bit program makes a system call; it has not reached the kernel yet. */
void low_wish_note(const struct vcpu *v);
/* Does the program of that root want the place? */
bool low_wish_of(mfn_t root);
/* The root begins to be one while that program is in the kernel: it forks, most likely. */
void low_wish_inherit(mfn_t root, mfn_t maker);
/* The root is no more. */
void low_wish_release(mfn_t root);
