/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate.h - instructions that cannot be translated or run in place: privileged ones, XSAVE
 * family, segment loads, and memory accesses that need a software page walk (string
 * operations on user pointers, accesses that straddle two unrelated frames).
 */
#pragma once

#include "cpu/env.h"
#include "engine/soft/x86/insn.h"

enum emulate_result {
    EMULATE_DONE,    /* state updated, rip is at the next instruction to run */
    EMULATE_FAULT,   /* deliver *f; v->rip is what the frame must show */
    EMULATE_UNKNOWN, /* nothing was done: arithmetic on vector and x87 registers */
};

/* Execute the one instruction at v->rip (of the current mode, 64-bit, already decoded). Handles
 * every class: INSN_EMULATE, INSN_INT, INSN_IRET, INSN_UD (with the forced CPUID and XGETBV forms
 * 0f 0b 78 65 6e ...), INSN_MOV_SEG, INSN_STRING, INSN_XLAT, control flow, the stack, gathers
 * and integer instructions (read-modify-write with lock semantics where both parts are in one
 * page). What it does not know is for execute.h. */
enum emulate_result emulate(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                            struct fault *f);

/* Linear address of the instruction's ModRM memory operand (vsib: of its base). */
gva_t emulate_operand(const struct vcpu *v, const struct insn *in);

/* Where does the instruction use the stack without naming it (its first access there)? */
bool emulate_stack_address(const struct vcpu *v, const struct insn *in, gva_t *ret);

/* Is all of it canonical? */
bool emulate_canonical(gva_t va, unsigned int size);

/* The exception that a non-canonical address in this instruction raises: #SS where it is the
 * stack segment's, else #GP. Both have error code 0. */
enum vector emulate_address_fault(const struct vcpu *v, const struct insn *in);
