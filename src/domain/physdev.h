/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * physdev.h - hypercall 33, PHYSDEVOP_* of a domain without devices (ABI section 3.12).
 */
#pragma once

#include "domain/hypercall.h"

int64_t physdev_op(const struct hypercall *h);
