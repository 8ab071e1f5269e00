/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_op.h - hypercall 24, VCPUOP_* that are not answered beside the CPU (ABI section 3.10).
 */
#pragma once

#include "domain/hypercall.h"

int64_t vcpu_op(const struct hypercall *h);
