/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * low_wish.h - address spaces whose programs have asked their kernel for memory at the places that
 * stubs have. The page tables do not tell of it before it is touched, and who reads it first would
 * find the stub: so it gets one at the other place, or none.
 *
 * This goes by Linux' system calls. With another kernel, or a wrong guess, a stub is moved, no
 * more.
 */
#pragma once

#include "cpu/vcpu.h"

#define WISH_LOW 1u   /* for what stubs have as a rule */
#define WISH_ASIDE 2u /* for what those have that are aside */

/* A 64-bit program makes a system call; it has not reached the kernel yet. Where other vCPUs may be
 * asked to flush (peers.h). */
void low_wish_note(const struct vcpu *v);
/* The places that the program of that root wants, WISH_*. */
unsigned int low_wish_of(mfn_t root);
/* The root begins to be one while that program is in the kernel: it forks, most likely. */
void low_wish_inherit(mfn_t root, mfn_t maker);
/* The root is no more. */
void low_wish_release(mfn_t root);
