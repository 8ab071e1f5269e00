/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_io.h - hypercall 18, text before the console ring works (ABI section 3.12).
 */
#pragma once

#include "domain/hypercall.h"

int64_t console_io(const struct hypercall *h);
