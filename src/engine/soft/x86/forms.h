/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * forms.h - table of the SIMD, BMI and other "one opcode, one prefix" instructions. Each row
 * covers a rectangle of encodings (mandatory prefix x W x vector length x broadcast bit x
 * memory/register form x ModRM.reg) that behave alike. forms.c is written by
 * tools/gen-simd-forms.c; register-number restrictions (k8, gather overlaps, masks that must
 * or must not be there) are not in it: those encodings are copied and the CPU raises #UD.
 */
#pragma once

#include "base/types.h"

enum form_table {
    FORMS_0F,
    FORMS_0F38,
    FORMS_0F3A,
    FORMS_VEX1,
    FORMS_VEX2,
    FORMS_VEX3,
    FORMS_EVEX1,
    FORMS_EVEX2,
    FORMS_EVEX3,
    FORMS_EVEX5,
    FORMS_EVEX6,
    FORMS_XOP8,
    FORMS_XOP9,
    FORMS_XOPA,
    FORMS_TABLES,
};

/* form.what */
#define FORM_IMM 0x0007    /* bytes of immediate: 0, 1, 2, 4 */
#define FORM_NOVVVV 0x0008 /* vvvv must be 1111 */
#define FORM_READ 0x0010
#define FORM_WRITE 0x0020
#define FORM_REL 0x0040       /* size doubles with each step of the vector length */
#define FORM_SCALE_REL 0x0080 /* so does the disp8 scale */
#define FORM_REG 0x0100       /* ModRM.reg names a GPR */
#define FORM_REG_W 0x0200     /* ... that is written */
#define FORM_RM 0x0400
#define FORM_RM_W 0x0800
#define FORM_VVVV 0x1000
#define FORM_VVVV_W 0x2000
#define FORM_VSIB 0x4000
#define FORM_SIMD 0x8000

struct form {
    uint8_t pp : 4;    /* mask: none, 66, F3, F2 */
    uint8_t ll : 4;    /* mask of vector lengths (VEX.L, EVEX.L'L) */
    uint8_t w : 2;     /* mask */
    uint8_t bcst : 2;  /* mask of EVEX.b */
    uint8_t mod : 2;   /* mask: 1 memory, 2 register */
    uint8_t cls : 2;   /* 0 INSN_COPY, 1 INSN_UD, 2 INSN_MASKMOV */
    uint8_t reg;       /* mask of ModRM.reg (low three bits) */
    uint8_t size : 4;  /* log2 of the memory operand's size + 1, 0 unknown or none */
    uint8_t scale : 4; /* log2 of the disp8 scale, EVEX */
    uint16_t what;
    uint16_t gprs; /* implicit GPRs */
};

/* Rows for one opcode of one table; returns their number. */
unsigned int forms_find(enum form_table table, uint8_t opcode, const struct form **ret);
