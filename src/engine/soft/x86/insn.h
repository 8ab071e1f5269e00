/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * insn.h - 64-bit mode instruction decoder and re-encoder for the translator. Pure: no
 * state, no I/O, no libc; part of the freestanding vCPU blob. Table-driven; a general
 * decoder cost a fifth of a guest's boot. Checked against Zydis in the unit tests.
 */
#pragma once

#include "base/types.h"

#define INSN_MAX 15

enum insn_enc { ENC_LEGACY, ENC_VEX, ENC_EVEX, ENC_XOP };

/* What the translator has to do with an instruction. */
enum insn_class {
    INSN_COPY, /* no control flow; memory operand (if any) is the ModRM one or none */
    INSN_NOP,  /* no effect at all: nop, endbr64, prefetch*, cldemote, hint nops w/ modrm */
    INSN_LEA,
    INSN_JMP,      /* rel8/rel32: target = next + imm */
    INSN_JCC,      /* cc = opcode & 15 */
    INSN_LOOP,     /* loop, loope, loopne, j(e/r)cxz: rel8 */
    INSN_CALL,     /* rel32 */
    INSN_JMP_IND,  /* FF /4 */
    INSN_CALL_IND, /* FF /2 */
    INSN_RET,      /* C3, C2 iw (imm = bytes to drop) */
    INSN_PUSH,     /* push reg / imm / r/m64: writes below rsp */
    INSN_POP,      /* pop reg / r/m64 */
    INSN_PUSHF,
    INSN_POPF,
    INSN_LEAVE,
    INSN_ENTER,
    INSN_STRING,  /* movs cmps stos lods scas, with or without rep: implicit rsi/rdi */
    INSN_XLAT,    /* implicit [rbx+al] */
    INSN_MASKMOV, /* maskmovdqu/maskmovq: implicit [rdi] */
    INSN_MOV_SEG, /* mov from/to segment register, push/pop fs/gs */
    INSN_SYSCALL, /* 0F 05 */
    INSN_INT,     /* int3 (imm 3), int n, int1 (imm 1) */
    INSN_IRET,    /* iretq/iretd */
    INSN_UD,      /* ud0 ud1 ud2 and everything that is #UD for a PV guest (vmx, sysenter..) */
    INSN_EMULATE, /* needs the emulator: cpuid, rdmsr, in/out/ins/outs, cli/sti, mov cr/dr,
                     xsave family, xsetbv/xgetbv, rd/wr fs/gs base, hlt, far branches,
                     lgdt.., clts, wbinvd, rdpmc, sysret, swapgs, invlpg... */
};

struct insn {
    uint8_t len;
    uint8_t enc; /* enum insn_enc */
    uint8_t map; /* 0 one byte, 1 0F, 2 0F38, 3 0F3A; VEX/EVEX/XOP: their map number */
    uint8_t opcode;
    uint8_t cls;    /* enum insn_class */
    uint8_t opsize; /* effective operand size in bytes: 1, 2, 4, 8 */
    uint8_t cc;     /* INSN_JCC */

    bool has_modrm, has_sib;
    uint8_t mod, reg, rm; /* reg/rm with REX/VEX/EVEX extension bits, 0..15 (..31 for EVEX) */
    bool mem;             /* ModRM names memory */
    bool rip_rel;
    int8_t base, index; /* GPR numbers or -1; vsib: index is a vector register */
    bool vsib;
    uint8_t scale; /* 1 2 4 8 */
    int32_t disp;  /* already scaled for EVEX disp8*N */
    int64_t imm;   /* sign-extended as the instruction does (first immediate) */

    bool prefix_66, prefix_67, lock;
    uint8_t rep; /* 0, 0xf2, 0xf3 */
    uint8_t seg; /* 0 or the last segment prefix byte: 26 2e 36 3e 64 65 */
    uint8_t rex; /* the REX byte, 0 if none */

    uint8_t modrm_off, disp_off, disp_size, imm_off, imm_size, opcode_off;

    uint8_t mem_size; /* bytes accessed through the ModRM operand; 0 unknown/none */
    bool mem_read, mem_write;
    bool simd;      /* reads or writes x87, MMX, SSE, AVX, mask registers or MXCSR */
    bool high_byte; /* uses ah ch dh bh: cannot take a REX prefix */
    bool reg_gpr;   /* ModRM.reg names a general register */
    bool rm_gpr;    /* mod == 3 and ModRM.rm names a general register */
    bool op_gpr;    /* register in the low opcode bits; it is in rm */
    bool vvvv_gpr;  /* VEX.vvvv names a general register (BMI); it is in vvvv */
    uint8_t vvvv;
    uint16_t gprs;  /* every GPR read or written, explicit, implicit or in the address */
    bool rsp_data;  /* rsp is an explicit *data* operand (reg, rm, op or vvvv), i.e. not
                       only in the address and not only implicit as in push/call */
    bool rsp_write; /* ... and it is written */
};

/* Decode one instruction of 64-bit mode. Returns its length (1..15), 0 if `avail` bytes are
 * not enough to tell, or -1 for an encoding that raises #UD (out->len is then undefined). */
int insn_decode(const uint8_t *bytes, size_t avail, struct insn *out);

enum insn_mem_edit {
    MEM_KEEP,  /* same base/index/disp; rip-relative is not allowed here */
    MEM_ABS32, /* [disp32] without base (SIB form, not rip-relative); disp = edit->disp */
    MEM_BASE,  /* [edit->base], no displacement, no index */
};

struct insn_edit {
    uint8_t seg; /* segment prefix to use: 0 = none, 0x64 fs, 0x65 gs; old ones are dropped */
    uint8_t mem; /* enum insn_mem_edit; ignored without memory operand */
    int32_t disp;
    uint8_t base;    /* GPR 0..15 except 4 and 12 being encoded correctly by SIB */
    int8_t from, to; /* replace explicit data operand GPR `from` by `to`; from = -1: none */
};

/* Write the instruction with the changes to out (room for 20 bytes). Returns its length, or
 * -1 if it can't be encoded (high byte register would need REX, vsib with MEM_BASE...). */
int insn_reencode(const struct insn *in, const uint8_t *bytes, const struct insn_edit *edit,
                  uint8_t *out);
