/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory_op.h - hypercall 12, XENMEM_* (ABI section 3.6).
 */
#pragma once

#include "domain/hypercall.h"

int64_t memory_op(const struct hypercall *h);
