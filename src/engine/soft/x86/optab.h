/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * optab.h - what the decoder knows about an integer or system opcode: one struct opdef per
 * opcode of the one-byte and 0F maps, and per ModRM.reg of the group opcodes. SIMD opcodes
 * are OP_FORMS: their rows are in forms.c.
 */
#pragma once

#include "base/types.h"

enum imm_kind {
    IMM_NONE,
    IMM_B,     /* 8 bits, sign-extended */
    IMM_UB,    /* 8 bits, unsigned (ports, vectors) */
    IMM_W,     /* 16 bits, unsigned (ret) */
    IMM_Z,     /* 16 or 32 bits by operand size, sign-extended */
    IMM_V,     /* 16, 32 or 64 bits by operand size (mov reg, imm) */
    IMM_D,     /* 32 bits whatever the prefixes (near branches) */
    IMM_ADDR,  /* 64 or 32 bits by address size (mov moffs) */
    IMM_ENTER, /* 16 + 8 bits */
};

enum size_kind {
    SIZE_V, /* REX.W 8, 66 2, else 4 */
    SIZE_B, /* 1 */
    SIZE_S, /* stack: 66 2, else 8 */
    SIZE_Q, /* 8 whatever the prefixes */
    SIZE_Y, /* REX.W 8, else 4 */
    SIZE_W, /* 2 */
    SIZE_D, /* 4 */
};

/* Size of the memory operand where it is not the operand size. */
enum mem_kind { MEM_OP, MEM_1, MEM_2, MEM_4, MEM_8, MEM_10, MEM_16, MEM_FAR, MEM_2X, MEM_BIG };

enum op_group {
    GROUP_NONE,
    GROUP_1, /* add or adc sbb and sub xor cmp */
    GROUP_1A,
    GROUP_2,
    GROUP_3B,
    GROUP_3V,
    GROUP_4,
    GROUP_5,
    GROUP_11,
    GROUP_6,
    GROUP_8,
    GROUP_COUNT,
    GROUP_OWN, /* decided by a function: 0F 01, 0F AE, 0F C7, x87 */
};

/* opdef.flags */
#define OP_VALID 0x0001
#define OP_MODRM 0x0002
#define OP_REG 0x0004   /* ModRM.reg is a GPR operand */
#define OP_REG_W 0x0008 /* ... written */
#define OP_RM 0x0010    /* ModRM.rm is a GPR operand in the register form */
#define OP_RM_W 0x0020
#define OP_LOW 0x0040 /* low opcode bits are a GPR operand */
#define OP_LOW_W 0x0080
#define OP_READ 0x0100 /* memory operand is read */
#define OP_WRITE 0x0200
#define OP_LOCK 0x0400  /* LOCK is legal with a memory operand */
#define OP_MEM 0x0800   /* memory form only */
#define OP_NOMEM 0x1000 /* register form only */
#define OP_RM8 0x2000   /* rm is a byte register though the operand size is larger */
#define OP_FORMS 0x4000 /* look into forms.c */
#define OP_SIMD 0x8000

struct opdef {
    uint8_t cls; /* enum insn_class */
    uint8_t imm : 4;
    uint8_t size : 4;
    uint8_t mem : 4;
    uint8_t group : 4;
    uint16_t flags;
    uint16_t gprs; /* implicit */
};

extern const struct opdef optab_one[256];
extern const struct opdef optab_0f[256];
extern const struct opdef optab_group[GROUP_COUNT][8];

/* Opcodes of GROUP_OWN, after ModRM: complete *def; false = #UD. pp: 0 none, 1 66, 2 F3,
 * 3 F2. x87 memory operands have a size of their own, *mem_size bytes. */
struct insn;
bool opdef_0f01(const struct insn *in, struct opdef *def);
bool opdef_0fae(const struct insn *in, unsigned int pp, struct opdef *def);
bool opdef_0fc7(const struct insn *in, unsigned int pp, struct opdef *def);
bool opdef_x87(const struct insn *in, struct opdef *def, unsigned int *mem_size);
