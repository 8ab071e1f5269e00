/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rewrite.h - host code for one guest instruction that is not control flow.
 */
#pragma once

#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/x86/insn.h"

/* Emit code for the instruction at pc. False: it has to be emulated (nothing was emitted). */
bool rewrite_insn(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                  struct cache_insn *record);

/* The same with the memory operand replaced by one at host address `operand` (below 2 GiB). */
bool rewrite_bounced(const struct insn *in, const uint8_t *bytes, uint32_t operand,
                     struct cache_insn *record);

/* A memory operand that no host encoding reaches: fs:, a 32-bit address, gs: with rsp. */
bool rewrite_operand_is_odd(const struct insn *in);

/* bt bts btr btc with the bit number in a register: it may name a bit far from the operand. */
bool rewrite_is_bit_string(const struct insn *in);

/* Does it leave elements of its memory operand out, and their faults with them? Then the operand
 * as a whole says nothing about what may be accessed. */
bool rewrite_is_masked(const struct insn *in, const uint8_t *bytes);

/* Which pointers does a string instruction use? */
void rewrite_string_pointers(const struct insn *in, bool *rsi, bool *rdi);

/* The host segment prefix for in's memory operand: 0x65 (gs: KERNEL_OFFSET), 0x64 (fs: the
 * guest's gs base) or 0 (rsp-based, host form already). Not for guest fs: operands. */
uint8_t rewrite_segment(const struct insn *in);

/* vcpu.rip = pc. */
void emit_rip(uint64_t pc);
/* Leave translated code with rip = pc. */
void emit_exit(uint64_t pc, enum soft_exit reason);
/* Leave it before SIMD code at pc if the FPU state may still be in a stub, or CR0.TS is set. Once
 * a block is enough. */
void emit_fpu_test(uint64_t pc, struct cache_insn *record);
