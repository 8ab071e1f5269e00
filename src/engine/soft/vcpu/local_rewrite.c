/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * local_rewrite.c - see local_rewrite.h.
 *
 * An access borrows three registers: one that the instruction does not use, which ends up with the
 * host address, rax and another. What was in them is in soft.scratch and soft.save[], and is
 * back, but for the first, when the instruction itself runs. An instruction that accesses memory
 * twice has both addresses looked up before it does anything, so that a fault finds nothing done.
 *
 * The address is chosen by cmov, not by the branch: a processor that guesses the branch wrong uses
 * address 0, not one of the program's choice.
 */
#include "engine/soft/vcpu/local_rewrite.h"

#include "engine/soft/vcpu/emit.h"
#include "engine/soft/vcpu/local.h"
#include "engine/soft/vcpu/rewrite.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"

#define TLB_SHIFT 7 /* PAGE_SHIFT - log2(sizeof(struct soft_tlb_entry)) */
#define TLB_INDEX ((uint32_t)(sizeof(local_tlb) - sizeof(local_tlb[0])))

_Static_assert(sizeof(struct soft_tlb_entry) == 1 << (PAGE_SHIFT - TLB_SHIFT), "TLB_SHIFT");

/* An access to memory: base + index * scale + disp, or an absolute address. */
struct operand {
    int8_t base, index;
    uint8_t scale, seg;
    int32_t disp;
    uint64_t absolute;
    bool is_absolute;
    uint8_t size;
    bool write;
};

/* ModRM operand of `in` at pc. False: not one that can be looked up. */
static bool operand_of(const struct insn *in, uint64_t pc, unsigned int size, bool write,
                       struct operand *ret)
{
    if (in->vsib || in->prefix_67 || !size || size > 64)
        return false;
    *ret = (struct operand){.base = in->base,
                            .index = in->index,
                            .scale = in->scale,
                            .seg = in->seg == 0x64 || in->seg == 0x65 ? in->seg : 0,
                            .disp = in->disp,
                            .is_absolute = in->rip_rel,
                            .size = (uint8_t)size,
                            .write = write};
    if (in->rip_rel)
        ret->absolute = pc + in->len + (uint64_t)(int64_t)in->disp;
    return true;
}

static struct operand stack_operand(int base, int32_t disp, bool write)
{
    return (struct operand){
        .base = (int8_t)base, .index = -1, .scale = 1, .disp = disp, .size = 8, .write = write};
}

/* Not rax, which the flags go through. Encodable without REX if it must be. */
static int pick_register(const struct insn *in)
{
    static const uint8_t order[] = {RCX, RDX, RBX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13};

    for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
        if (!(in->gprs >> order[i] & 1) && !(in->high_byte && order[i] > RDI))
            return order[i];
    return -1;
}

/* op reg64, [abs32] */
static void emit_abs_op(unsigned int op, int reg, const void *slot)
{
    emit_8(0x48 | (unsigned int)(reg >> 3) << 2);
    emit_8(op);
    emit_8(4 | (unsigned int)(reg & 7) << 3);
    emit_8(0x25);
    emit_32(emit_abs(slot));
}

/* op reg64, [rax + disp32] */
static void emit_tlb_op(unsigned int op, int reg, const void *field)
{
    emit_8(0x48 | (unsigned int)(reg >> 3) << 2);
    emit_8(op);
    emit_8(0x80 | (unsigned int)(reg & 7) << 3);
    emit_32(emit_abs(field));
}

static void emit_address(int x, int other, const struct operand *o)
{
    if (o->is_absolute)
        emit_mov_imm(x, o->absolute);
    else
        emit_lea(x, o->base, o->index, o->scale, o->disp);
    if (o->seg) {
        emit_load(other, o->seg == 0x64 ? &vcpu.fs_base : &vcpu.gs_base);
        emit_lea(x, x, other, 1, 0);
    }
    emit_store(x, &soft.ea);
}

/* eax = offset of the page's entry */
static void emit_tlb_index(int x)
{
    if (x >> 3)
        emit_8(0x44);
    emit_8(0x89); /* mov eax, x */
    emit_8(0xc0 | (unsigned int)(x & 7) << 3);
    emit_8(0xc1); /* shr eax, TLB_SHIFT */
    emit_8(0xe8);
    emit_8(TLB_SHIFT);
    emit_8(0x25); /* and eax, TLB_INDEX */
    emit_32(TLB_INDEX);
}

/* x = host address of soft.ea = x, or 0 and "not equal". Uses rax and `other`. */
static void emit_tlb_lookup(int x, int other, const struct operand *o)
{
    const struct soft_tlb_entry *e = local_tlb;

    emit_lea(other, x, -1, 1, o->size - 1); /* an access over the page's end never matches */
    emit_8(0x48 | (unsigned int)other >> 3);
    emit_8(0x81); /* and other, PAGE_MASK */
    emit_8(0xe0 | (unsigned int)(other & 7));
    emit_32((uint32_t)PAGE_MASK);
    emit_abs_op(0x0b, other, &soft.asid); /* or */
    emit_tlb_index(x);
    emit_tlb_op(0x3b, other, o->write ? &e->tag_write : &e->tag_read); /* cmp */
    emit_tlb_op(0x8b, other, &e->delta);                               /* mov */
    emit_lea(x, x, other, 1, 0);
    emit_mov_imm32(other, 0);
    emit_8(0x48 | (unsigned int)(x >> 3) << 2 | (unsigned int)other >> 3);
    emit_8(0x0f); /* cmovne x, other */
    emit_8(0x45);
    emit_8(0xc0 | (unsigned int)(x & 7) << 3 | (unsigned int)(other & 7));
}

static void emit_flags_save(void)
{
    emit_8(0x9f); /* lahf */
    emit_8(0x0f); /* seto al */
    emit_8(0x90);
    emit_8(0xc0);
    emit_store(RAX, &soft.save[2]);
}

static void emit_flags_restore(void)
{
    emit_load(RAX, &soft.save[2]);
    emit_8(0x04); /* add al, 0x7f: overflow */
    emit_8(0x7f);
    emit_8(0x9e); /* sahf */
}

/* x = host address of the operand; the other registers are as they were, and x in soft.scratch. */
static void emit_resolve(int x, const struct operand *o, struct cache_insn *record)
{
    int other = x == RDX ? RCX : RDX;
    uint8_t *hit, *done, *ret;

    record->fixup |= FIX_SCRATCH | FIX_RESOLVED;
    record->reg = (uint8_t)x;
    emit_store(x, &soft.scratch);
    emit_store(RAX, &soft.save[0]);
    emit_store(other, &soft.save[1]);
    emit_address(x, other, o);
    emit_flags_save();
    emit_tlb_lookup(x, other, o);
    hit = emit_jump_short(0x74); /* je */
    emit_flags_restore();
    emit_load(RAX, &soft.save[0]);
    emit_load(other, &soft.save[1]);
    emit_load(x, &soft.scratch);
    emit_store_imm(&soft.ea_info, (o->size - 1) | (o->write ? 1 << 16 : 0));
    emit_store_imm(&soft.ea_ret, 0);
    ret = emit_at - 4;
    emit_jmp(local_resolve_slow);
    {
        uint32_t here = emit_abs(emit_at);

        __builtin_memcpy(ret, &here, 4);
    }
    emit_load(x, &soft.ea_host);
    done = emit_jump_short(0xeb);
    emit_land(hit);
    emit_flags_restore();
    emit_load(RAX, &soft.save[0]);
    emit_load(other, &soft.save[1]);
    emit_land(done);
}

/* mov qword [x], reg / mov reg, [x] */
static void emit_store_at(int x, int reg)
{
    emit_mem(0, 0x89, reg, x, -1, 1, 0);
}

static void emit_load_at(int reg, int x)
{
    emit_mem(0, 0x8b, reg, x, -1, 1, 0);
}

static void emit_store_imm_at(int x, int32_t value)
{
    emit_8(0x48 | (unsigned int)x >> 3);
    emit_8(0xc7); /* mov qword [x + 0], value */
    emit_8(0x84);
    emit_8(0x20 | (unsigned int)(x & 7));
    emit_32(0);
    emit_32((uint32_t)value);
}

/* ---- instructions ---- */

static bool rewrite_memory(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                           struct cache_insn *record)
{
    struct insn_edit e = {.seg = 0, .mem = MEM_BASE, .from = -1};
    uint8_t *start = emit_at;
    struct operand o;
    int n, x = pick_register(in);

    if (x < 0 || rewrite_is_bit_string(in) || rewrite_is_masked(in, bytes) ||
        !operand_of(in, pc, in->mem_size, in->mem_write, &o))
        return false;
    e.base = (uint8_t)x;
    emit_resolve(x, &o, record);
    n = insn_reencode(in, bytes, &e, emit_at);
    if (n < 0) {
        emit_at = start;
        return false;
    }
    emit_at += n;
    emit_load(x, &soft.scratch);
    return true;
}

static bool rewrite_lea(const struct insn *in, const uint8_t *bytes, uint64_t pc)
{
    uint64_t target = pc + in->len + (uint64_t)(int64_t)in->disp;

    if (!in->rip_rel)
        emit_copy(bytes, in->len);
    else if (in->opsize == 8 && !in->prefix_67)
        emit_mov_imm(in->reg, target);
    else if (in->opsize == 4)
        emit_mov_imm32(in->reg, (uint32_t)target);
    else
        return false;
    return true;
}

static bool rewrite_push(const struct insn *in, struct cache_insn *record)
{
    struct operand o = stack_operand(RSP, -8, true);
    int x = pick_register(in);

    if (in->mem || in->opsize != 8 || x < 0)
        return false;
    emit_resolve(x, &o, record);
    if (in->imm_size)
        emit_store_imm_at(x, (int32_t)in->imm);
    else
        emit_store_at(x, in->rm);
    emit_load(x, &soft.scratch);
    emit_lea(RSP, RSP, -1, 1, -8);
    return true;
}

static bool rewrite_pop(const struct insn *in, struct cache_insn *record)
{
    struct operand o = stack_operand(RSP, 0, false);
    int x = pick_register(in);

    if (in->mem || in->opsize != 8 || x < 0)
        return false;
    emit_resolve(x, &o, record);
    emit_load_at(in->rm, x);
    emit_load(x, &soft.scratch);
    if (in->rm != RSP)
        emit_lea(RSP, RSP, -1, 1, 8);
    return true;
}

static void rewrite_leave(struct cache_insn *record)
{
    struct operand o = stack_operand(RBP, 0, false);

    emit_resolve(RCX, &o, record);
    emit_lea(RSP, RBP, -1, 1, 8);
    emit_load_at(RBP, RCX);
    emit_load(RCX, &soft.scratch);
}

bool local_rewrite(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                   struct cache_insn *record)
{
    switch (in->cls) {
    case INSN_NOP:
        emit_8(0x90);
        return true;
    case INSN_LEA:
        return rewrite_lea(in, bytes, pc);
    case INSN_PUSH:
        return rewrite_push(in, record);
    case INSN_POP:
        return rewrite_pop(in, record);
    case INSN_LEAVE:
        if (in->opsize != 8)
            return false;
        rewrite_leave(record);
        return true;
    case INSN_COPY:
        if (in->mem)
            return rewrite_memory(in, bytes, pc, record);
        emit_copy(bytes, in->len);
        return true;
    default:
        return false;
    }
}

/* ---- control flow ---- */

void local_push_next(uint64_t next, struct cache_insn *record)
{
    struct operand o = stack_operand(RSP, -8, true);

    emit_resolve(RBX, &o, record);
    emit_store(RAX, &soft.save[0]);
    emit_mov_imm(RAX, next);
    emit_store_at(RBX, RAX);
    emit_load(RAX, &soft.save[0]);
    emit_load(RBX, &soft.scratch);
    emit_lea(RSP, RSP, -1, 1, -8);
}

bool local_load_target(const struct insn *in, uint64_t pc, struct cache_insn *record)
{
    struct operand o;
    bool call = in->cls == INSN_CALL_IND;

    if (in->opsize != 8 || (in->mem && !operand_of(in, pc, 8, false, &o)))
        return false;
    record->fixup |= FIX_RCX;
    emit_store(RCX, &soft.rcx);
    if (in->mem) {
        emit_resolve(RBX, &o, record);
        emit_load_at(RBX, RBX);
        emit_store(RBX, &soft.target);
        emit_load(RBX, &soft.scratch);
    } else {
        emit_store(in->rm, &soft.target);
    }
    if (call)
        local_push_next(pc + in->len, record);
    emit_load(RCX, &soft.target);
    return true;
}

void local_pop_target(const struct insn *in, struct cache_insn *record)
{
    struct operand o = stack_operand(RSP, 0, false);

    record->fixup |= FIX_RCX;
    emit_store(RCX, &soft.rcx);
    emit_resolve(RBX, &o, record);
    emit_load_at(RCX, RBX);
    emit_load(RBX, &soft.scratch);
    emit_lea(RSP, RSP, -1, 1, 8 + (int32_t)in->imm);
}
