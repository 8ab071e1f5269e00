/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mmu.h - what mmu.c and mmuext.c share.
 */
#pragma once

#include "cpu/vcpu.h"

/* Read a guest's bitmap of vCPUs (one word covers all we have): 0 or -XEN_EFAULT. */
int mmu_read_vcpumask(struct vcpu *v, gva_t va, uint64_t *ret);
