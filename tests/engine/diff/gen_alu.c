/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen_alu.c - integer instructions without the stack and control flow.
 */
#include "gen.h"

static struct operand rm_dest(struct gen *g, unsigned int size, bool *mem)
{
    *mem = gen_chance(g, 50);
    return *mem ? gen_mem(g) : op_reg(gen_dest_reg(g, size));
}

static struct operand rm_source(struct gen *g, unsigned int size)
{
    return gen_chance(g, 50) ? gen_mem(g) : op_reg(gen_source_reg(g, size));
}

static unsigned int lock(struct gen *g, bool mem)
{
    return mem && gen_chance(g, 30) ? F_LOCK : 0;
}

/* add or adc sbb and sub xor cmp */
static void alu_op(struct gen *g)
{
    unsigned int op = gen_below(g, 8), size = gen_size(g), wide = size > 1;
    bool mem;
    struct operand d;

    switch (gen_below(g, 4)) {
    case 0: /* rm, reg */
        d = rm_dest(g, size, &mem);
        ins(g, op == 7 ? 0 : lock(g, mem), op << 3 | wide, size, gen_source_reg(g, size), d, 0, 0);
        break;
    case 1: /* reg, rm */
        ins(g, 0, op << 3 | 2 | wide, size, gen_dest_reg(g, size), rm_source(g, size), 0, 0);
        break;
    case 2: /* rm, imm */
        d = rm_dest(g, size, &mem);
        if (!wide || gen_chance(g, 60))
            ins(g, op == 7 ? 0 : lock(g, mem), wide ? 0x83 : 0x80, size, (int)op, d, 1,
                (int64_t)gen_random(g));
        else
            ins(g, op == 7 ? 0 : lock(g, mem), 0x81, size, (int)op, d, size == 2 ? 2 : 4,
                (int64_t)gen_value(g));
        break;
    default: /* accumulator, imm */
        ins_plain(g, 0, op << 3 | 4 | wide, size);
        for (unsigned int i = 0; i < (size > 4 ? 4 : size); i++)
            put8(g, (unsigned int)gen_random(g) & 255);
    }
}

static void test_op(struct gen *g)
{
    unsigned int size = gen_size(g), wide = size > 1;

    switch (gen_below(g, 3)) {
    case 0:
        ins(g, 0, 0x84 | wide, size, gen_source_reg(g, size), rm_source(g, size), 0, 0);
        break;
    case 1:
        ins(g, 0, 0xf6 | wide, size, (int)gen_below(g, 2), rm_source(g, size), size > 4 ? 4 : size,
            (int64_t)gen_value(g));
        break;
    default:
        ins_plain(g, 0, 0xa8 | wide, size);
        for (unsigned int i = 0; i < (size > 4 ? 4 : size); i++)
            put8(g, (unsigned int)gen_random(g) & 255);
    }
}

/* not neg inc dec */
static void unary_op(struct gen *g)
{
    unsigned int size = gen_size(g), wide = size > 1, op = gen_below(g, 4);
    bool mem;
    struct operand d = rm_dest(g, size, &mem);

    if (op < 2)
        ins(g, lock(g, mem), 0xf6 | wide, size, 2 + (int)op, d, 0, 0);
    else
        ins(g, lock(g, mem), 0xfe | wide, size, (int)op - 2, d, 0, 0);
}

static void exchange_op(struct gen *g)
{
    unsigned int size = gen_size(g), wide = size > 1;
    bool mem;
    struct operand d = rm_dest(g, size, &mem);
    int reg = gen_dest_reg(g, size);

    switch (gen_below(g, 4)) {
    case 0:
        ins(g, lock(g, mem), 0x86 | wide, size, reg, d, 0, 0);
        break;
    case 1:
        ins(g, lock(g, mem), 0x0fb0 | wide, size, gen_source_reg(g, size), d, 0, 0);
        break;
    case 2:
        ins(g, lock(g, mem), 0x0fc0 | wide, size, reg, d, 0, 0);
        break;
    default: /* xchg with the accumulator; 90 is nop, 41 90 is not */
        size = gen_size2(g);
        ins_low(g, 0, 0x90, size, gen_data_reg(g), 0, 0);
    }
}

/* The comparison succeeds half the time: rdx:rax is loaded from there first. rbx, a base, is
 * an operand, so it is made data and a base again. */
static void cmpxchg_wide(struct gen *g)
{
    bool big = gen_chance(g, 50);
    uint64_t at = AT(W_DATA) + 16 * gen_below(g, 0x1f0);
    struct operand m = op_rip(at), high = op_rip(at + (big ? 8 : 4));
    unsigned int size = big ? 8 : 4;

    if (gen_chance(g, 30)) {
        gen_pointer_changes(g, RSI);
        /* perhaps misaligned: #GP for the wide one */
        ins_low(g, 0, 0xb8, 8, RSI, 8, USER + 0x200 + 8 * gen_below(g, 0x3a0) + gen_below(g, 2));
        m = op_mem(RSI, NO_REG, 1, 0);
    }
    put_store(g, op_rip(AT(W_POINTERS)), RBX);
    put_mov_imm32(g, RBX, (uint32_t)gen_random(g));
    if (gen_chance(g, 60)) {
        ins(g, 0, 0x8b, size, RAX, m, 0, 0);
        ins(g, 0, 0x8b, size, RDX, high, 0, 0);
    }
    ins(g, gen_chance(g, 50) ? F_LOCK : 0, 0x0fc7, size, 1, m, 0, 0);
    put_load(g, RBX, op_rip(AT(W_POINTERS)));
}

static void bit_op(struct gen *g)
{
    unsigned int size = gen_size2(g), op = gen_below(g, 4);
    bool mem;
    struct operand d = rm_dest(g, size, &mem);

    if (gen_chance(g, 50)) {
        ins(g, op ? lock(g, mem) : 0, 0x0fba, size, 4 + (int)op, d, 1, (int64_t)gen_random(g));
    } else {
        int index = gen_data_reg(g);
        bool near = mem && (d.base == RSP || d.p67); /* what is around is not ours */

        if (mem && (near || gen_chance(g, 85)))
            ins(g, 0, 0x81, 8, 4, op_reg(index), 4, gen_below(g, 2) ? 0x3ff : 0x7f);
        else if (mem) /* far away */
            ins(g, 0, 0x63, 8, index, op_reg(index), 0, 0);
        if (mem && !near && gen_chance(g, 20))
            ins(g, 0, 0xf7, 8, 3, op_reg(index), 0, 0);
        ins(g, op ? lock(g, mem) : 0, 0x0fa3 | op << 3, size, index, d, 0, 0);
    }
}

static void shift_op(struct gen *g)
{
    unsigned int size = gen_size(g), wide = size > 1;
    int op = (int)gen_below(g, 8);
    bool mem;
    struct operand d = rm_dest(g, size, &mem);

    switch (gen_below(g, 5)) {
    case 0:
        ins(g, 0, 0xd0 | wide, size, op, d, 0, 0);
        break;
    case 1:
        ins(g, 0, 0xd2 | wide, size, op, d, 0, 0);
        break;
    case 2:
        ins(g, 0, 0xc0 | wide, size, op, d, 1, (int64_t)gen_random(g));
        break;
    default: /* shld shrd */
        size = gen_size2(g);
        if (!mem)
            d = op_reg(gen_dest_reg(g, size));
        if (gen_chance(g, 50))
            ins(g, 0, gen_chance(g, 50) ? 0x0fa5 : 0x0fad, size, gen_source_reg(g, size), d, 0, 0);
        else
            ins(g, 0, gen_chance(g, 50) ? 0x0fa4 : 0x0fac, size, gen_source_reg(g, size), d, 1,
                (int64_t)gen_random(g));
    }
}

static void multiply_op(struct gen *g)
{
    unsigned int size = gen_size(g);

    switch (gen_below(g, 4)) {
    case 0: /* mul imul */
        ins(g, 0, 0xf6 | (size > 1), size, 4 + (int)gen_below(g, 2), rm_source(g, size), 0, 0);
        break;
    case 1: /* div idiv; quotients fit half the time */
        if (gen_chance(g, 70)) {
            if (size == 1)
                ins(g, 0, 0x0fb6, 4, RAX, op_reg(RAX), 0, 0);
            else if (gen_chance(g, 50))
                ins(g, 0, 0x31, 4, RDX, op_reg(RDX), 0, 0);
            else
                ins_plain(g, 0, 0x99, size);
        }
        ins(g, 0, 0xf6 | (size > 1), size, 6 + (int)gen_below(g, 2),
            gen_chance(g, 30) ? gen_good_mem(g) : op_reg(gen_source_reg(g, size)), 0, 0);
        put_set_flags(g); /* undefined, and the same CPU does not leave the same ones */
        break;
    case 2:
        size = gen_size2(g);
        ins(g, 0, 0x0faf, size, gen_data_reg(g), rm_source(g, size), 0, 0);
        break;
    default:
        size = gen_size2(g);
        if (gen_chance(g, 50))
            ins(g, 0, 0x6b, size, gen_data_reg(g), rm_source(g, size), 1, (int64_t)gen_random(g));
        else
            ins(g, 0, 0x69, size, gen_data_reg(g), rm_source(g, size), size == 2 ? 2 : 4,
                (int64_t)gen_value(g));
    }
}

static void move_op(struct gen *g)
{
    unsigned int size = gen_size(g), wide = size > 1;
    bool mem;
    struct operand d;

    switch (gen_below(g, 6)) {
    case 0:
        ins(g, 0, 0x8a | wide, size, gen_dest_reg(g, size), rm_source(g, size), 0, 0);
        break;
    case 1:
        d = rm_dest(g, size, &mem);
        ins(g, 0, 0x88 | wide, size, gen_source_reg(g, size), d, 0, 0);
        break;
    case 2:
        d = rm_dest(g, size, &mem);
        ins(g, 0, 0xc6 | wide, size, 0, d, size > 4 ? 4 : size, (int64_t)gen_value(g));
        break;
    case 3:
        ins_low(g, 0, wide ? 0xb8 : 0xb0, size, gen_dest_reg(g, size), size, gen_value(g));
        break;
    case 4: { /* movzx movsx */
        unsigned int byte = gen_below(g, 2);

        size = gen_size2(g);
        d = rm_source(g, byte ? 1 : 2);
        ins(g, byte ? F_BYTE_RM : 0, (gen_chance(g, 50) ? 0x0fb6 : 0x0fbe) | !byte, size,
            gen_data_reg(g), d, 0, 0);
        break;
    }
    default: /* movsxd */
        size = gen_size2(g);
        ins(g, 0, 0x63, size, gen_data_reg(g), rm_source(g, 4), 0, 0);
    }
}

static void condition_op(struct gen *g)
{
    unsigned int cc = gen_below(g, 16), size = gen_size2(g);
    bool mem;

    if (gen_chance(g, 50)) {
        ins(g, 0, 0x0f40 | cc, size, gen_data_reg(g), rm_source(g, size), 0, 0);
    } else {
        struct operand d = rm_dest(g, 1, &mem);

        ins(g, 0, 0x0f90 | cc, 1, 0, d, 0, 0);
    }
}

/* Results that are data: of up to 32 bits, or without a pointer. */
static void lea_op(struct gen *g)
{
    unsigned int size = gen_size2(g);
    struct operand m;

    if (size == 8) {
        int base = gen_chance(g, 80) ? gen_data_reg(g) : NO_REG;

        m = op_mem(base, gen_chance(g, 60) ? gen_data_reg(g) : NO_REG, 1 << gen_below(g, 4),
                   (int32_t)gen_random(g) >> gen_below(g, 32));
        m.p67 = gen_chance(g, 10);
    } else {
        int index = (int)gen_below(g, 16);

        m = op_mem((int)gen_below(g, 16), index == RSP || gen_chance(g, 40) ? NO_REG : index,
                   1 << gen_below(g, 4), (int32_t)gen_random(g) >> gen_below(g, 32));
        if (gen_chance(g, 20))
            m = op_rip(gen_below(g, 0x10000));
        m.p67 = gen_chance(g, 20);
        if (gen_chance(g, 20))
            m.seg = gen_chance(g, 50) ? 0x65 : 0x64; /* without effect */
    }
    m.narrow = gen_chance(g, 70);
    ins(g, 0, 0x8d, size, gen_data_reg(g), m, 0, 0);
}

static void plain_op(struct gen *g)
{
    static const struct {
        uint16_t opcode;
        uint8_t size;
    } ops[] = {{0x98, 2}, {0x98, 4}, {0x98, 8}, {0x99, 2}, {0x99, 4}, {0x99, 8},
               {0x9e, 4}, {0x9f, 4}, {0xf5, 4}, {0xf8, 4}, {0xf9, 4}, {0x9b, 4}};

    unsigned int n = gen_below(g, ARRAY_SIZE(ops) - 1);

    ins_plain(g, 0, ops[n].opcode, ops[n].size);
}

static void nop_op(struct gen *g)
{
    struct operand far = op_mem(gen_data_reg(g), R14, 1 << gen_below(g, 4), 0x12345);

    switch (gen_below(g, 8)) {
    case 0:
        put8(g, 0x90);
        break;
    case 1:
        put8(g, 0x66);
        put8(g, 0x90);
        break;
    case 2: /* nopw/nopl [anything] */
        ins(g, 0, 0x0f1f, 2u << gen_below(g, 2), 0, far, 0, 0);
        break;
    case 3: /* endbr64 */
        put8(g, 0xf3);
        put32(g, 0xfa1e0f);
        g->at--;
        break;
    case 4:
        ins(g, 0, 0x0f18, 4, (int)gen_below(g, 4), far, 0, 0); /* prefetch */
        break;
    case 5:
        ins(g, 0, 0x0f0d, 4, 1, far, 0, 0);
        break;
    case 6:
        put8(g, 0xf3);
        put8(g, 0x90);
        break;
    default: /* cs nopw with 67 */
        put8(g, 0x67);
        put8(g, 0x2e);
        ins(g, 0, 0x0f1f, 2, 0, far, 0, 0);
    }
}

/* bswap bsf bsr popcnt lzcnt tzcnt crc32 movbe adcx adox */
static void misc_op(struct gen *g)
{
    unsigned int size = gen_size2(g), wide = gen_chance(g, 50) ? 8 : 4;
    int reg = gen_data_reg(g);
    struct operand src = rm_source(g, size), wide_src = rm_source(g, wide), m;

    switch (gen_below(g, 8)) {
    case 0:
        ins_low(g, 0, 0x0fc8, wide, reg, 0, 0);
        break;
    case 1:
        ins(g, 0, gen_chance(g, 50) ? 0x0fbc : 0x0fbd, size, reg, src, 0, 0);
        break;
    case 2:
        ins(g, F_F3, gen_chance(g, 50) ? 0x0fbc : 0x0fbd, size, reg, src, 0, 0);
        break;
    case 3:
        ins(g, F_F3, 0x0fb8, size, reg, src, 0, 0);
        break;
    case 4:
        if (gen_chance(g, 50))
            ins(g, F_F2 | F_BYTE_RM, 0x0f38f0, wide, reg, rm_source(g, 1), 0, 0);
        else
            ins(g, F_F2, 0x0f38f1, size, reg, src, 0, 0);
        break;
    case 5:
    case 6:
        m = gen_mem(g);
        if (gen_chance(g, 50))
            ins(g, 0, 0x0f38f0, size, reg, m, 0, 0);
        else
            ins(g, 0, 0x0f38f1, size, gen_source_reg(g, size), m, 0, 0);
        break;
    default:
        ins(g, gen_chance(g, 50) ? F_66 : F_F3, 0x0f38f6, wide, reg, wide_src, 0, 0);
    }
}

/* BMI1 and BMI2 */
static void bmi_op(struct gen *g)
{
    bool w = gen_chance(g, 50);
    unsigned int size = w ? 8 : 4;
    int reg = gen_data_reg(g), third = gen_source_reg(g, size);
    struct operand src = rm_source(g, size);

    switch (gen_below(g, 7)) {
    case 0: /* andn */
        ins_vex(g, 2, 0, w, false, 0xf2, reg, third, src, 0, 0);
        break;
    case 1: /* blsr blsmsk blsi */
        ins_vex(g, 2, 0, w, false, 0xf3, 1 + (int)gen_below(g, 3), reg, src, 0, 0);
        break;
    case 2: /* bzhi, pext, pdep */
        ins_vex(g, 2, gen_below(g, 2) ? 0 : 2, w, false, 0xf5, reg, third, src, 0, 0);
        break;
    case 3:
        ins_vex(g, 2, 3, w, false, 0xf5, reg, third, src, 0, 0);
        break;
    case 4: /* mulx */
        ins_vex(g, 2, 3, w, false, 0xf6, reg, gen_data_reg(g), src, 0, 0);
        break;
    case 5: /* bextr shlx sarx shrx */
        ins_vex(g, 2, gen_below(g, 4), w, false, 0xf7, reg, third, src, 0, 0);
        break;
    default: /* rorx */
        ins_vex(g, 3, 3, w, false, 0xf0, reg, 0, src, 1, (int64_t)gen_random(g));
    }
}

static void xlat_op(struct gen *g)
{
    unsigned int seg = gen_below(g, 8);

    put_lea(g, RBX, op_rip(AT(W_DATA) + 0x300 + gen_below(g, 0x1900)));
    if (seg == 0 && g->gs_small)
        put8(g, 0x65);
    put8(g, 0xd7);
}

/* The accumulator and an absolute address: a user one, or an offset from gs. */
static void moffs_op(struct gen *g)
{
    uint64_t at = USER + 0x100 + gen_below(g, 0x1e00);
    unsigned int size = gen_size(g);

    if (!g->gs_small && gen_chance(g, 50)) {
        put8(g, 0x65);
        at = gen_below(g, 0x200);
    }
    ins_plain(g, 0, 0xa0 | (gen_below(g, 2) << 1) | (size > 1), size);
    put32(g, (uint32_t)at);
    put32(g, (uint32_t)(at >> 32));
}

/* Selectors read (not cs and ss, the host's are not Xen's), null ones loaded. */
static void selector_op(struct gen *g)
{
    static const uint8_t readable[] = {0, 3, 4, 5};
    unsigned int n = gen_below(g, 4), reg = readable[gen_below(g, 4)];

    if (n < 2) {
        ins(g, 0, 0x8c, gen_size2(g), (int)reg, op_reg(gen_data_reg(g)), 0, 0);
    } else if (n == 2) {
        ins(g, 0, 0x8c, 4, (int)reg, gen_mem(g), 0, 0);
    } else { /* ds or es: a null fs or gs would clear the base */
        ins(g, 0, 0x31, 4, RAX, op_reg(RAX), 0, 0);
        ins(g, 0, 0x8e, 4, gen_chance(g, 50) ? 0 : 3, op_reg(RAX), 0, 0);
    }
}

void gen_alu(struct gen *g)
{
    static void (*const ops[])(struct gen *) = {
        alu_op,       alu_op, alu_op,   alu_op,   test_op,     unary_op, exchange_op, exchange_op,
        bit_op,       bit_op, shift_op, shift_op, multiply_op, move_op,  move_op,     move_op,
        condition_op, lea_op, lea_op,   plain_op, nop_op,      misc_op,  misc_op,     bmi_op};
    unsigned int n = gen_below(g, 100);

    if (n < 2)
        cmpxchg_wide(g);
    else if (n < 3)
        xlat_op(g);
    else if (n < 4)
        moffs_op(g);
    else if (n < 5)
        selector_op(g);
    else
        ops[gen_below(g, ARRAY_SIZE(ops))](g);
}
