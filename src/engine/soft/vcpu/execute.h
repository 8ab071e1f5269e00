/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * execute.h - one instruction of guest code of the current mode, whatever it takes: emulated, or,
 * where the emulator has no arithmetic for it (vector, x87), run by the CPU with a copy of its
 * memory operand.
 */
#pragma once

#include "engine/soft/vcpu/emulate.h"

/* Execute the decoded instruction at v->rip. EMULATE_DONE (v->rip may still be at a string
 * instruction, in its middle) or EMULATE_FAULT; what nobody knows is logged and raises #UD. */
enum emulate_result execute(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                            struct fault *f);

/* Async-signal-safe: is this host address in the copy of an operand? A fault there is one of
 * the instruction in execute(), which knows what to make of it. */
bool execute_owns(uint64_t host);
