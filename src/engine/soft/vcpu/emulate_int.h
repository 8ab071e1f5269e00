/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_int.h - inside the emulator: the instruction in work, its operands, and the
 * handlers of the instruction families.
 *
 * A handler returns EMU_OK, EMU_FAULT with *e->f filled, or EMU_UNKNOWN. It changes guest
 * state only when nothing can fail any more; rip is advanced by emulate() on EMU_OK unless
 * the handler set it (e->jumped).
 */
#pragma once

#include "engine/soft/vcpu/emulate.h"

enum emu_result { EMU_OK, EMU_FAULT, EMU_UNKNOWN };

struct emu {
    struct vcpu *v;
    const struct insn *in;
    const uint8_t *bytes;
    struct fault *f;
    gva_t ea;    /* of the ModRM memory operand, segment base included */
    bool jumped; /* v->rip is final */
};

/* Arithmetic flags: CF PF AF ZF SF OF. */

/* Faults: fill *e->f, return EMU_FAULT. */
enum emu_result emu_fault(struct emu *e, enum vector vector);
enum emu_result emu_gp(struct emu *e, uint32_t error);

/* Guest memory by linear address. */
enum emu_result emu_load(struct emu *e, gva_t va, unsigned int size, uint64_t *ret);
enum emu_result emu_store(struct emu *e, gva_t va, unsigned int size, uint64_t value);
/* Can all of it be written? For read-modify-write, whose faults are write faults, and for
 * stores in several parts. */
enum emu_result emu_probe_write(struct emu *e, gva_t va, unsigned int size);
enum emu_result emu_push(struct emu *e, unsigned int size, uint64_t value);
/* Value at rsp + *offset; *offset grows. The caller adds it to rsp at the end. */
enum emu_result emu_pop(struct emu *e, unsigned int size, uint64_t *offset, uint64_t *ret);

/* General registers by operand size; byte: n 4..7 without REX are ah ch dh bh. */
uint64_t emu_reg(const struct emu *e, unsigned int n, unsigned int size);
void emu_set_reg(struct emu *e, unsigned int n, unsigned int size, uint64_t value);
/* The ModRM.rm operand, register or memory. */
enum emu_result emu_rm(struct emu *e, unsigned int size, uint64_t *ret);
enum emu_result emu_set_rm(struct emu *e, unsigned int size, uint64_t value);
gva_t emu_segment_base(const struct emu *e);
/* Condition code cc (low four opcode bits of jcc, setcc, cmovcc) under these flags. */
bool emu_condition(unsigned int cc, uint64_t flags);

/* Families. */
enum emu_result emulate_alu(struct emu *e);
enum emu_result emulate_flow(struct emu *e);
enum emu_result emulate_stack(struct emu *e);
enum emu_result emulate_string(struct emu *e);
enum emu_result emulate_port_string(struct emu *e);
enum emu_result emulate_priv(struct emu *e);
enum emu_result emulate_ud(struct emu *e);
enum emu_result emulate_segment(struct emu *e);
enum emu_result emulate_iret(struct emu *e);
enum emu_result emulate_far_return(struct emu *e);
enum emu_result emulate_far_branch(struct emu *e); /* call and jmp through memory */
enum emu_result emulate_lar(struct emu *e);
enum emu_result emulate_verify(struct emu *e);
enum emu_result emulate_xsave(struct emu *e);
enum emu_result emulate_gather(struct emu *e);
