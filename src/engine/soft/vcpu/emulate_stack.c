/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_stack.c - near control flow and stack instructions, for the rare case that their
 * memory operand has to be walked by software.
 */
#include "engine/soft/vcpu/emulate_int.h"

#include "cpu/pv/abi.h"

bool emu_condition(unsigned int cc, uint64_t flags)
{
    bool cf = flags & 1, pf = flags & 4, zf = flags & EFLAGS_ZF, sf = flags & 0x80;
    bool of = flags & 0x800, r;

    switch (cc >> 1) {
    case 0:
        r = of;
        break;
    case 1:
        r = cf;
        break;
    case 2:
        r = zf;
        break;
    case 3:
        r = cf || zf;
        break;
    case 4:
        r = sf;
        break;
    case 5:
        r = pf;
        break;
    case 6:
        r = sf != of;
        break;
    default:
        r = zf || sf != of;
    }
    return r != (cc & 1);
}

static bool loop_taken(struct emu *e)
{
    struct vcpu *v = e->v;
    uint64_t mask = e->in->prefix_67 ? 0xffffffffull : ~0ull;
    bool zf = v->rflags & EFLAGS_ZF;
    uint64_t count;

    if (e->in->opcode == 0xe3)
        return !(v->gpr[RCX] & mask);
    count = (v->gpr[RCX] - 1) & mask;
    v->gpr[RCX] = count;
    return count && (e->in->opcode == 0xe2 || zf == (e->in->opcode == 0xe1));
}

static enum emu_result jump(struct emu *e, gva_t target)
{
    if (!pv_canonical(target))
        return emu_gp(e, 0);
    e->v->rip = target;
    e->jumped = true;
    return EMU_OK;
}

enum emu_result emulate_flow(struct emu *e)
{
    const struct insn *in = e->in;
    struct vcpu *v = e->v;
    gva_t next = v->rip + in->len, target = next + (gva_t)in->imm;
    uint64_t offset = 0;

    switch (in->cls) {
    case INSN_JCC:
        return emu_condition(in->cc, v->rflags) ? jump(e, target) : EMU_OK;
    case INSN_LOOP:
        return loop_taken(e) ? jump(e, target) : EMU_OK;
    case INSN_JMP:
        return jump(e, target);
    case INSN_CALL:
        return pv_canonical(target) && emu_push(e, 8, next) ? EMU_FAULT : jump(e, target);
    case INSN_JMP_IND:
        return emu_rm(e, 8, &target) ? EMU_FAULT : jump(e, target);
    case INSN_CALL_IND:
        if (emu_rm(e, 8, &target))
            return EMU_FAULT;
        return pv_canonical(target) && emu_push(e, 8, next) ? EMU_FAULT : jump(e, target);
    default: /* ret */
        if (emu_pop(e, 8, &offset, &target) || jump(e, target))
            return EMU_FAULT;
        v->gpr[RSP] += offset + (in->opcode == 0xc2 ? (uint64_t)in->imm : 0);
        return EMU_OK;
    }
}

static enum emu_result push(struct emu *e)
{
    const struct insn *in = e->in;
    uint64_t value;

    if (in->op_gpr)
        value = emu_reg(e, in->rm, 8);
    else if (!in->has_modrm)
        value = (uint64_t)in->imm;
    else if (emu_rm(e, in->opsize, &value))
        return EMU_FAULT;
    return emu_push(e, in->opsize, value);
}

static enum emu_result pop(struct emu *e)
{
    const struct insn *in = e->in;
    uint64_t *sp = &e->v->gpr[RSP], old = *sp, offset = 0, value;

    if (emu_pop(e, in->opsize, &offset, &value))
        return EMU_FAULT;
    if (!in->mem) {
        *sp += offset;
        emu_set_reg(e, in->rm, in->opsize, value);
        return EMU_OK;
    }
    /* An address that uses rsp sees it after the pop. */
    if (in->base == RSP)
        e->ea += offset;
    if (emu_store(e, e->ea, in->opsize, value))
        return EMU_FAULT;
    *sp = old + offset;
    return EMU_OK;
}

static enum emu_result popf(struct emu *e)
{
    uint64_t offset = 0, flags, mask = EFLAGS_USER;

    if (emu_pop(e, e->in->opsize, &offset, &flags))
        return EMU_FAULT;
    if (e->in->opsize == 2)
        mask &= 0xffff;
    mask &= ~(uint64_t)EFLAGS_RF;
    e->v->rflags = (e->v->rflags & ~(mask | EFLAGS_RF)) | (flags & mask);
    e->v->gpr[RSP] += offset;
    return EMU_OK;
}

/* enter size, level: with the display of nested frames. */
static enum emu_result enter(struct emu *e)
{
    const struct insn *in = e->in;
    struct vcpu *v = e->v;
    unsigned int level = e->bytes[in->len - 1] & 31, size = in->opsize;
    gva_t frame = v->gpr[RSP] - size, sp = frame;
    uint64_t value;

    if (emu_store(e, frame, size, v->gpr[RBP]))
        return EMU_FAULT;
    for (unsigned int i = 1; i < level; i++) {
        if (emu_load(e, v->gpr[RBP] - (uint64_t)i * size, size, &value) ||
            emu_store(e, sp - size, size, value))
            return EMU_FAULT;
        sp -= size;
    }
    if (level) {
        sp -= size;
        if (emu_store(e, sp, size, frame))
            return EMU_FAULT;
    }
    sp -= (uint64_t)in->imm;
    /* The new top of the stack must be writable. */
    if (!env_translate(v, sp, ACCESS_WRITE, e->f))
        return EMU_FAULT;
    emu_set_reg(e, RBP, size, frame);
    v->gpr[RSP] = sp;
    return EMU_OK;
}

enum emu_result emulate_stack(struct emu *e)
{
    struct vcpu *v = e->v;
    uint64_t value;

    switch (e->in->cls) {
    case INSN_PUSH:
        return push(e);
    case INSN_POP:
        return pop(e);
    case INSN_PUSHF:
        return emu_push(e, e->in->opsize,
                        (v->rflags & ~(uint64_t)(EFLAGS_RF | EFLAGS_VM | EFLAGS_IOPL)) | EFLAGS_IF |
                            2);
    case INSN_POPF:
        return popf(e);
    case INSN_ENTER:
        return enter(e);
    default: /* leave */
        if (emu_load(e, v->gpr[RBP], e->in->opsize, &value))
            return EMU_FAULT;
        v->gpr[RSP] = v->gpr[RBP] + e->in->opsize;
        emu_set_reg(e, RBP, e->in->opsize, value);
        return EMU_OK;
    }
}
