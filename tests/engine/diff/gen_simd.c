/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen_simd.c - SSE, AVX, AVX-512, MMX and x87 instructions with memory or registers. What the
 * host CPU does not have raises #UD on both sides. Vector registers hold data only.
 */
#include "gen.h"

enum {
    S_LEGACY = 1, /* has an SSE encoding */
    S_VEX = 2,    /* has a VEX encoding, three operands unless S_NOVVVV */
    S_EVEX = 4,   /* has an EVEX encoding, with masks */
    S_NOVVVV = 8,
    S_ALIGNED = 16, /* legacy or always: the operand must be aligned */
    S_STORE = 32,   /* memory is the destination */
    S_IMM = 64,
    S_MEM = 128,     /* memory only */
    S_REG = 256,     /* registers only */
    S_GPR_REG = 512, /* ModRM.reg is a general register, written */
    S_GPR_RM = 1024, /* so is ModRM.rm, read (written with S_STORE) */
    S_W = 2048,      /* W may be set */
    S_NOL = 4096,    /* 128 bits only */
    S_MASKED = 8192, /* elements are left out, and their faults with them */
};

struct simd_op {
    uint8_t map, pp, opcode;
    uint16_t flags;
};

#define MOVE (S_LEGACY | S_VEX | S_NOVVVV)
#define ARITHMETIC (S_LEGACY | S_VEX | S_ALIGNED)

static const struct simd_op ops[] = {
    {1, 0, 0x10, MOVE},
    {1, 0, 0x11, MOVE | S_STORE},
    {1, 1, 0x10, MOVE},
    {1, 2, 0x10, MOVE | S_MEM | S_NOL},
    {1, 2, 0x11, MOVE | S_MEM | S_STORE | S_NOL},
    {1, 3, 0x10, MOVE | S_MEM | S_NOL},
    {1, 3, 0x11, MOVE | S_MEM | S_STORE | S_NOL},
    {1, 0, 0x28, MOVE | S_ALIGNED},
    {1, 1, 0x29, MOVE | S_ALIGNED | S_STORE},
    {1, 2, 0x6f, MOVE},
    {1, 2, 0x7f, MOVE | S_STORE},
    {1, 1, 0x6f, MOVE | S_ALIGNED},
    {1, 1, 0x7f, MOVE | S_ALIGNED | S_STORE},
    {1, 3, 0xf0, MOVE | S_MEM},
    {1, 1, 0xe7, MOVE | S_ALIGNED | S_STORE | S_MEM},
    {1, 0, 0x2b, MOVE | S_ALIGNED | S_STORE | S_MEM},
    {2, 1, 0x2a, MOVE | S_ALIGNED | S_MEM},
    {1, 0, 0x12, S_LEGACY | S_VEX | S_NOL},
    {1, 0, 0x13, MOVE | S_STORE | S_MEM | S_NOL},
    {1, 1, 0x16, S_LEGACY | S_VEX | S_MEM | S_NOL},
    {1, 1, 0x17, MOVE | S_STORE | S_MEM | S_NOL},
    {1, 1, 0x6e, MOVE | S_GPR_RM | S_W | S_NOL},
    {1, 1, 0x7e, MOVE | S_GPR_RM | S_STORE | S_W | S_NOL},
    {1, 2, 0x7e, MOVE | S_NOL},
    {1, 1, 0xd6, MOVE | S_STORE | S_NOL},
    {1, 0, 0x58, ARITHMETIC | S_EVEX},
    {1, 1, 0x59, ARITHMETIC},
    {1, 2, 0x58, ARITHMETIC | S_NOL},
    {1, 3, 0x5e, ARITHMETIC | S_NOL},
    {1, 0, 0x51, ARITHMETIC | S_NOVVVV},
    {1, 0, 0x57, ARITHMETIC},
    {1, 0, 0xc2, ARITHMETIC | S_IMM},
    {1, 0, 0xc6, ARITHMETIC | S_IMM},
    {1, 0, 0x2e, MOVE | S_NOL},
    {1, 1, 0x2f, MOVE | S_NOL},
    {1, 1, 0xd4, ARITHMETIC},
    {1, 1, 0xfe, ARITHMETIC | S_EVEX},
    {1, 1, 0xef, ARITHMETIC},
    {1, 1, 0xdb, ARITHMETIC | S_EVEX},
    {1, 1, 0x74, ARITHMETIC},
    {1, 1, 0x60, ARITHMETIC},
    {1, 1, 0xf6, ARITHMETIC},
    {1, 1, 0xf4, ARITHMETIC},
    {1, 1, 0x70, ARITHMETIC | S_NOVVVV | S_IMM},
    {2, 1, 0x00, ARITHMETIC},
    {2, 1, 0x40, ARITHMETIC | S_EVEX},
    {2, 1, 0x17, ARITHMETIC | S_NOVVVV},
    {2, 1, 0x30, MOVE},
    {2, 1, 0x1e, ARITHMETIC | S_NOVVVV},
    {3, 1, 0x0f, ARITHMETIC | S_IMM},
    {3, 1, 0x44, ARITHMETIC | S_IMM | S_NOL},
    {2, 1, 0xdc, ARITHMETIC | S_NOL},
    {1, 1, 0xc4, S_LEGACY | S_VEX | S_GPR_RM | S_IMM | S_NOL},
    {3, 1, 0x22, S_LEGACY | S_VEX | S_GPR_RM | S_IMM | S_W | S_NOL},
    {3, 1, 0x16, MOVE | S_GPR_RM | S_STORE | S_IMM | S_W | S_NOL},
    {3, 1, 0x14, MOVE | S_MEM | S_STORE | S_IMM | S_NOL},
    {1, 3, 0x2a, S_LEGACY | S_VEX | S_GPR_RM | S_W | S_NOL},
    {1, 2, 0x2d, MOVE | S_GPR_REG | S_W | S_NOL},
    {1, 3, 0x2c, MOVE | S_GPR_REG | S_W | S_NOL},
    {1, 0, 0x50, MOVE | S_GPR_REG | S_REG},
    {1, 1, 0xd7, MOVE | S_GPR_REG | S_REG},
    {2, 1, 0x18, S_VEX | S_NOVVVV},
    {2, 1, 0x59, S_VEX | S_NOVVVV},
    {2, 1, 0x36, S_VEX},
    {2, 1, 0x98, S_VEX},
    {2, 1, 0xb8, S_VEX | S_W},
    {2, 1, 0x2c, S_VEX | S_MEM | S_MASKED},
    {2, 1, 0x2e, S_VEX | S_MEM | S_MASKED | S_STORE},
    {2, 1, 0x8c, S_VEX | S_MEM | S_MASKED | S_W},
    {2, 1, 0x8e, S_VEX | S_MEM | S_MASKED | S_STORE | S_W},
    {2, 1, 0x13, S_VEX | S_NOVVVV},
    {3, 1, 0x1d, S_VEX | S_NOVVVV | S_STORE | S_IMM},
    {1, 2, 0x6f, S_EVEX | S_NOVVVV | S_W},
    {1, 2, 0x7f, S_EVEX | S_NOVVVV | S_W | S_STORE},
    {1, 3, 0x6f, S_EVEX | S_NOVVVV | S_W},
    {1, 3, 0x7f, S_EVEX | S_NOVVVV | S_W | S_STORE},
    {1, 1, 0x7f, S_EVEX | S_NOVVVV | S_W | S_STORE | S_ALIGNED},
    {3, 1, 0x25, S_EVEX | S_IMM | S_W},
    {2, 1, 0x8b, S_EVEX | S_NOVVVV | S_STORE | S_W},
    {2, 1, 0x8a, S_EVEX | S_NOVVVV | S_STORE | S_W},
    {2, 1, 0x63, S_EVEX | S_NOVVVV | S_STORE | S_W},
    {2, 1, 0x89, S_EVEX | S_NOVVVV | S_W},
    {2, 1, 0x88, S_EVEX | S_NOVVVV | S_W},
    {2, 1, 0x62, S_EVEX | S_NOVVVV | S_W},
    {2, 1, 0x58, S_EVEX | S_NOVVVV},
    {2, 1, 0x5a, S_EVEX | S_NOVVVV | S_MEM},
    {2, 1, 0x31, S_EVEX | S_NOVVVV},
    {2, 2, 0x31, S_EVEX | S_NOVVVV | S_STORE},
    {2, 2, 0x32, S_EVEX | S_NOVVVV | S_STORE},
    {3, 1, 0x39, S_EVEX | S_NOVVVV | S_STORE | S_IMM | S_W},
    {2, 1, 0x7c, S_EVEX | S_NOVVVV | S_REG | S_GPR_RM | S_W},
};

static struct operand simd_mem(struct gen *g, unsigned int flags)
{
    struct operand m;

    if ((flags & S_MASKED) && gen_chance(g, 70))
        return op_rip(gen_chance(g, 60) ? AT(W_DATA) + gen_below(g, 0x1f00)
                                        : AT(W_DATA + 2) - 64 + gen_below(g, 72));
    if ((flags & S_ALIGNED) && gen_chance(g, 85))
        return op_rip(AT(W_DATA) + 64 * gen_below(g, 0x7c));
    m = gen_chance(g, 50) ? gen_mem(g) : gen_good_mem(g);
    return m;
}

static struct operand simd_rm(struct gen *g, unsigned int flags, unsigned int size,
                              unsigned int regs)
{
    if ((flags & S_MEM) || (!(flags & S_REG) && gen_chance(g, 70)))
        return simd_mem(g, flags);
    if (flags & S_GPR_RM)
        return op_reg(flags & S_STORE ? gen_data_reg(g) : gen_source_reg(g, size));
    return op_reg((int)gen_below(g, regs));
}

static int simd_reg(struct gen *g, unsigned int flags, unsigned int regs)
{
    return flags & S_GPR_REG ? gen_data_reg(g) : (int)gen_below(g, regs);
}

static void legacy(struct gen *g, const struct simd_op *op, bool w)
{
    static const uint8_t prefix[] = {0, F_66, F_F3, F_F2};
    static const uint32_t map[] = {0, 0x0f00, 0x0f3800, 0x0f3a00};
    unsigned int size = w ? 8 : 4;

    ins(g, prefix[op->pp], map[op->map] | op->opcode, size, simd_reg(g, op->flags, 16),
        simd_rm(g, op->flags, size, 16), op->flags & S_IMM ? 1 : 0, (int64_t)gen_random(g));
}

static void vex(struct gen *g, const struct simd_op *op, bool w)
{
    unsigned int flags = op->flags;
    bool l = !(flags & S_NOL) && gen_chance(g, 60);
    int vvvv = flags & S_NOVVVV ? 0 : (int)gen_below(g, 16);

    if (!(flags & S_NOVVVV) || !(flags & MOVE & S_LEGACY))
        flags &= ~(unsigned int)S_ALIGNED; /* only moves insist */
    ins_vex(g, op->map, op->pp, w, l, op->opcode, simd_reg(g, flags, 16), vvvv,
            simd_rm(g, flags, w ? 8 : 4, 16), flags & S_IMM ? 1 : 0, (int64_t)gen_random(g));
}

static void evex(struct gen *g, const struct simd_op *op, bool w)
{
    struct evex e = {.ll = (uint8_t)gen_below(g, 3),
                     .mask = gen_chance(g, 50) ? (uint8_t)gen_below(g, 8) : 0,
                     .disp8_raw = (int)gen_below(g, 7) - 3};
    struct operand rm = simd_rm(g, op->flags | (e.mask ? S_MASKED : 0), w ? 8 : 4, 32);
    bool mem = rm.kind != OP_REG, store = mem && (op->flags & S_STORE);

    e.z = e.mask && !store && gen_chance(g, 40);
    e.b = mem && !(op->flags & (S_NOVVVV | S_STORE)) && gen_chance(g, 30);
    if (!e.disp8_raw || rm.base == RSP) /* below the stack's start are pointers */
        rm.narrow = false;
    ins_evex(g, op->map, op->pp, w, e, op->opcode, simd_reg(g, op->flags, 32),
             op->flags & S_NOVVVV ? 0 : (int)gen_below(g, 32), rm, op->flags & S_IMM ? 1 : 0,
             (int64_t)gen_random(g));
}

static void table_op(struct gen *g)
{
    const struct simd_op *op = &ops[gen_below(g, ARRAY_SIZE(ops))];
    bool w = (op->flags & S_W) && gen_chance(g, 50);
    unsigned int n = gen_below(g, 100);

    if ((op->flags & S_EVEX) && (n < 40 || !(op->flags & S_VEX)))
        evex(g, op, w);
    else if ((op->flags & S_VEX) && (n < 70 || !(op->flags & S_LEGACY)))
        vex(g, op, w);
    else
        legacy(g, op, w);
}

static struct operand gather_mem(struct gen *g, int index)
{
    static const int8_t bases[] = {RBX, R12, R13, RSI};

    return op_mem(bases[gen_below(g, 4)], index, 1 << gen_below(g, 4),
                  (int32_t)gen_below(g, 64) - 32);
}

/* Indexes are made small first; the mask is all or what is there. */
static void gather(struct gen *g)
{
    int dest = (int)gen_below(g, 5), index = 5 + (int)gen_below(g, 5), mask = 10;
    struct operand m = gather_mem(g, index);
    unsigned int opcode = 0x90 | gen_below(g, 4);

    ins_vex(g, 1, 1, false, true, opcode & 1 ? 0x73 : 0x72, 2, index, op_reg(index), 1,
            opcode & 1 ? 59 : 27); /* vpsrlq, vpsrld */
    if (gen_chance(g, 70))
        ins_vex(g, 1, 1, false, true, 0x76, mask, mask, op_reg(mask), 0, 0);
    ins_vex(g, 2, 1, gen_chance(g, 50), gen_chance(g, 50), opcode, dest, mask, m, 0, 0);
}

/* The same with mask registers, which are whatever is there. Large indexes of 32 bits fault. */
static void gather_scatter_evex(struct gen *g)
{
    int index = 5 + (int)gen_below(g, 5), k = 1 + (int)gen_below(g, 7);
    struct evex e = {.ll = 2};
    struct operand m = gather_mem(g, index);
    unsigned int opcode = (gen_chance(g, 50) ? 0x90 : 0xa0) | gen_below(g, 4);

    m.narrow = false;
    if ((opcode & 1) || gen_chance(g, 80))
        ins_evex(g, 1, 1, opcode & 1, e, opcode & 1 ? 0x73 : 0x72, 2, index, op_reg(index), 1,
                 opcode & 1 ? 59 : 27);
    e = (struct evex){.ll = (uint8_t)gen_below(g, 3), .mask = (uint8_t)k};
    ins_evex(g, 2, 1, gen_chance(g, 50), e, opcode, (int)gen_below(g, 32), 0, m, 0, 0);
}

/* Mask registers: kmovw from and to memory and general registers. */
static void mask_op(struct gen *g)
{
    int k = (int)gen_below(g, 8);

    switch (gen_below(g, 5)) {
    case 0:
        ins_vex(g, 1, 0, false, false, 0x90, k, 0, gen_mem(g), 0, 0);
        break;
    case 1:
        ins_vex(g, 1, 0, false, false, 0x91, k, 0, gen_mem(g), 0, 0);
        break;
    case 2:
        ins_vex(g, 1, 0, false, false, 0x92, k, 0, op_reg(gen_source_reg(g, 4)), 0, 0);
        break;
    case 3:
        ins_vex(g, 1, 0, false, false, 0x93, gen_data_reg(g), 0, op_reg(k), 0, 0);
        break;
    default:
        ins_vex(g, 1, 0, false, true, 0x41 + gen_below(g, 2), k, (int)gen_below(g, 8),
                op_reg((int)gen_below(g, 8)), 0, 0);
    }
}

static void x87_op(struct gen *g)
{
    static const struct {
        uint8_t opcode, reg;
    } memory[] = {{0xd9, 0}, {0xdd, 0}, {0xdb, 5}, {0xd9, 2}, {0xd9, 3}, {0xdd, 3}, {0xdb, 7},
                  {0xd8, 0}, {0xdc, 1}, {0xd8, 4}, {0xdc, 6}, {0xdb, 0}, {0xdf, 5}, {0xdb, 2},
                  {0xdf, 7}, {0xdd, 1}, {0xda, 0}, {0xde, 4}, {0xd9, 7}, {0xdd, 7}};

    static const uint16_t plain[] = {0xd9e8, 0xd9ee, 0xd8c1, 0xdec1, 0xd9c9, 0xd9e0,
                                     0xd9fa, 0xdfe0, 0xd9eb, 0xdbe3, 0xdbe2, 0xdff1};

    if (gen_chance(g, 60)) {
        unsigned int n = gen_below(g, ARRAY_SIZE(memory));

        ins(g, 0, memory[n].opcode, 4, memory[n].reg, gen_mem(g), 0, 0);
    } else if (gen_chance(g, 3)) { /* control word: may unmask exceptions */
        ins(g, 0, 0xd9, 4, 5, gen_good_mem(g), 0, 0);
    } else {
        ins_plain(g, 0, plain[gen_below(g, ARRAY_SIZE(plain))], 4);
    }
}

static void mmx_op(struct gen *g)
{
    static const uint8_t opcodes[] = {0x6f, 0x7f, 0xfc, 0xef, 0x60, 0xd5, 0xe7};
    uint8_t opcode = opcodes[gen_below(g, ARRAY_SIZE(opcodes))];
    int reg = (int)gen_below(g, 8);

    switch (gen_below(g, 6)) {
    case 0:
        ins_plain(g, 0, 0x0f77, 4); /* emms */
        break;
    case 1:
        ins(g, 0, gen_chance(g, 50) ? 0x0f6e : 0x0f7e, gen_chance(g, 50) ? 8 : 4, reg,
            gen_chance(g, 50) ? gen_mem(g) : op_reg(gen_data_reg(g)), 0, 0);
        break;
    case 2: /* movq2dq */
        ins(g, F_F3, 0x0fd6, 4, (int)gen_below(g, 16), op_reg(reg), 0, 0);
        break;
    default:
        ins(g, 0, 0x0f00 | opcode, 4, reg,
            opcode == 0xe7 || gen_chance(g, 60) ? gen_mem(g) : op_reg((int)gen_below(g, 8)), 0, 0);
    }
}

static void control_op(struct gen *g)
{
    switch (gen_below(g, 7)) {
    case 0:
        ins(g, 0, 0x0fae, 4, 3, gen_mem(g), 0, 0); /* stmxcsr */
        break;
    case 1: /* ldmxcsr: reserved bits are #GP */
        if (gen_chance(g, 90)) {
            struct operand m = gen_good_mem(g);

            ins(g, 0, 0xc7, 4, 0, m, 4, 0x1f80 | (gen_below(g, 4) << 13));
            ins(g, 0, 0x0fae, 4, 2, m, 0, 0);
        } else {
            ins(g, 0, 0x0fae, 4, 2, gen_mem(g), 0, 0);
        }
        break;
    case 2:
        ins_plain(g, 0, 0x0fae, 4); /* lfence mfence sfence */
        put8(g, 0xe8 | gen_below(g, 3) << 3);
        break;
    case 3:
        ins(g, gen_chance(g, 50) ? F_66 : 0, 0x0fae, 4, 7, gen_good_mem(g), 0, 0); /* clflush */
        break;
    case 4: /* movnti */
        ins(g, 0, 0x0fc3, gen_chance(g, 50) ? 8 : 4, gen_data_reg(g), gen_mem(g), 0, 0);
        break;
    case 5: /* vzeroupper, vzeroall */
        put8(g, 0xc5);
        put8(g, gen_chance(g, 50) ? 0xf8 : 0xfc);
        put8(g, 0x77);
        break;
    default: /* maskmovdqu */
        put_lea(g, RDI, op_rip(AT(W_DATA) + gen_below(g, 0x1f00)));
        ins(g, F_66, 0x0ff7, 4, (int)gen_below(g, 16), op_reg((int)gen_below(g, 16)), 0, 0);
    }
}

void gen_simd(struct gen *g)
{
    unsigned int n = gen_below(g, 100);

    if (n < 70)
        table_op(g);
    else if (n < 73)
        gather(g);
    else if (n < 75)
        gather_scatter_evex(g);
    else if (n < 80)
        mask_op(g);
    else if (n < 88)
        x87_op(g);
    else if (n < 94)
        mmx_op(g);
    else
        control_op(g);
}
