/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * creg.h - control registers and XCR0 as a PV guest kernel sees them (ABI 6.2). Freestanding.
 */
#pragma once

#include "cpu/vcpu.h"

#define CR0_TS 0x8u
#define CR4_TSD 0x4u
#define CR4_DE 0x8u
#define CR4_PAE 0x20u
#define CR4_MCE 0x40u
#define CR4_OSFXSR 0x200u
#define CR4_OSXMMEXCPT 0x400u
#define CR4_FSGSBASE 0x10000u
#define CR4_OSXSAVE 0x40000u

/* mov from / to crN. 0, or -1 for #GP. Writing cr3 switches the kernel root. */
int creg_read(const struct vcpu *v, unsigned int cr, uint64_t *ret) MUST_CHECK;
int creg_write(struct vcpu *v, unsigned int cr, uint64_t value) MUST_CHECK;

/* xsetbv, CR4.OSXSAVE being set. 0, or -1 for #GP. */
int creg_xsetbv(struct vcpu *v, uint32_t index, uint64_t value) MUST_CHECK;
