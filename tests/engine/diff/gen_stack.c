/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gen_stack.c - the stack: pushes and pops that go together by class, and rsp as a data
 * operand. Nested items leave the depth as it was.
 */
#include "gen.h"

#define MAX_SLOTS 40

static const int8_t pointer_regs[] = {RBX, RBP, RSI, RDI, R12, R13, RSP};

static int any_pointer(struct gen *g)
{
    return pointer_regs[gen_below(g, ARRAY_SIZE(pointer_regs))];
}

static int free_pointer(struct gen *g)
{
    return gen_chance(g, 50) ? RSI : RDI;
}

static void pushed(struct gen *g, enum slot slot)
{
    g->slots[g->nr_slots++] = slot;
    g->sp -= slot == SLOT_DATA2 ? 2 : 8;
}

/* A 16-bit push leaves rsp odd by two: fine for the CPU. */
static void push_item(struct gen *g)
{
    switch (gen_below(g, 9)) {
    case 0:
    case 1:
        ins_low(g, F_NO_W, 0x50, 8, gen_data_reg(g), 0, 0);
        pushed(g, SLOT_DATA);
        break;
    case 2:
        ins_low(g, F_NO_W, 0x50, 8, any_pointer(g), 0, 0);
        pushed(g, SLOT_POINTER);
        break;
    case 3:
        put8(g, 0x6a);
        put8(g, (unsigned int)gen_random(g) & 255);
        pushed(g, SLOT_DATA);
        break;
    case 4:
        put8(g, 0x68);
        put32(g, (uint32_t)gen_value(g));
        pushed(g, SLOT_DATA);
        break;
    case 5:
        ins(g, F_NO_W, 0xff, 8, 6, gen_mem(g), 0, 0);
        pushed(g, SLOT_DATA);
        break;
    case 6:
        ins_low(g, 0, 0x50, 2, (int)gen_below(g, 16), 0, 0);
        pushed(g, SLOT_DATA2);
        break;
    case 7:
        ins(g, 0, 0xff, 2, 6, gen_mem(g), 0, 0);
        pushed(g, SLOT_DATA2);
        break;
    default:
        put8(g, 0x9c);
        pushed(g, SLOT_FLAGS);
    }
}

static void pop_item(struct gen *g)
{
    enum slot slot = g->slots[--g->nr_slots];

    g->sp += slot == SLOT_DATA2 ? 2 : 8;
    switch (slot) {
    case SLOT_POINTER:
        if (gen_chance(g, 50)) {
            int reg = free_pointer(g);

            ins_low(g, F_NO_W, 0x58, 8, reg, 0, 0);
            gen_pointer_changes(g, reg);
            put_reset_pointer(g, reg);
        } else {
            ins(g, F_NO_W, 0x8f, 8, 0, gen_pointer_slot(g), 0, 0);
        }
        break;
    case SLOT_DATA2:
        if (gen_chance(g, 50))
            ins_low(g, 0, 0x58, 2, gen_data_reg(g), 0, 0);
        else
            ins(g, 0, 0x8f, 2, 0, gen_mem(g), 0, 0);
        break;
    case SLOT_FLAGS:
        if (gen_chance(g, 50)) {
            put8(g, 0x9d);
            break;
        }
        __attribute__((fallthrough));
    default:
        if (gen_chance(g, 50))
            ins_low(g, F_NO_W, 0x58, 8, gen_data_reg(g), 0, 0);
        else
            ins(g, F_NO_W, 0x8f, 8, 0, gen_mem(g), 0, 0);
    }
}

/* Flags of all kinds but TF and DF: from data. */
static void popf_item(struct gen *g)
{
    unsigned int flags = (unsigned int)gen_random(g) & 0x2048d5;

    if (gen_chance(g, 5))
        flags |= EFLAGS_AC | EFLAGS_NT;
    put8(g, 0x68);
    put32(g, flags);
    put8(g, 0x9d);
    if (gen_chance(g, 50)) { /* and back without */
        put8(g, 0x68);
        put32(g, flags & 0x8d5);
        put8(g, 0x9d);
    }
}

static void balanced_item(struct gen *g)
{
    int reg = gen_data_reg(g);

    switch (gen_below(g, 5)) {
    case 0: /* 66 pushf, popf */
        put8(g, 0x66);
        put8(g, 0x9c);
        put8(g, 0x66);
        put8(g, 0x9d);
        break;
    case 1:
        popf_item(g);
        break;
    case 2: /* an access around rsp while it is lower */
        ins_low(g, F_NO_W, 0x50, 8, reg, 0, 0);
        ins(g, F_NO_W, 0x8f, 8, 0, op_mem(RSP, gen_chance(g, 30) ? R14 : NO_REG, 8, 0x20 - g->sp),
            0, 0);
        break;
    case 3: /* enter and leave: rbp is saved */
        put8(g, 0xc8);
        put8(g, gen_below(g, 64) * 8);
        put8(g, 0);
        put8(g, g->odd_bases ? 0 : gen_below(g, 3)); /* level: copies from below rbp */
        put_set_flags(g);
        put8(g, 0xc9);
        break;
    default: /* push rbp; mov rbp, rsp; ...; leave */
        put8(g, 0x55);
        put_mov(g, RBP, RSP);
        ins(g, 0, 0x83, 8, 5, op_reg(RSP), 1, 8 * gen_below(g, 8));
        put_set_flags(g);
        put8(g, 0xc9);
    }
}

void gen_stack(struct gen *g)
{
    if (g->depth || gen_chance(g, 25))
        balanced_item(g);
    else if (g->nr_slots < MAX_SLOTS && (!g->nr_slots || gen_chance(g, 60)))
        push_item(g);
    else
        pop_item(g);
}

/* rsp goes to a place from where it comes back; what happens between does not use the stack. */
static void save_rsp(struct gen *g, int reg, struct operand slot, bool in_reg)
{
    if (in_reg)
        put_mov(g, reg, RSP);
    else
        put_store(g, slot, RSP);
}

static void restore_rsp(struct gen *g, int reg, struct operand slot, bool in_reg)
{
    if (in_reg && gen_chance(g, 30))
        put_lea(g, RSP, op_mem(reg, NO_REG, 1, 0));
    else if (in_reg)
        put_mov(g, RSP, reg);
    else
        put_load(g, RSP, slot);
}

/* Anything to rsp, at any size: it comes back afterwards. Do flags depend on it then? */
static bool spoil_rsp(struct gen *g, int saved)
{
    unsigned int size = gen_size(g), wide = size > 1;
    int reg = gen_data_reg(g), other = saved == RSI ? RDI : RSI;
    struct operand slot;

    unsigned int kind = gen_below(g, 22);

    switch (kind) {
    case 0:
        ins(g, 0, gen_below(g, 8) << 3 | wide, size, reg, op_reg(RSP), 0, 0);
        break;
    case 1:
        ins(g, 0, gen_below(g, 8) << 3 | 2 | wide, size, RSP,
            op_rip(AT(W_DATA) + gen_below(g, 0x1f00)), 0, 0);
        break;
    case 2:
        ins(g, 0, wide ? 0x83 : 0x80, size, (int)gen_below(g, 8), op_reg(RSP), 1,
            (int8_t)gen_random(g));
        break;
    case 3:
        if (wide)
            ins(g, 0, 0x81, size, (int)gen_below(g, 8), op_reg(RSP), size == 2 ? 2 : 4,
                (int64_t)gen_value(g));
        else
            ins(g, 0, 0xfe, size, (int)gen_below(g, 2), op_reg(RSP), 0, 0);
        break;
    case 4:
        ins(g, 0, 0xc0 | wide, size, (int)gen_below(g, 8), op_reg(RSP), 1, (int64_t)gen_random(g));
        break;
    case 5:
        put_lea(g, RSP, op_mem(RSP, gen_data_reg(g), 1 << gen_below(g, 4), (int32_t)gen_random(g)));
        break;
    case 6:
        put_lea(g, RSP,
                op_mem(gen_data_reg(g), gen_chance(g, 50) ? gen_data_reg(g) : NO_REG,
                       1 << gen_below(g, 4), (int32_t)gen_random(g)));
        break;
    case 7:
        put_lea(g, RSP,
                op_mem(NO_REG, gen_data_reg(g), 1 << gen_below(g, 4), (int32_t)gen_random(g)));
        break;
    case 8:
        put_lea(g, RSP, op_rip(gen_below(g, 0x10000)));
        break;
    case 9:
        ins(g, 0, 0x8d, gen_below(g, 2) ? 4 : 2, RSP,
            op_mem(gen_chance(g, 50) ? RSP : reg, gen_data_reg(g), 2, 77), 0, 0);
        break;
    case 10:
        put_mov(g, RSP, reg);
        break;
    case 11:
        put_mov(g, other, RSP);
        ins(g, 0, 0x87, 8, other, op_reg(RSP), 0, 0);
        put_reset_pointer(g, other);
        break;
    case 12:
        slot = op_rip(AT(W_POINTERS) + 0xe00 + gen_below(g, 0x1f0));
        ins(g, 0, 0x0fc0 | wide, size, RSP, slot, 0, 0);
        ins(g, 0, 0xc7, 8, 0, slot, 4, 0); /* its sum is no pointer */
        break;
    case 13: /* cmov */
        ins(g, 0, 0x0f40 | gen_below(g, 16), gen_size2(g), RSP, op_reg(reg), 0, 0);
        break;
    case 14:
        ins_low(g, 0, 0x0fc8, gen_below(g, 2) ? 8 : 4, RSP, 0, 0);
        break;
    case 15:
        ins(g, 0, 0xf6 | wide, size, 2 + (int)gen_below(g, 2), op_reg(RSP), 0, 0);
        break;
    case 16:
        ins(g, 0, 0x69, wide ? size : 4, RSP, op_reg(reg), wide && size == 2 ? 2 : 4,
            (int64_t)gen_value(g));
        break;
    case 17:
        ins(g, 0, 0x0fba, gen_size2(g), 5 + (int)gen_below(g, 3), op_reg(RSP), 1,
            (int64_t)gen_random(g));
        break;
    case 18: /* movzx, movsx, movsxd into rsp */
        if (gen_chance(g, 50))
            ins(g, F_BYTE_RM, gen_below(g, 2) ? 0x0fb6 : 0x0fbe, gen_size2(g), RSP,
                op_reg(gen_chance(g, 50) ? RSP : reg), 0, 0);
        else
            ins(g, 0, 0x63, 8, RSP, op_reg(RSP), 0, 0);
        break;
    case 19:
        ins(g, 0, 0x0f90 | gen_below(g, 16), 1, 0, op_reg(RSP), 0, 0);
        break;
    case 20:
        ins_vex(g, 2, 0, gen_chance(g, 50), false, 0xf2, RSP, RSP, op_reg(reg), 0, 0);
        break;
    default:
        ins_low(g, 0, wide ? 0xb8 : 0xb0, size, RSP, size, gen_value(g));
    }
    return kind < 5 || kind == 12 || (kind >= 15 && kind <= 17) || kind == 20;
}

/* rsp as a source whose 64 bits matter: the result is a pointer or thrown away. Do flags
 * depend on it? */
static bool read_rsp(struct gen *g)
{
    struct operand slot = gen_pointer_slot(g);
    int reg = free_pointer(g);
    unsigned int kind = gen_below(g, 10);

    switch (kind) {
    case 0:
        put_store(g, slot, RSP);
        ins(g, 0, 0x39, 8, RSP, slot, 0, 0);
        break;
    case 1:
        put_lea(g, reg,
                op_mem(RSP, gen_chance(g, 60) ? gen_data_reg(g) : NO_REG, 1 << gen_below(g, 4),
                       (int32_t)gen_random(g)));
        break;
    case 2: /* destination is the index */
        put_mov_imm32(g, reg, (uint32_t)gen_random(g));
        put_lea(g, reg, op_mem(RSP, reg, 1 << gen_below(g, 4), (int32_t)gen_random(g)));
        break;
    case 3:
        put_mov(g, reg, RSP);
        ins(g, 0, 0x29, 8, RSP, op_reg(reg), 0, 0);
        ins(g, 0, 0x89, 8, reg, op_reg(gen_data_reg(g)), 0, 0); /* 0 */
        break;
    case 4:
        put_mov(g, reg, RSP);
        ins(g, 0, 0x3b, 8, RSP, op_reg(reg), 0, 0);
        break;
    case 5: /* lock cmpxchg with rsp: the accumulator ends as data */
        put_store(g, slot, RSP);
        ins(g, 0, 0x31, 4, RAX, op_reg(RAX), 0, 0);
        ins(g, F_LOCK, 0x0fb1, 8, RSP, slot, 0, 0);
        ins(g, 0, 0x31, 4, RAX, op_reg(RAX), 0, 0);
        break;
    case 6:
        ins(g, 0, 0x87, 8, reg, op_reg(RSP), 0, 0);
        ins(g, 0, 0x87, 8, reg, op_reg(RSP), 0, 0);
        break;
    case 7:
        put_store(g, slot, RSP);
        ins(g, 0, 0x87, 8, RSP, slot, 0, 0);
        break;
    case 8: /* push rsp; pop rsp and through memory at rsp */
        if (gen_chance(g, 50)) {
            put8(g, 0x54);
            put8(g, 0x5c);
        } else {
            put8(g, 0x54);
            put_load(g, RSP, op_mem(RSP, NO_REG, 1, 0));
        }
        break;
    default: /* 16-bit push and pop of sp; stores at rsp of rsp */
        put8(g, 0x66);
        put8(g, 0x54);
        put8(g, 0x66);
        put8(g, 0x5c);
        put_store(g, op_mem(RSP, NO_REG, 1, -0x40), RSP);
    }
    put_store(g, op_rip(AT(W_POINTERS) + 0x28 + 8 * gen_below(g, 3)), reg);
    put_reset_pointer(g, reg);
    return kind == 0 || (kind >= 3 && kind <= 5);
}

void gen_rsp(struct gen *g)
{
    struct operand slot = gen_pointer_slot(g);
    int reg = free_pointer(g);
    bool in_reg = gen_chance(g, 50), flags = false;

    if (gen_chance(g, 40)) {
        flags = read_rsp(g);
    } else {
        save_rsp(g, reg, slot, in_reg);
        for (unsigned int n = 1 + gen_below(g, 3); n; n--)
            flags |= spoil_rsp(g, reg);
        restore_rsp(g, reg, slot, in_reg);
        if (in_reg)
            put_reset_pointer(g, reg);
    }
    if (flags)
        put_set_flags(g);
}
