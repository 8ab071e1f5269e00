/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msr.h - model-specific registers of a PV guest (ABI 6.4). Freestanding.
 */
#pragma once

#include "cpu/vcpu.h"

#define MSR_KERNEL_GS_BASE 0xc0000102u

/* rdmsr / wrmsr in guest kernel mode. 0, or -1 for #GP. As long as the guest has no #GP
 * handler an unknown register reads as 0 and ignores writes. */
int msr_read(struct vcpu *v, uint32_t nr, uint64_t *ret) MUST_CHECK;
int msr_write(struct vcpu *v, uint32_t nr, uint64_t value) MUST_CHECK;
