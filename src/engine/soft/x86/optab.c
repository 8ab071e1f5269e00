/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * optab.c - the one-byte and 0F opcode maps of 64-bit mode (see optab.h). An opcode without
 * an entry raises #UD. Rows follow the opcode maps of the AMD64 manual, volume 3, appendix A.
 */
#include "engine/soft/x86/optab.h"
#include "engine/soft/x86/insn.h"

#define A 0x0001 /* implicit registers */
#define C 0x0002
#define D 0x0004
#define B 0x0008
#define SP 0x0010
#define BP 0x0020
#define SI 0x0040
#define DI 0x0080
#define R11_ 0x0800

#define M (OP_VALID | OP_MODRM)
#define REG_R (M | OP_REG)
#define REG_W (M | OP_REG | OP_REG_W)
#define RM_R (M | OP_RM | OP_READ)
#define RM_W (M | OP_RM | OP_RM_W | OP_WRITE)
#define RM_RW (RM_R | RM_W)
#define LOW_R (OP_VALID | OP_LOW)
#define LOW_W (OP_VALID | OP_LOW | OP_LOW_W)

/* clang-format off */
#define OP(c, s, i, f) {.cls = INSN_##c, .size = SIZE_##s, .imm = IMM_##i, .flags = (f)}
#define OPX(c, s, i, f, g) \
    {.cls = INSN_##c, .size = SIZE_##s, .imm = IMM_##i, .flags = (f), .gprs = (g)}
#define OPM(c, s, m, f) {.cls = INSN_##c, .size = SIZE_##s, .mem = MEM_##m, .flags = (f)}
#define OPG(s, i, f, g) \
    {.cls = INSN_COPY, .size = SIZE_##s, .imm = IMM_##i, .flags = (f), .group = GROUP_##g}
#define FORMS {.flags = OP_VALID | OP_FORMS | OP_MODRM}

/* add, or, adc, sbb, and, sub, xor: both directions and the accumulator forms */
#define ALU(o) \
    [o] = OP(COPY, B, NONE, RM_RW | REG_R | OP_LOCK), \
    [(o) + 1] = OP(COPY, V, NONE, RM_RW | REG_R | OP_LOCK), \
    [(o) + 2] = OP(COPY, B, NONE, RM_R | REG_W), \
    [(o) + 3] = OP(COPY, V, NONE, RM_R | REG_W), \
    [(o) + 4] = OPX(COPY, B, B, OP_VALID, A), \
    [(o) + 5] = OPX(COPY, V, Z, OP_VALID, A)

const struct opdef optab_one[256] = {
    ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18), ALU(0x20), ALU(0x28), ALU(0x30),
    [0x38] = OP(COPY, B, NONE, RM_R | REG_R),
    [0x39] = OP(COPY, V, NONE, RM_R | REG_R),
    [0x3a] = OP(COPY, B, NONE, RM_R | REG_R),
    [0x3b] = OP(COPY, V, NONE, RM_R | REG_R),
    [0x3c] = OPX(COPY, B, B, OP_VALID, A),
    [0x3d] = OPX(COPY, V, Z, OP_VALID, A),
    [0x50 ... 0x57] = OPX(PUSH, S, NONE, LOW_R, SP),
    [0x58 ... 0x5f] = OPX(POP, S, NONE, LOW_W, SP),
    [0x63] = OPM(COPY, V, 4, RM_R | REG_W), /* movsxd */
    [0x68] = OPX(PUSH, S, Z, OP_VALID, SP),
    [0x69] = OP(COPY, V, Z, RM_R | REG_W),
    [0x6a] = OPX(PUSH, S, B, OP_VALID, SP),
    [0x6b] = OP(COPY, V, B, RM_R | REG_W),
    [0x6c] = OPX(EMULATE, B, NONE, OP_VALID, D | DI),
    [0x6d] = OPX(EMULATE, V, NONE, OP_VALID, D | DI),
    [0x6e] = OPX(EMULATE, B, NONE, OP_VALID, D | SI),
    [0x6f] = OPX(EMULATE, V, NONE, OP_VALID, D | SI),
    [0x70 ... 0x7f] = OP(JCC, Q, B, OP_VALID),
    [0x80] = OPG(B, B, M, 1),
    [0x81] = OPG(V, Z, M, 1),
    [0x83] = OPG(V, B, M, 1),
    [0x84] = OP(COPY, B, NONE, RM_R | REG_R),
    [0x85] = OP(COPY, V, NONE, RM_R | REG_R),
    [0x86] = OP(COPY, B, NONE, RM_RW | REG_W | OP_LOCK),
    [0x87] = OP(COPY, V, NONE, RM_RW | REG_W | OP_LOCK),
    [0x88] = OP(COPY, B, NONE, RM_W | REG_R),
    [0x89] = OP(COPY, V, NONE, RM_W | REG_R),
    [0x8a] = OP(COPY, B, NONE, RM_R | REG_W),
    [0x8b] = OP(COPY, V, NONE, RM_R | REG_W),
    [0x8c] = OPM(MOV_SEG, V, 2, RM_W),
    [0x8d] = OP(LEA, V, NONE, REG_W | OP_MEM),
    [0x8e] = OPM(MOV_SEG, V, 2, RM_R),
    [0x8f] = OPG(S, NONE, M, 1A),
    [0x90] = OP(NOP, V, NONE, OP_VALID), /* pause and xchg r8 are told apart by prefixes */
    [0x91 ... 0x97] = OPX(COPY, V, NONE, LOW_W, A),
    [0x98] = OPX(COPY, V, NONE, OP_VALID, A),
    [0x99] = OPX(COPY, V, NONE, OP_VALID, A | D),
    [0x9b] = OP(COPY, V, NONE, OP_VALID | OP_SIMD),
    [0x9c] = OPX(PUSHF, S, NONE, OP_VALID, SP),
    [0x9d] = OPX(POPF, S, NONE, OP_VALID, SP),
    [0x9e] = OPX(COPY, B, NONE, OP_VALID, A),
    [0x9f] = OPX(COPY, B, NONE, OP_VALID, A),
    [0xa0] = OPX(EMULATE, B, ADDR, OP_VALID, A),
    [0xa1] = OPX(EMULATE, V, ADDR, OP_VALID, A),
    [0xa2] = OPX(EMULATE, B, ADDR, OP_VALID, A),
    [0xa3] = OPX(EMULATE, V, ADDR, OP_VALID, A),
    [0xa4] = OPX(STRING, B, NONE, OP_VALID, SI | DI),
    [0xa5] = OPX(STRING, V, NONE, OP_VALID, SI | DI),
    [0xa6] = OPX(STRING, B, NONE, OP_VALID, SI | DI),
    [0xa7] = OPX(STRING, V, NONE, OP_VALID, SI | DI),
    [0xa8] = OPX(COPY, B, B, OP_VALID, A),
    [0xa9] = OPX(COPY, V, Z, OP_VALID, A),
    [0xaa] = OPX(STRING, B, NONE, OP_VALID, A | DI),
    [0xab] = OPX(STRING, V, NONE, OP_VALID, A | DI),
    [0xac] = OPX(STRING, B, NONE, OP_VALID, A | SI),
    [0xad] = OPX(STRING, V, NONE, OP_VALID, A | SI),
    [0xae] = OPX(STRING, B, NONE, OP_VALID, A | DI),
    [0xaf] = OPX(STRING, V, NONE, OP_VALID, A | DI),
    [0xb0 ... 0xb7] = OP(COPY, B, B, LOW_W),
    [0xb8 ... 0xbf] = OP(COPY, V, V, LOW_W),
    [0xc0] = OPG(B, B, M, 2),
    [0xc1] = OPG(V, B, M, 2),
    [0xc2] = OPX(RET, Q, W, OP_VALID, SP),
    [0xc3] = OPX(RET, Q, NONE, OP_VALID, SP),
    [0xc6] = OPG(B, B, M, 11),
    [0xc7] = OPG(V, Z, M, 11),
    [0xc8] = OPX(ENTER, S, ENTER, OP_VALID, SP | BP),
    [0xc9] = OPX(LEAVE, S, NONE, OP_VALID, SP | BP),
    [0xca] = OPX(EMULATE, V, W, OP_VALID, SP),
    [0xcb] = OPX(EMULATE, V, NONE, OP_VALID, SP),
    [0xcc] = OP(INT, V, NONE, OP_VALID),
    [0xcd] = OP(INT, V, UB, OP_VALID),
    [0xcf] = OPX(IRET, V, NONE, OP_VALID, SP),
    [0xd0] = OPG(B, NONE, M, 2),
    [0xd1] = OPG(V, NONE, M, 2),
    [0xd2] = {.cls = INSN_COPY, .size = SIZE_B, .flags = M, .group = GROUP_2, .gprs = C},
    [0xd3] = {.cls = INSN_COPY, .size = SIZE_V, .flags = M, .group = GROUP_2, .gprs = C},
    [0xd7] = OPX(XLAT, B, NONE, OP_VALID, A | B),
    [0xd8 ... 0xdf] = {.cls = INSN_COPY, .size = SIZE_D, .flags = M | OP_SIMD,
                       .group = GROUP_OWN},
    [0xe0 ... 0xe3] = OPX(LOOP, Q, B, OP_VALID, C),
    [0xe4] = OPX(EMULATE, B, UB, OP_VALID, A),
    [0xe5] = OPX(EMULATE, V, UB, OP_VALID, A),
    [0xe6] = OPX(EMULATE, B, UB, OP_VALID, A),
    [0xe7] = OPX(EMULATE, V, UB, OP_VALID, A),
    [0xe8] = OPX(CALL, Q, D, OP_VALID, SP),
    [0xe9] = OP(JMP, Q, D, OP_VALID),
    [0xeb] = OP(JMP, Q, B, OP_VALID),
    [0xec] = OPX(EMULATE, B, NONE, OP_VALID, A | D),
    [0xed] = OPX(EMULATE, V, NONE, OP_VALID, A | D),
    [0xee] = OPX(EMULATE, B, NONE, OP_VALID, A | D),
    [0xef] = OPX(EMULATE, V, NONE, OP_VALID, A | D),
    [0xf1] = OP(INT, V, NONE, OP_VALID),
    [0xf4] = OP(EMULATE, V, NONE, OP_VALID),
    [0xf5] = OP(COPY, V, NONE, OP_VALID),
    [0xf6] = OPG(B, NONE, M, 3B),
    [0xf7] = OPG(V, NONE, M, 3V),
    [0xf8 ... 0xf9] = OP(COPY, V, NONE, OP_VALID),
    [0xfa ... 0xfb] = OP(EMULATE, V, NONE, OP_VALID),
    [0xfc ... 0xfd] = OP(COPY, V, NONE, OP_VALID),
    [0xfe] = OPG(B, NONE, M, 4),
    [0xff] = OPG(V, NONE, M, 5),
};

const struct opdef optab_0f[256] = {
    [0x00] = OPG(V, NONE, M, 6),
    [0x01] = {.cls = INSN_EMULATE, .size = SIZE_V, .flags = M, .group = GROUP_OWN},
    [0x02 ... 0x03] = OPM(EMULATE, V, 2, RM_R | REG_W),
    [0x05] = OPX(SYSCALL, Q, NONE, OP_VALID, C | R11_),
    [0x06] = OP(EMULATE, V, NONE, OP_VALID),
    [0x07] = OPX(EMULATE, V, NONE, OP_VALID, C | R11_),
    [0x08 ... 0x09] = OP(EMULATE, V, NONE, OP_VALID),
    [0x0b] = OP(UD, V, NONE, OP_VALID),
    [0x0d] = OP(NOP, V, NONE, M),
    [0x10 ... 0x17] = FORMS,
    [0x18 ... 0x1f] = OP(NOP, V, NONE, M),
    [0x20] = OP(EMULATE, Q, NONE, M | OP_RM | OP_RM_W | OP_NOMEM),
    [0x21] = OP(EMULATE, Q, NONE, M | OP_RM | OP_RM_W | OP_NOMEM),
    [0x22] = OP(EMULATE, Q, NONE, M | OP_RM | OP_NOMEM),
    [0x23] = OP(EMULATE, Q, NONE, M | OP_RM | OP_NOMEM),
    [0x28 ... 0x2f] = FORMS,
    [0x30] = OPX(EMULATE, V, NONE, OP_VALID, A | D | C),
    [0x31] = OPX(COPY, V, NONE, OP_VALID, A | D),
    [0x32 ... 0x33] = OPX(EMULATE, V, NONE, OP_VALID, A | D | C),
    [0x34] = OP(UD, V, NONE, OP_VALID),
    [0x35] = OPX(EMULATE, V, NONE, OP_VALID, C | D | SP),
    [0x37] = OP(UD, V, NONE, OP_VALID),
    [0x40 ... 0x4f] = OP(COPY, V, NONE, RM_R | REG_W),
    [0x50 ... 0x76] = FORMS,
    [0x77] = OP(COPY, V, NONE, OP_VALID | OP_SIMD),
    [0x78 ... 0x79] = FORMS,
    [0x7c ... 0x7f] = FORMS,
    [0x80 ... 0x8f] = OP(JCC, Q, D, OP_VALID),
    [0x90 ... 0x9f] = OP(COPY, B, NONE, RM_W),
    [0xa0] = OPX(MOV_SEG, S, NONE, OP_VALID, SP),
    [0xa1] = OPX(MOV_SEG, S, NONE, OP_VALID, SP),
    [0xa2] = OPX(EMULATE, V, NONE, OP_VALID, A | B | C | D),
    [0xa3] = OP(COPY, V, NONE, RM_R | REG_R),
    [0xa4] = OP(COPY, V, B, RM_RW | REG_R),
    [0xa5] = OPX(COPY, V, NONE, RM_RW | REG_R, C),
    [0xa8] = OPX(MOV_SEG, S, NONE, OP_VALID, SP),
    [0xa9] = OPX(MOV_SEG, S, NONE, OP_VALID, SP),
    [0xaa] = OP(UD, V, NONE, OP_VALID),
    [0xab] = OP(COPY, V, NONE, RM_RW | REG_R | OP_LOCK),
    [0xac] = OP(COPY, V, B, RM_RW | REG_R),
    [0xad] = OPX(COPY, V, NONE, RM_RW | REG_R, C),
    [0xae] = {.cls = INSN_EMULATE, .size = SIZE_Y, .flags = M, .group = GROUP_OWN},
    [0xaf] = OP(COPY, V, NONE, RM_R | REG_W),
    [0xb0] = OPX(COPY, B, NONE, RM_RW | REG_R | OP_LOCK, A),
    [0xb1] = OPX(COPY, V, NONE, RM_RW | REG_R | OP_LOCK, A),
    [0xb2] = OPM(EMULATE, V, FAR, RM_R | REG_W | OP_MEM),
    [0xb3] = OP(COPY, V, NONE, RM_RW | REG_R | OP_LOCK),
    [0xb4 ... 0xb5] = OPM(EMULATE, V, FAR, RM_R | REG_W | OP_MEM),
    [0xb6] = OPM(COPY, V, 1, RM_R | REG_W | OP_RM8),
    [0xb7] = OPM(COPY, V, 2, RM_R | REG_W),
    [0xb8] = OP(COPY, V, NONE, RM_R | REG_W), /* popcnt, F3 only */
    [0xb9] = OP(UD, V, NONE, M),
    [0xba] = OPG(V, B, M, 8),
    [0xbb] = OP(COPY, V, NONE, RM_RW | REG_R | OP_LOCK),
    [0xbc ... 0xbd] = OP(COPY, V, NONE, RM_R | REG_W),
    [0xbe] = OPM(COPY, V, 1, RM_R | REG_W | OP_RM8),
    [0xbf] = OPM(COPY, V, 2, RM_R | REG_W),
    [0xc0] = OP(COPY, B, NONE, RM_RW | REG_W | OP_LOCK),
    [0xc1] = OP(COPY, V, NONE, RM_RW | REG_W | OP_LOCK),
    [0xc2] = FORMS,
    [0xc3] = OP(COPY, Y, NONE, RM_W | REG_R | OP_MEM), /* movnti */
    [0xc4 ... 0xc6] = FORMS,
    [0xc7] = {.cls = INSN_COPY, .size = SIZE_V, .flags = M, .group = GROUP_OWN},
    [0xc8 ... 0xcf] = OP(COPY, V, NONE, LOW_W),
    [0xd0 ... 0xfe] = FORMS,
    [0xff] = OP(UD, V, NONE, M),
};

const struct opdef optab_group[GROUP_COUNT][8] = {
    [GROUP_1] = {
        [0 ... 6] = OP(COPY, V, NONE, RM_RW | OP_LOCK),
        [7] = OP(COPY, V, NONE, RM_R),
    },
    [GROUP_1A] = {
        [0] = OPX(POP, S, NONE, RM_W, SP),
    },
    [GROUP_2] = {
        [0 ... 7] = OP(COPY, V, NONE, RM_RW),
    },
    [GROUP_3B] = {
        [0 ... 1] = OP(COPY, B, B, RM_R),
        [2 ... 3] = OP(COPY, B, NONE, RM_RW | OP_LOCK),
        [4 ... 7] = OPX(COPY, B, NONE, RM_R, A),
    },
    [GROUP_3V] = {
        [0 ... 1] = OP(COPY, V, Z, RM_R),
        [2 ... 3] = OP(COPY, V, NONE, RM_RW | OP_LOCK),
        [4 ... 7] = OPX(COPY, V, NONE, RM_R, A | D),
    },
    [GROUP_4] = {
        [0 ... 1] = OP(COPY, B, NONE, RM_RW | OP_LOCK),
    },
    [GROUP_5] = {
        [0 ... 1] = OP(COPY, V, NONE, RM_RW | OP_LOCK),
        [2] = OPX(CALL_IND, Q, NONE, RM_R, SP),
        [3] = {.cls = INSN_EMULATE, .size = SIZE_V, .mem = MEM_FAR, .gprs = SP,
               .flags = RM_R | OP_MEM},
        [4] = OP(JMP_IND, Q, NONE, RM_R),
        [5] = OPM(EMULATE, V, FAR, RM_R | OP_MEM),
        [6] = OPX(PUSH, S, NONE, RM_R, SP),
    },
    [GROUP_11] = {
        [0] = OP(COPY, V, NONE, RM_W),
    },
    [GROUP_6] = {
        [0 ... 1] = OPM(EMULATE, V, 2, RM_W),
        [2 ... 4] = OPM(EMULATE, W, 2, RM_R),
        [5] = OPM(COPY, W, 2, RM_R), /* verw: clears CPU buffers, copied in its memory form */
    },
    [GROUP_8] = {
        [4] = OP(COPY, V, NONE, RM_R),
        [5 ... 7] = OP(COPY, V, NONE, RM_RW | OP_LOCK),
    },
};
/* clang-format on */
