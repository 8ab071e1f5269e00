/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_xsave.h - vector and mask registers by number, for emulate_gather.c. The FPU state
 * must be in this process's registers (user_fpu_import).
 */
#pragma once

#include "engine/soft/vcpu/emulate_int.h"

#define VECTOR_MAX 64 /* bytes of a zmm register */

/* All of register n (0..31). Parts that the CPU does not have read as zero. */
void vector_get(unsigned int n, uint8_t value[VECTOR_MAX]);
void vector_set(unsigned int n, const uint8_t value[VECTOR_MAX]);
/* Mask register k0..k7; the CPU must have them. */
uint64_t mask_get(unsigned int n);
void mask_set(unsigned int n, uint64_t value);
