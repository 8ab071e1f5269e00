/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * translate.h - guest-kernel code to host code of the same instruction set.
 *
 * Guest registers are host registers at every instruction boundary, rsp excepted (host form:
 * guest value + KERNEL_OFFSET, because push, pop, call and ret cannot take a segment).
 * Memory operands get a gs: prefix, whose base is KERNEL_OFFSET; guest gs: becomes fs:.
 * Generated code never changes flags between guest instructions.
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/soft/x86/insn.h"

/* Translate from pc on. Host address to enter at, or NULL with *f when the first byte can't
 * be fetched. */
void *translate(struct vcpu *v, uint64_t pc, struct fault *f);

/* Translate this one instruction (no control flow), to be run once and at once: it is not
 * found by pc. operand: host address that takes its memory operand's place, 0 if it has none.
 * NULL: it can't be done. */
void *translate_alone(const struct insn *in, const uint8_t *bytes, uint64_t pc, uint32_t operand);

/* Fetch and decode the instruction at pc through the current mode's tables. Length, 0 with *f if
 * it can't be fetched, -1 if it is undefined. bytes has room for INSN_MAX. */
int fetch_decode(struct vcpu *v, uint64_t pc, struct insn *in, uint8_t *bytes, struct fault *f);
