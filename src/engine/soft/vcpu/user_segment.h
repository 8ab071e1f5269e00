/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_segment.h - segment registers of user programs that need the guest's descriptor tables.
 */
#pragma once

#include "cpu/env.h"

/* User code at v->rip got #GP with this error code. If that is because the host does not know a
 * selector of the guest's GDT or LDT (thread-local storage of 32-bit programs), load it as the
 * guest's tables say, step over the instruction and return 0; else the exception to deliver. */
uint8_t user_segment_load(struct vcpu *v, uint32_t error);
