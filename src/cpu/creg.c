/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * creg.c - see creg.h. Most of CR0 and CR4 is fixed; a write of other bits to CR4 is ignored
 * without a fault, as Xen does, one to CR0 is refused.
 */
#include "cpu/creg.h"

#include "cpu/cpuid.h"
#include "cpu/env.h"
#include "cpu/pv/info.h"

#define CR0_FIXED 0x80050033u /* PE MP ET NE WP AM PG */
#define CR4_FIXED (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define CR3_FRAME 0x000ffffffffff000ull

#define XCR0_X87 1u
#define XCR0_SSE 2u
#define XCR0_AVX 4u
#define XCR0_AVX512 0xe0u

int creg_read(const struct vcpu *v, unsigned int cr, uint64_t *ret)
{
    switch (cr) {
    case 0:
        *ret = CR0_FIXED | (v->cr0_ts ? CR0_TS : 0);
        return 0;
    case 2:
        *ret = v->cr2;
        return 0;
    case 3:
        *ret = v->cr3_kernel << PAGE_SHIFT;
        return 0;
    case 4:
        *ret = CR4_FIXED | (v->cr4 & cpuid_cr4_mask());
        return 0;
    default:
        return -1;
    }
}

int creg_write(struct vcpu *v, unsigned int cr, uint64_t value)
{
    switch (cr) {
    case 0:
        if ((value & ~(uint64_t)CR0_TS) != CR0_FIXED)
            return -1;
        v->cr0_ts = value & CR0_TS;
        return 0;
    case 2: /* a PV kernel looks for it in two places */
        v->cr2 = value;
        pv_info(v)->arch.cr2 = value;
        return 0;
    case 3:
        if (!env_frame((value & CR3_FRAME) >> PAGE_SHIFT))
            return -1;
        env_set_cr3(v, (value & CR3_FRAME) >> PAGE_SHIFT);
        return 0;
    case 4:
        v->cr4 = value & cpuid_cr4_mask();
        return 0;
    default:
        return -1;
    }
}

int creg_xsetbv(struct vcpu *v, uint32_t index, uint64_t value)
{
    uint64_t avx512 = value & XCR0_AVX512;

    if (index != 0 || !(value & XCR0_X87) || (value & ~cpuid_xcr0_max()))
        return -1;
    if ((value & XCR0_AVX) && !(value & XCR0_SSE))
        return -1;
    if (avx512 && (avx512 != XCR0_AVX512 || !(value & XCR0_AVX)))
        return -1;
    v->xcr0 = value;
    return 0;
}
