/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user_segment.h - segment registers of user programs that need the guest's descriptor tables.
 */
#pragma once

#include "cpu/env.h"
#include "engine/soft/vcpu/stubs.h"

/* The host has 32-bit system calls, and with them thread-local segments for stubs; it has LDTs. */
extern bool user_segment_host_has_tls, user_segment_host_has_ldt;
/* Have the stub's thread-local segments be the guest's, or not be there. Queued. */
void user_segment_mirror(struct vcpu *v, struct stub *s, bool wanted);
/* Have the stub's LDT be the guest's. Queued. */
void user_segment_mirror_ldt(struct vcpu *v, struct stub *s);
/* Is the selector one of these, which can be loaded in the stub as data, or as code? */
bool user_segment_is_mirrored(const struct stub *s, uint16_t sel);
bool user_segment_is_mirrored_code(const struct stub *s, uint16_t sel);

/* User code at v->rip got #GP with this error code. If that is because the host does not know a
 * selector of the guest's GDT or LDT (thread-local storage of 32-bit programs), load it as the
 * guest's tables say, step over the instruction and return 0; else the exception to deliver. */
uint8_t user_segment_load(struct vcpu *v, uint32_t error);
