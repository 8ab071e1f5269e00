/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hvm_op.h - hypercall 34, HVMOP_* as a PV domain sees them.
 */
#pragma once

#include "domain/hypercall.h"

int64_t hvm_op(const struct hypercall *h);
