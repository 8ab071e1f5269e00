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

void gen_alu(struct gen *g)
{
    alu_op(g);
}
