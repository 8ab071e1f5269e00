/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_segment.c - selectors: loads and stores, iret and far branches inside the kernel,
 * lar lsl verr verw. Descriptors are the guest's, read when they are used (cpu/pv/segment).
 *
 * A null selector in fs or gs makes the base 0. In kernel mode gs is the active base.
 */
#include "engine/soft/vcpu/emulate_int.h"

#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"

#define DESC_G (1ull << 55)
#define DESC_CONFORMING 4u
#define TYPE_LDT 2u
#define TYPE_TSS 9u
#define TYPE_TSS_BUSY 11u
#define TYPE_CALL_GATE 12u

enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

static uint16_t selector(const struct vcpu *v, enum segment seg)
{
    switch (seg) {
    case SEG_ES:
        return v->es;
    case SEG_CS:
        return FLAT_RING3_CS64;
    case SEG_SS:
        return v->ss ? v->ss : FLAT_RING3_SS64;
    case SEG_DS:
        return v->ds;
    case SEG_FS:
        return v->fs;
    default:
        return v->gs;
    }
}

/* `vector` because of a selector. */
static enum emu_result selector_fault(struct emu *e, unsigned int vector, uint64_t sel)
{
    *e->f = (struct fault){.vector = (uint8_t)vector, .has_error = true, .error = sel & 0xfffc};
    return EMU_FAULT;
}

static enum emu_result load(struct emu *e, enum segment seg, uint16_t sel)
{
    struct vcpu *v = e->v;
    unsigned int vector;
    uint64_t desc;

    vector = seg == SEG_SS ? segment_stack_fault(v, sel) : segment_data_fault(v, sel, &desc);
    if (vector)
        return selector_fault(e, vector, sel);
    switch (seg) {
    case SEG_SS:
        v->ss = sel;
        break;
    case SEG_ES:
        v->es = sel;
        break;
    case SEG_DS:
        v->ds = sel;
        break;
    case SEG_FS:
        v->fs = sel;
        v->fs_base = segment_base(desc);
        break;
    default:
        v->gs = sel;
        v->gs_base = segment_base(desc);
    }
    return EMU_OK;
}

/* lss lfs lgs: offset, then selector. */
static enum emu_result load_far(struct emu *e)
{
    const struct insn *in = e->in;
    enum segment seg = in->opcode == 0xb2 ? SEG_SS : in->opcode == 0xb4 ? SEG_FS : SEG_GS;
    uint64_t offset, sel;

    if (emu_load(e, e->ea, in->opsize, &offset) || emu_load(e, e->ea + in->opsize, 2, &sel) ||
        load(e, seg, (uint16_t)sel))
        return EMU_FAULT;
    emu_set_reg(e, in->reg, in->opsize, offset);
    return EMU_OK;
}

enum emu_result emulate_segment(struct emu *e)
{
    const struct insn *in = e->in;
    struct vcpu *v = e->v;
    enum segment seg = in->opcode >= 0xa8 ? SEG_GS : SEG_FS;
    uint64_t value, offset = 0;

    if (in->map == 0) {
        seg = in->reg & 7;
        if (in->opcode == 0x8c)
            return emu_set_rm(e, in->mem ? 2 : in->opsize, selector(v, seg));
        if (emu_rm(e, 2, &value))
            return EMU_FAULT;
        return load(e, seg, (uint16_t)value);
    }
    switch (in->opcode) {
    case 0xa0:
    case 0xa8:
        return emu_push(e, in->opsize, selector(v, seg));
    case 0xa1:
    case 0xa9:
        if (emu_pop(e, in->opsize, &offset, &value) || load(e, seg, (uint16_t)value))
            return EMU_FAULT;
        v->gpr[RSP] += offset;
        return EMU_OK;
    default:
        return load_far(e);
    }
}

/* Where kernel code may go by iret or far return: 64-bit code of ring 3, a canonical rip. */
static enum emu_result check_code(struct emu *e, uint64_t rip, uint64_t cs)
{
    uint64_t desc;
    unsigned int vector = segment_code_fault(e->v, (uint16_t)cs, &desc);

    if (!vector && ((cs & 3) != 3 || !(desc & DESC_L)))
        vector = VEC_GP;
    if (vector)
        return selector_fault(e, vector, cs);
    return pv_canonical(rip) ? EMU_OK : emu_gp(e, 0);
}

/* iret that stays in the kernel: a real one, so IF in the frame means nothing. */
enum emu_result emulate_iret(struct emu *e)
{
    struct vcpu *v = e->v;
    unsigned int size = e->in->opsize;
    uint64_t frame[5], offset = 0, mask = EFLAGS_USER; /* rip cs rflags rsp ss */
    unsigned int vector;

    if (v->rflags & EFLAGS_NT)
        return emu_gp(e, 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(frame); i++)
        if (emu_pop(e, size, &offset, &frame[i]))
            return EMU_FAULT;
    if (check_code(e, frame[0], frame[1]))
        return EMU_FAULT;
    vector = segment_stack_fault(v, (uint16_t)frame[4]);
    if (vector)
        return selector_fault(e, vector, frame[4]);
    if (size == 2)
        mask &= 0xffff;
    v->rip = frame[0];
    v->rflags = (v->rflags & ~mask) | (frame[2] & mask) | EFLAGS_IF | 2;
    v->gpr[RSP] = frame[3];
    v->cs = (uint16_t)frame[1];
    v->ss = (uint16_t)frame[4];
    e->jumped = true;
    return EMU_OK;
}

enum emu_result emulate_far_return(struct emu *e)
{
    unsigned int size = e->in->opsize;
    uint64_t offset = 0, rip, cs;

    if (emu_pop(e, size, &offset, &rip) || emu_pop(e, size, &offset, &cs) || check_code(e, rip, cs))
        return EMU_FAULT;
    e->v->rip = rip;
    e->v->cs = (uint16_t)cs;
    e->v->gpr[RSP] += offset + (e->in->opcode == 0xca ? (uint64_t)e->in->imm : 0);
    e->jumped = true;
    return EMU_OK;
}

/* Offset, then selector. With REX.W the offset has 64 bits, as Intel's processors have it. */
enum emu_result emulate_far_branch(struct emu *e)
{
    struct vcpu *v = e->v;
    unsigned int size = e->in->opsize;
    uint64_t rip, cs, sp = v->gpr[RSP] - 2ull * size;
    bool call = (e->in->reg & 7) == 3;

    if (emu_load(e, e->ea, size, &rip) || emu_load(e, e->ea + size, 2, &cs) ||
        check_code(e, rip, cs | 3)) /* whatever its RPL, ours stays */
        return EMU_FAULT;
    if (call &&
        (emu_probe_write(e, sp, 2 * size) || emu_store(e, sp + size, size, selector(v, SEG_CS)) ||
         emu_store(e, sp, size, v->rip + e->in->len)))
        return EMU_FAULT;
    if (call)
        v->gpr[RSP] = sp;
    v->rip = rip;
    v->cs = (uint16_t)(cs | 3);
    e->jumped = true;
    return EMU_OK;
}

static void set_zf(struct vcpu *v, bool zf)
{
    v->rflags = (v->rflags & ~(uint64_t)EFLAGS_ZF) | (zf ? EFLAGS_ZF : 0);
}

/* Is the descriptor within reach of lar (lsl: has it a limit) at CPL 3? */
static bool is_visible(uint64_t desc, uint16_t sel, bool lsl)
{
    unsigned int type = DESC_TYPE(desc);

    if (!(desc & DESC_S)) {
        if (type != TYPE_LDT && type != TYPE_TSS && type != TYPE_TSS_BUSY &&
            (lsl || type != TYPE_CALL_GATE))
            return false;
    } else if ((type & DESC_CODE) && (type & DESC_CONFORMING)) {
        return true;
    }
    return DESC_DPL(desc) == 3;
}

/* lar, lsl */
enum emu_result emulate_lar(struct emu *e)
{
    bool lsl = e->in->opcode == 0x03;
    uint64_t sel, desc, value;

    if (emu_rm(e, 2, &sel))
        return EMU_FAULT;
    if (pv_descriptor_read(e->v, (uint16_t)sel, &desc) || !is_visible(desc, (uint16_t)sel, lsl)) {
        set_zf(e->v, false);
        return EMU_OK;
    }
    if (lsl) {
        value = (desc & 0xffff) | (desc >> 32 & 0xf0000);
        if (desc & DESC_G)
            value = value << 12 | 0xfff;
    } else {
        value = desc >> 32 & 0xf0ff00; /* the limit's bits are undefined: shown as 0 */
    }
    emu_set_reg(e, e->in->reg, e->in->opsize, value);
    set_zf(e->v, true);
    return EMU_OK;
}

/* verr, verw */
enum emu_result emulate_verify(struct emu *e)
{
    bool write = (e->in->reg & 7) == 5, ok = false;
    uint64_t sel, desc;

    if (emu_rm(e, 2, &sel))
        return EMU_FAULT;
    if (!pv_descriptor_read(e->v, (uint16_t)sel, &desc) && (desc & DESC_S)) {
        unsigned int type = DESC_TYPE(desc);

        if (type & DESC_CODE)
            ok = !write && (type & DESC_READABLE) &&
                 ((type & DESC_CONFORMING) || DESC_DPL(desc) == 3);
        else
            ok = (!write || (type & DESC_READABLE)) && DESC_DPL(desc) == 3;
    }
    set_zf(e->v, ok);
    return EMU_OK;
}
