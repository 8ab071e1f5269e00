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

/* May cs / ss be loaded with `sel` by a return to guest user mode? */
bool segment_is_user_code(struct vcpu *v, uint16_t sel);
bool segment_is_user_stack(struct vcpu *v, uint16_t sel);

/* May ds, es, fs or gs be loaded with sel at CPL 3? *desc = the descriptor, 0 for a null
 * selector (which is allowed). */
bool segment_is_loadable(struct vcpu *v, uint16_t sel, uint64_t *desc);
