/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen_flow.c - control flow: jumps of all kinds over a few nested items, loops, calls and
 * returns, code that changes code; and what ends a sequence with a fault.
 */
#include "gen.h"

#define MAX_DEPTH 3

static void patch8(struct gen *g, uint32_t at)
{
    g->s->code[at] = (uint8_t)(g->at - at - 1);
}

static void patch32(struct gen *g, uint32_t at)
{
    uint32_t d = g->at - at - 4;

    __builtin_memcpy(g->s->code + at, &d, 4);
}

static void few_items(struct gen *g, unsigned int most)
{
    if (g->depth < MAX_DEPTH)
        gen_nested(g, gen_below(g, most + 1));
}

/* Address of code that is not written yet: returns where op_rip's displacement is. */
static uint32_t lea_code(struct gen *g, int reg)
{
    put_lea(g, reg, op_rip(0));
    return g->at - 4;
}

static struct operand code_slot(struct gen *g)
{
    return op_rip(AT(W_POINTERS) + 8 * (8 + gen_below(g, 400)));
}

static void conditional(struct gen *g)
{
    uint32_t at;

    if (gen_chance(g, 50)) {
        put8(g, 0x0f);
        put8(g, 0x80 | gen_below(g, 16));
        put32(g, 0);
        at = g->at - 4;
        few_items(g, 3);
        patch32(g, at);
    } else { /* a nested item may be too long for a short jump over more */
        put8(g, 0x70 | gen_below(g, 16));
        put8(g, 0);
        at = g->at - 1;
        put_set_flags(g);
        patch8(g, at);
    }
}

/* loop loope loopne jrcxz, with 67 ecx; forward. */
static void counted(struct gen *g)
{
    uint32_t at;

    if (gen_chance(g, 60))
        put_mov_imm32(g, RCX, gen_below(g, 3));
    if (gen_chance(g, 20))
        put8(g, 0x67);
    put8(g, 0xe0 | gen_below(g, 4));
    put8(g, 0);
    at = g->at - 1;
    put_set_flags(g);
    patch8(g, at);
}

static void backward(struct gen *g)
{
    uint32_t top;
    struct operand counter = op_rip(AT(W_POINTERS) + 8 * (1 + g->depth));

    if (gen_chance(g, 50)) { /* short, by loop */
        put_mov_imm32(g, RCX, 1 + gen_below(g, 6));
        top = g->at;
        put_set_flags(g);
        ins(g, 0, 0x00, 1, R8, gen_good_mem(g), 0, 0);
        put8(g, 0xe2);
        put8(g, top - g->at - 1);
        return;
    }
    ins(g, 0, 0xc7, 4, 0, counter, 4, 2 + gen_below(g, 3));
    top = g->at;
    few_items(g, 2);
    ins(g, 0, 0xff, 4, 1, counter, 0, 0);
    put8(g, 0x0f);
    put8(g, 0x85);
    put32(g, top - g->at - 4);
}

static void jump(struct gen *g)
{
    uint32_t at, address;
    int reg = gen_chance(g, 50) ? RSI : RDI;
    struct operand slot = code_slot(g);

    switch (gen_below(g, 5)) {
    case 0:
        put8(g, 0xe9);
        put32(g, 0);
        at = g->at - 4;
        few_items(g, 2);
        patch32(g, at);
        return;
    case 1:
        put8(g, 0xeb);
        put8(g, 2);
        put8(g, 0x0f);
        put8(g, 0x0b);
        return;
    case 2:
        address = lea_code(g, reg);
        ins(g, F_NO_W, 0xff, 8, 4, op_reg(reg), 0, 0);
        break;
    case 3:
        address = lea_code(g, reg);
        put_store(g, slot, reg);
        ins(g, F_NO_W, 0xff, 8, 4, slot, 0, 0);
        break;
    default: /* through a base, in the stack or by an index */
        address = lea_code(g, reg);
        put_store(g, slot, reg);
        put_lea(g, reg, slot);
        ins(g, F_NO_W, 0xff, 8, 4, op_mem(reg, NO_REG, 1, 0), 0, 0);
    }
    few_items(g, 2);
    patch32(g, address);
    put_reset_pointer(g, reg);
}

/* jmp over; function: items, ret; over: the call, of one kind or another. */
static void call(struct gen *g)
{
    int reg = gen_chance(g, 50) ? RSI : RDI;
    struct operand slot = code_slot(g);
    bool drop = gen_chance(g, 25);
    uint32_t at, function;
    int32_t sp = g->sp;

    put8(g, 0xe9);
    put32(g, 0);
    at = g->at - 4;
    function = g->at;
    g->sp = sp - (drop ? 16 : 8);
    put_reset_pointer(g, reg); /* it may hold the function's address */
    few_items(g, 2);
    g->sp = sp;
    if (gen_chance(g, 5))
        put8(g, 0xf3);
    if (drop) {
        put8(g, 0xc2);
        put8(g, 8);
        put8(g, 0);
    } else {
        put8(g, 0xc3);
    }
    patch32(g, at);
    for (unsigned int n = 1 + gen_below(g, 2); n; n--) {
        if (drop)
            ins_low(g, F_NO_W, 0x50, 8, gen_data_reg(g), 0, 0);
        switch (gen_below(g, 4)) {
        case 0:
        case 1:
            put8(g, 0xe8);
            put32(g, function - g->at - 4);
            break;
        case 2:
            put_lea(g, reg, op_rip(AT(W_CODE) + function));
            ins(g, F_NO_W, 0xff, 8, 2, op_reg(reg), 0, 0);
            break;
        default:
            put_lea(g, reg, op_rip(AT(W_CODE) + function));
            put_store(g, slot, reg);
            ins(g, F_NO_W, 0xff, 8, 2, slot, 0, 0);
        }
        put_reset_pointer(g, reg);
    }
}

/* Through memory at rsp, and rsp itself as a target's holder. */
static void odd_call(struct gen *g)
{
    uint32_t address = lea_code(g, RDI);

    switch (gen_below(g, 3)) {
    case 0: /* push rdi; call [rsp]; L: pop; pop */
        put8(g, 0x57);
        ins(g, F_NO_W, 0xff, 8, 2, op_mem(RSP, NO_REG, 1, 0), 0, 0);
        put8(g, 0xf4);
        patch32(g, address);
        put8(g, 0x5f);
        put8(g, 0x5f);
        break;
    case 1: /* push rdi; ret */
        put8(g, 0x57);
        put8(g, 0xc3);
        put8(g, 0xf4);
        patch32(g, address);
        break;
    default: /* xchg rsp, rdi; jmp rsp; L: xchg back */
        ins(g, 0, 0x87, 8, RSP, op_reg(RDI), 0, 0);
        ins(g, F_NO_W, 0xff, 8, 4, op_reg(RSP), 0, 0);
        put8(g, 0xf4);
        patch32(g, address);
        ins(g, 0, 0x87, 8, RSP, op_reg(RDI), 0, 0);
    }
    put_reset_pointer(g, RDI);
}

/* Write into code ahead, then jump there. */
static void change_code(struct gen *g)
{
    uint32_t store, over, target;
    bool wide = gen_chance(g, 50), twice = gen_chance(g, 50);
    struct operand m = op_rip(0);

    if (twice) { /* run it unchanged first */
        put8(g, 0xe8);
        put32(g, 0);
        over = g->at - 4;
    }
    ins(g, 0, wide ? 0xc7 : 0xc6, wide ? 4 : 1, 0, m, wide ? 4 : 1, (int64_t)gen_random(g));
    store = g->at - (wide ? 8 : 5);
    if (twice) {
        put8(g, 0xe8);
        put32(g, 0);
        target = g->at - 4;
        put8(g, 0xeb);
        put8(g, 6);
        patch32(g, over);
    } else {
        put8(g, 0xe9);
        put32(g, 0);
        target = g->at - 4;
        put8(g, 0xcc);
    }
    patch32(g, target);
    put_mov_imm32(g, R8 + (int)gen_below(g, 4) % 4, (uint32_t)gen_random(g)); /* 6 bytes */
    {
        uint32_t d = g->at - 4 - (store + 4 + (wide ? 4 : 1));

        __builtin_memcpy(g->s->code + store, &d, 4);
    }
    if (twice) {
        put8(g, 0xc3);
        /* the short jump's target: past the ret */
        g->s->code[g->at - 8] = 7;
    }
}

/* Write into the code that comes next, or nearly, without a jump. */
static void change_next(struct gen *g)
{
    bool wide = gen_chance(g, 50), string = gen_chance(g, 20);
    unsigned int imm = wide ? 4 : 1;
    uint32_t store, d;

    if (string) {
        put_lea(g, RDI, op_rip(0));
        store = g->at - 4;
        put_mov_imm32(g, RCX, 1 + gen_below(g, 3));
        ins_plain(g, F_F3, 0xaa, 1);
        imm = 0;
    } else {
        ins(g, 0, wide ? 0xc7 : 0xc6, wide ? 4 : 1, 0, op_rip(0), imm, (int64_t)gen_random(g));
        store = g->at - 4 - imm;
    }
    for (unsigned int n = gen_below(g, 3); n; n--)
        ins(g, 0, 0x8d, 4, gen_data_reg(g), op_mem(R14, NO_REG, 1, 5), 0, 0);
    put_mov_imm32(g, R8 + (int)gen_below(g, 4), (uint32_t)gen_random(g));
    d = g->at - 4 - (store + 4 + imm);
    __builtin_memcpy(g->s->code + store, &d, 4);
    if (string) {
        put_reset_pointer(g, RDI);
        put_set_flags(g);
    }
}

/* A function that its caller changes between calls from the same place. */
static void change_in_loop(struct gen *g)
{
    struct operand counter = op_rip(AT(W_POINTERS) + 8 * (1 + g->depth));
    uint32_t over, function, top;

    put8(g, 0xe9);
    put32(g, 0);
    over = g->at - 4;
    function = g->at;
    put_mov_imm32(g, R8 + (int)gen_below(g, 4), (uint32_t)gen_random(g));
    put8(g, 0xc3);
    patch32(g, over);
    ins(g, 0, 0xc7, 4, 0, counter, 4, 2 + gen_below(g, 2));
    top = g->at;
    put8(g, 0xe8);
    put32(g, function - g->at - 4);
    ins(g, 0, gen_chance(g, 50) ? 0x01 : 0x89, 4, gen_data_reg(g),
        op_rip(AT(W_CODE) + function + 2), 0, 0);
    ins(g, 0, 0xff, 4, 1, counter, 0, 0);
    put8(g, 0x0f);
    put8(g, 0x85);
    put32(g, top - g->at - 4);
}

void gen_flow(struct gen *g)
{
    unsigned int n = gen_below(g, 100);

    if (n < 30)
        conditional(g);
    else if (n < 42)
        counted(g);
    else if (n < 50)
        backward(g);
    else if (n < 65)
        jump(g);
    else if (n < 85)
        call(g);
    else if (n < 91)
        odd_call(g);
    else if (n < 94)
        change_code(g);
    else if (n < 97)
        change_next(g);
    else
        change_in_loop(g);
}

/* The last item: it faults, or nearly. */
void gen_end(struct gen *g)
{
    /* push pop pushf popf call ret leave push-imm enter */
    static const uint8_t stack_opcodes[] = {0x50, 0x58, 0x9c, 0x9d, 0xe8, 0xc3, 0x6a, 0xc8};
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x90};
    int reg = gen_chance(g, 50) ? RSI : RDI;

    switch (gen_below(g, 13)) {
    case 9: /* an indirect call there */
        put_lea(g, RSP, op_rip(AT(W_RO) + 8 * gen_below(g, 9)));
        put_lea(g, reg, op_rip(AT(W_EXIT)));
        ins(g, F_NO_W, 0xff, 8, 2, op_reg(reg), 0, 0);
        break;
    case 10: /* a jump or call through memory that is not there, or not canonical */
        put_lea(g, reg, op_rip(AT(W_DATA + 2) - 7 + gen_below(g, 24)));
        if (gen_chance(g, 30))
            ins_low(g, 0, 0xb8, 8, reg, 8, 0x900000000000);
        ins(g, F_NO_W, 0xff, 8, gen_chance(g, 50) ? 2 : 4, op_mem(reg, NO_REG, 1, 0), 0, 0);
        break;
    case 11: /* a stack that is not canonical */
        ins_low(g, 0, 0xb8, 8, RSP, 8,
                gen_chance(g, 50) ? 0x800000000008ull + gen_below(g, 17) : 0xffff7fffffffff00);
        put8(g, stack_opcodes[gen_below(g, ARRAY_SIZE(stack_opcodes))]);
        put32(g, 0x10);
        break;
    case 12: /* an operand that is not canonical, with all kinds of segment prefixes */
        ins_low(g, 0, 0xb8, 8, gen_chance(g, 50) ? RBP : reg, 8, 0x800000000000 - gen_below(g, 8));
        put8(g, segments[gen_below(g, ARRAY_SIZE(segments))]);
        ins(g, 0, gen_chance(g, 50) ? 0x8b : 0x87, 8, gen_data_reg(g),
            op_mem(gen_chance(g, 50) ? RBP : reg, NO_REG, 1, 0), 0, 0);
        break;
    case 0:
        put8(g, 0x0f);
        put8(g, 0x0b);
        break;
    case 1: /* into the hole */
        put8(g, 0xe9);
        put32(g, (uint32_t)(AT(W_CODE + 2) + gen_below(g, 16) - (AT(W_CODE) + g->at + 4)));
        break;
    case 2: /* into data */
        put_lea(g, reg, op_rip(AT(W_DATA) + gen_below(g, 0x1000)));
        ins(g, F_NO_W, 0xff, 8, gen_chance(g, 50) ? 2 : 4, op_reg(reg), 0, 0);
        break;
    case 3: /* a stack in the hole or the read-only page */
        put_lea(g, RSP,
                op_rip((gen_chance(g, 50) ? AT(W_RO) : AT(W_RO + 1)) + 8 * gen_below(g, 9)));
        put8(g, gen_chance(g, 30) ? 0x5f : gen_chance(g, 50) ? 0x53 : 0x9c);
        break;
    case 4: /* call there */
        put_lea(g, RSP, op_rip(AT(W_RO) + 8 * gen_below(g, 9)));
        put8(g, 0xe8);
        put32(g, 4);
        break;
    case 5: /* ret there */
        put_lea(g, RSP, op_rip(AT(W_RO + 1) + 8 * gen_below(g, 9)));
        put8(g, 0xc3);
        break;
    case 6: /* leave there */
        put_lea(g, RBP, op_rip(AT(W_DATA + 2) - 16 + gen_below(g, 32)));
        put8(g, 0xc9);
        break;
    case 7: /* a user stack */
        ins_low(g, 0, 0xb8, 8, RSP, 8, USER + 0x800 + 8 * gen_below(g, 8));
        ins_low(g, F_NO_W, gen_chance(g, 50) ? 0x50 : 0x58, 8, gen_data_reg(g), 0, 0);
        put_set_flags(g);
        break;
    default:
        put8(g, 0xcc);
    }
}
