/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate.h - instructions of guest-kernel code that cannot be translated: privileged ones,
 * XSAVE family, segment loads, and memory accesses that need a software page walk (string
 * operations on user pointers, accesses that straddle two unrelated frames).
 */
#pragma once

#include "cpu/env.h"
#include "engine/soft/x86/insn.h"

enum emulate_result {
    EMULATE_DONE,    /* state updated, rip is at the next instruction to run */
    EMULATE_FAULT,   /* deliver *f; v->rip is what the frame must show */
    EMULATE_UNKNOWN, /* emulate_known() only: nothing was done */
};

/* Execute the one instruction at v->rip (guest kernel mode, already decoded). Handles every
 * class: INSN_EMULATE, INSN_INT, INSN_IRET, INSN_UD (with the forced CPUID and XGETBV forms
 * 0f 0b 78 65 6e ...), INSN_MOV_SEG, INSN_STRING, INSN_XLAT, INSN_ENTER, and as a general
 * fallback INSN_COPY/PUSH/POP instructions of the integer and plain vector-move kinds with
 * memory operands (read-modify-write with lock semantics where both parts are in one page). */
enum emulate_result emulate(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                            struct fault *f);

/* As emulate(), which raises #UD for what it does not know, but tells. */
enum emulate_result emulate_known(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                                  struct fault *f);
