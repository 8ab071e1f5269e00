/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * segment.h - what a selector stands for, in the guest's GDT and LDT and Xen's flat entries.
 * pv_descriptor_read() (pv.h) finds the descriptor.
 */
#pragma once

#include "cpu/vcpu.h"

#define DESC_TYPE(d) ((unsigned int)((d) >> 40) & 15)
#define DESC_CODE 8u     /* type bit: code segment */
#define DESC_READABLE 2u /* code: readable; data: writable */
#define DESC_S (1ull << 44)
#define DESC_DPL(d) ((unsigned int)((d) >> 45) & 3)
#define DESC_P (1ull << 47)
#define DESC_L (1ull << 53)

static inline uint32_t segment_base(uint64_t desc)
{
    return (uint32_t)((desc >> 16 & 0xffffff) | (desc >> 32 & 0xff000000));
}

/* Loading a selector at CPL 3: 0, or the exception that it raises, with the selector (RPL 0) as
 * error code: VEC_GP, VEC_NP, for ss VEC_SS. *desc = the descriptor, 0 for a null selector.
 * code: cs, by a far return or iret, in either mode of the guest; data: ds, es, fs, gs. */
unsigned int segment_code_fault(struct vcpu *v, uint16_t sel, uint64_t *desc);
unsigned int segment_stack_fault(struct vcpu *v, uint16_t sel);
unsigned int segment_data_fault(struct vcpu *v, uint16_t sel, uint64_t *desc);
/* Is v->cs 64-bit code? One that is nothing counts as such. */
bool segment_is_64bit_code(struct vcpu *v);
