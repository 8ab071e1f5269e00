/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * version.h - hypercall 17, what the guest is told about its hypervisor (ABI section 3.9).
 */
#pragma once

#include "domain/hypercall.h"

int64_t xen_version(const struct hypercall *h);
