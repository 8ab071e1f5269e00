/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen_string.c - string instructions, both directions, with and without repeat prefixes.
 * Pointers are kernel or user ones, near page ends now and then. The flags after marked ones
 * are not kept by the translator.
 */
#include "gen.h"

enum { MOVS = 0xa4, CMPS = 0xa6, STOS = 0xaa, LODS = 0xac, SCAS = 0xae };

/* Half of the time where it is; else a place with less room. */
static void aim(struct gen *g, int reg)
{
    uint64_t offset;

    if (gen_chance(g, 50))
        return;
    gen_pointer_changes(g, reg);
    switch (gen_below(g, 6)) {
    case 0:
        offset = USER + PAGE_SIZE - 40 + gen_below(g, 80);
        break;
    case 1:
        offset = USER + 0x200 + gen_below(g, 0x1c00);
        break;
    case 2:
        put_lea(g, reg, op_rip(AT(W_DATA + 1) - 40 + gen_below(g, 80)));
        return;
    case 3:
        put_lea(g, reg, op_rip(AT(W_RO) + 0x800 + gen_below(g, 64)));
        return;
    default:
        put_reset_pointer(g, reg);
        return;
    }
    if (gen_chance(g, 4))
        offset = USER + 2 * PAGE_SIZE - gen_below(g, 80);
    ins_low(g, 0, 0xb8, 8, reg, 8, offset);
}

/* Make a comparison run for a while: equal memory, or the accumulator from there. */
static void prepare_compare(struct gen *g, unsigned int op, unsigned int size)
{
    if (gen_chance(g, 50))
        return;
    if (op == CMPS) {
        put_mov(g, RDI, RSI);
        gen_pointer_changes(g, RDI);
    } else {
        ins(g, 0, 0x8b, size == 1 ? 4 : size, RAX, op_mem(RDI, NO_REG, 1, 0), 0, 0);
    }
}

void gen_string(struct gen *g)
{
    static const uint8_t ops[] = {MOVS, MOVS, MOVS, CMPS, STOS, STOS, LODS, SCAS};
    unsigned int op = ops[gen_below(g, ARRAY_SIZE(ops))], size = gen_size(g);
    unsigned int rep = gen_chance(g, 60) ? (gen_chance(g, 70) ? F_F3 : F_F2) : 0;
    bool down = gen_chance(g, 25), uses_rsi = op == MOVS || op == CMPS || op == LODS;
    bool kernel = gen_chance(g, 15);

    if (kernel) { /* flags stay, unless it is marked */
        g->no_marks = true;
        put_reset_pointer(g, RSI);
        put_reset_pointer(g, RDI);
    } else {
        if (uses_rsi)
            aim(g, RSI);
        if (op != LODS)
            aim(g, RDI);
    }
    if (!kernel &&
        (op == MOVS || op == CMPS)) { /* one of them is good: which fault comes first is open */
        int good = gen_chance(g, 50) ? RSI : RDI;

        gen_pointer_changes(g, good);
        if (gen_chance(g, 50))
            put_reset_pointer(g, good);
        else
            ins_low(g, 0, 0xb8, 8, good, 8, USER + 0x400 + gen_below(g, 0x1800));
    }
    if (op == CMPS || op == SCAS)
        prepare_compare(g, op, size);
    if (rep)
        put_mov_imm32(g, RCX, gen_chance(g, 10) ? gen_below(g, 600) : gen_below(g, 24));
    if (down)
        put8(g, 0xfd); /* std */
    put_set_flags(g);
    if (uses_rsi && gen_chance(g, 5))
        put8(g, g->gs_small && op != CMPS && gen_chance(g, 50) ? 0x65 : 0x2e);
    ins_plain(g, rep, op | (size > 1), size);
    if (down)
        put8(g, 0xfc);
    put_reset_pointer(g, RSI);
    put_reset_pointer(g, RDI);
    if (!kernel && op != CMPS && op != SCAS)
        put_set_flags(g);
}
