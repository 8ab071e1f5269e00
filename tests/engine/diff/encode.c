/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode.c - the generator's encoder (see gen.h). Written from the manuals, not from the
 * translator's decoder.
 */
#include "gen.h"

struct operand op_reg(int reg)
{
    return (struct operand){.kind = OP_REG, .reg = reg};
}

struct operand op_mem(int base, int index, int scale, int32_t disp)
{
    return (struct operand){
        .kind = OP_MEM, .base = base, .index = index, .scale = scale, .disp = disp, .narrow = true};
}

struct operand op_rip(uint64_t window_offset)
{
    return (struct operand){.kind = OP_RIP, .target = WINDOW + window_offset};
}

void put8(struct gen *g, unsigned int b)
{
    if (g->at < CODE_SIZE)
        g->s->code[g->at++] = (uint8_t)b;
}

void put32(struct gen *g, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        put8(g, v >> 8 * i & 255);
}

static void put_imm(struct gen *g, unsigned int size, uint64_t v)
{
    for (unsigned int i = 0; i < size; i++)
        put8(g, v >> 8 * i & 255);
}

static unsigned int scale_bits(int scale)
{
    return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

static void put_sib_disp(struct gen *g, unsigned int reg, const struct operand *m, int raw8)
{
    int low = m->base & 7;
    bool sib = m->base < 0 || m->index >= 0 || low == 4;
    unsigned int mod;

    if (m->base < 0)
        mod = 0;
    else if (!m->disp && low != 5 && m->narrow)
        mod = 0;
    else
        mod = m->narrow && m->disp == (int8_t)m->disp ? 1 : 2;
    put8(g, mod << 6 | (reg & 7) << 3 | (sib ? 4u : (unsigned int)low));
    if (sib)
        put8(g, scale_bits(m->scale) << 6 | (m->index >= 0 ? (unsigned int)m->index & 7 : 4) << 3 |
                    (m->base < 0 ? 5u : (unsigned int)low));
    if (mod == 1)
        put8(g, (unsigned int)(raw8 ? raw8 : m->disp) & 255);
    else if (mod == 2 || m->base < 0)
        put32(g, (uint32_t)m->disp);
}

/* ModRM to the instruction's end. */
static void put_operand(struct gen *g, unsigned int reg, const struct operand *rm, int raw8,
                        unsigned int imm_size, int64_t imm)
{
    if (rm->kind == OP_REG) {
        put8(g, 0xc0 | (reg & 7) << 3 | ((unsigned int)rm->reg & 7));
    } else if (rm->kind == OP_MEM) {
        put_sib_disp(g, reg, rm, raw8);
    } else {
        put8(g, (reg & 7) << 3 | 5);
        put32(g, (uint32_t)(rm->target - (WINDOW + AT(W_CODE) + g->at + 4 + imm_size)));
    }
    put_imm(g, imm_size, (uint64_t)imm);
}

static bool is_high(int reg)
{
    return reg >= 16;
}

static int plain_of_high(int reg)
{
    return is_high(reg) ? reg - 16 - 4 : reg;
}

static void put_prefixes(struct gen *g, unsigned int flags, unsigned int size,
                         const struct operand *rm)
{
    if (rm && rm->kind != OP_REG) {
        if (rm->seg)
            put8(g, rm->seg);
        if (rm->p67)
            put8(g, 0x67);
    }
    if (flags & F_LOCK)
        put8(g, 0xf0);
    if (size == 2 || (flags & F_66))
        put8(g, 0x66);
    if (flags & F_F2)
        put8(g, 0xf2);
    if (flags & F_F3)
        put8(g, 0xf3);
}

static void put_opcode(struct gen *g, unsigned int opcode)
{
    if (opcode > 0xffff)
        put8(g, opcode >> 16);
    if (opcode > 0xff)
        put8(g, opcode >> 8 & 255);
    put8(g, opcode & 255);
}

static bool byte_needs_rex(int reg)
{
    return reg >= 4 && reg < 8;
}

void ins(struct gen *g, unsigned int flags, unsigned int opcode, unsigned int size, int reg,
         struct operand rm, unsigned int imm_size, int64_t imm)
{
    bool byte_rm = size == 1 || (flags & F_BYTE_RM), must = false;
    unsigned int rex = size == 8 && !(flags & F_NO_W) ? 8 : 0;

    if (!is_high(reg)) {
        rex |= reg >= 8 ? 4 : 0;
        must |= size == 1 && byte_needs_rex(reg);
    }
    if (rm.kind == OP_REG && !is_high(rm.reg)) {
        rex |= rm.reg >= 8 ? 1 : 0;
        must |= byte_rm && byte_needs_rex(rm.reg);
    } else if (rm.kind == OP_MEM) {
        rex |= (rm.base >= 8 ? 1 : 0) | (rm.index >= 8 ? 2 : 0);
    }
    if (rex || must) { /* no high byte register then */
        reg = plain_of_high(reg);
        if (rm.kind == OP_REG)
            rm.reg = plain_of_high(rm.reg);
    }
    put_prefixes(g, flags, size, &rm);
    if (rex || must)
        put8(g, 0x40 | rex);
    put_opcode(g, opcode);
    put_operand(g, (unsigned int)reg, &rm, 0, imm_size, imm);
}

void ins_low(struct gen *g, unsigned int flags, unsigned int opcode, unsigned int size, int reg,
             unsigned int imm_size, uint64_t imm)
{
    unsigned int rex = (size == 8 && !(flags & F_NO_W) ? 8 : 0) | (!is_high(reg) && reg >= 8);

    put_prefixes(g, flags, size, NULL);
    if (rex || (size == 1 && !is_high(reg) && byte_needs_rex(reg)))
        put8(g, 0x40 | rex);
    put_opcode(g, opcode | ((unsigned int)reg & 7));
    put_imm(g, imm_size, imm);
}

void ins_plain(struct gen *g, unsigned int flags, unsigned int opcode, unsigned int size)
{
    put_prefixes(g, flags, size, NULL);
    if (size == 8 && !(flags & F_NO_W))
        put8(g, 0x48);
    put_opcode(g, opcode);
}

/* R X B of a vector prefix, inverted as encoded. */
static unsigned int vector_rxb(int reg, const struct operand *rm)
{
    unsigned int n = reg & 8 ? 0 : 0x80;
    int x = rm->kind == OP_MEM && rm->index >= 0 ? rm->index & 8 : 0;
    int b = rm->kind == OP_REG                    ? rm->reg & 8
            : rm->kind == OP_MEM && rm->base >= 0 ? rm->base & 8
                                                  : 0;

    if (rm->kind == OP_REG && rm->reg >= 16)
        x = 8;
    return n | (x ? 0 : 0x40) | (b ? 0 : 0x20);
}

void ins_vex(struct gen *g, unsigned int map, unsigned int pp, bool w, bool l, unsigned int opcode,
             int reg, int vvvv, struct operand rm, unsigned int imm_size, int64_t imm)
{
    unsigned int rxb = vector_rxb(reg, &rm);
    unsigned int last = (~(unsigned int)vvvv & 15) << 3 | (unsigned int)l << 2 | pp;

    put_prefixes(g, 0, 4, &rm);
    if (map == 1 && !w && (rxb & 0x60) == 0x60 && gen_chance(g, 80)) {
        put8(g, 0xc5);
        put8(g, (rxb & 0x80) | last);
    } else {
        put8(g, 0xc4);
        put8(g, rxb | map);
        put8(g, (unsigned int)w << 7 | last);
    }
    put8(g, opcode);
    put_operand(g, (unsigned int)reg, &rm, 0, imm_size, imm);
}

void ins_evex(struct gen *g, unsigned int map, unsigned int pp, bool w, struct evex e,
              unsigned int opcode, int reg, int vvvv, struct operand rm, unsigned int imm_size,
              int64_t imm)
{
    bool v4 = vvvv & 16;

    if (rm.kind == OP_MEM && rm.index >= 16)
        v4 = true;
    put_prefixes(g, 0, 4, &rm);
    put8(g, 0x62);
    put8(g, vector_rxb(reg, &rm) | (reg & 16 ? 0 : 0x10) | map);
    put8(g, (unsigned int)w << 7 | (~(unsigned int)vvvv & 15) << 3 | 4 | pp);
    put8(g, (unsigned int)e.z << 7 | (unsigned int)e.ll << 5 | (unsigned int)e.b << 4 |
                (v4 ? 0 : 8) | e.mask);
    put8(g, opcode);
    if (rm.kind == OP_MEM && rm.narrow)
        rm.disp = e.disp8_raw;
    put_operand(g, (unsigned int)reg, &rm, e.disp8_raw, imm_size, imm);
}

void put_mov(struct gen *g, int to, int from)
{
    gen_pointer_changes(g, to);
    if (gen_chance(g, 50))
        ins(g, 0, 0x89, 8, from, op_reg(to), 0, 0);
    else
        ins(g, 0, 0x8b, 8, to, op_reg(from), 0, 0);
}

void put_mov_imm32(struct gen *g, int reg, uint32_t v)
{
    ins_low(g, 0, 0xb8, 4, reg, 4, v);
}

void put_lea(struct gen *g, int reg, struct operand m)
{
    gen_pointer_changes(g, reg);
    ins(g, 0, 0x8d, 8, reg, m, 0, 0);
}

void put_load(struct gen *g, int reg, struct operand m)
{
    gen_pointer_changes(g, reg);
    ins(g, 0, 0x8b, 8, reg, m, 0, 0);
}

void put_store(struct gen *g, struct operand m, int reg)
{
    ins(g, 0, 0x89, 8, reg, m, 0, 0);
}

/* All six status flags from data. */
void put_set_flags(struct gen *g)
{
    int r = gen_data_reg(g);

    switch (gen_below(g, 3)) {
    case 0:
        ins(g, 0, 0x85, 4, r, op_reg(r), 0, 0);
        break;
    case 1:
        ins(g, 0, 0x39, 8, gen_data_reg(g), op_reg(r), 0, 0);
        break;
    default:
        ins(g, 0, 0x83, 4, 7, op_reg(r), 1, (int8_t)gen_random(g));
    }
}

void put_reset_pointer(struct gen *g, int reg)
{
    put_lea(g, reg, op_rip(AT(W_DATA) + 0x300 + gen_below(g, 0x1900)));
}
