/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate.c - one guest-kernel instruction by software: operands, and the choice of the
 * family that executes it (see emulate.h and emulate_int.h).
 */
#include "engine/soft/vcpu/emulate.h"

#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "engine/soft/vcpu/emulate_int.h"

enum emu_result emu_fault(struct emu *e, enum vector vector)
{
    *e->f = (struct fault){.vector = (uint8_t)vector};
    return EMU_FAULT;
}

enum emu_result emu_gp(struct emu *e, uint32_t error)
{
    *e->f = (struct fault){.vector = VEC_GP, .has_error = true, .error = error};
    return EMU_FAULT;
}

bool emulate_canonical(gva_t va, unsigned int size)
{
    return pv_canonical(va) && (!size || pv_canonical(va + size - 1));
}

enum emu_result emu_load(struct emu *e, gva_t va, unsigned int size, uint64_t *ret)
{
    *ret = 0;
    if (!emulate_canonical(va, size))
        return emu_gp(e, 0);
    return env_read(e->v, va, ret, size, e->f) ? EMU_FAULT : EMU_OK;
}

enum emu_result emu_store(struct emu *e, gva_t va, unsigned int size, uint64_t value)
{
    bool straddles = (va & ~PAGE_MASK) + size > PAGE_SIZE;

    if (straddles && emu_probe_write(e, va, size))
        return EMU_FAULT;
    return env_write(e->v, va, &value, size, e->f) ? EMU_FAULT : EMU_OK;
}

enum emu_result emu_probe_write(struct emu *e, gva_t va, unsigned int size)
{
    gva_t last = va + size - 1;

    if (!emulate_canonical(va, size))
        return emu_gp(e, 0);
    if (!env_translate(e->v, va, ACCESS_WRITE, e->f))
        return EMU_FAULT;
    if ((va & PAGE_MASK) != (last & PAGE_MASK) &&
        !env_translate(e->v, last & PAGE_MASK, ACCESS_WRITE, e->f))
        return EMU_FAULT;
    return EMU_OK;
}

enum emu_result emu_push(struct emu *e, unsigned int size, uint64_t value)
{
    gva_t sp = e->v->gpr[RSP] - size;

    if (emu_store(e, sp, size, value))
        return EMU_FAULT;
    e->v->gpr[RSP] = sp;
    return EMU_OK;
}

enum emu_result emu_pop(struct emu *e, unsigned int size, uint64_t *offset, uint64_t *ret)
{
    if (emu_load(e, e->v->gpr[RSP] + *offset, size, ret))
        return EMU_FAULT;
    *offset += size;
    return EMU_OK;
}

uint64_t emu_reg(const struct emu *e, unsigned int n, unsigned int size)
{
    const uint64_t *gpr = e->v->gpr;

    switch (size) {
    case 1:
        return n >= 4 && n < 8 && !e->in->rex ? gpr[n - 4] >> 8 & 0xff : gpr[n & 15] & 0xff;
    case 2:
        return gpr[n & 15] & 0xffff;
    case 4:
        return gpr[n & 15] & 0xffffffff;
    default:
        return gpr[n & 15];
    }
}

void emu_set_reg(struct emu *e, unsigned int n, unsigned int size, uint64_t value)
{
    uint64_t *gpr = e->v->gpr;

    switch (size) {
    case 1:
        if (n >= 4 && n < 8 && !e->in->rex)
            gpr[n - 4] = (gpr[n - 4] & ~0xff00ull) | (value & 0xff) << 8;
        else
            gpr[n & 15] = (gpr[n & 15] & ~0xffull) | (value & 0xff);
        break;
    case 2:
        gpr[n & 15] = (gpr[n & 15] & ~0xffffull) | (value & 0xffff);
        break;
    case 4:
        gpr[n & 15] = (uint32_t)value;
        break;
    default:
        gpr[n & 15] = value;
    }
}

enum emu_result emu_rm(struct emu *e, unsigned int size, uint64_t *ret)
{
    if (e->in->mem)
        return emu_load(e, e->ea, size, ret);
    *ret = emu_reg(e, e->in->rm, size);
    return EMU_OK;
}

enum emu_result emu_set_rm(struct emu *e, unsigned int size, uint64_t value)
{
    if (e->in->mem)
        return emu_store(e, e->ea, size, value);
    emu_set_reg(e, e->in->rm, size, value);
    return EMU_OK;
}

/* The ModRM operand's address without segment base; a vector index is left out. */
static gva_t effective_address(const struct vcpu *v, const struct insn *in)
{
    gva_t ea = (gva_t)(int64_t)in->disp;

    if (in->rip_rel)
        ea += v->rip + in->len;
    if (in->base >= 0)
        ea += v->gpr[in->base & 15];
    if (in->index >= 0 && !in->vsib)
        ea += v->gpr[in->index & 15] * in->scale;
    if (in->prefix_67)
        ea = (uint32_t)ea;
    return ea;
}

static gva_t segment_base_of(const struct vcpu *v, const struct insn *in)
{
    return in->seg == 0x64 ? v->fs_base : in->seg == 0x65 ? v->gs_base : 0;
}

gva_t emu_segment_base(const struct emu *e)
{
    return segment_base_of(e->v, e->in);
}

gva_t emulate_operand(const struct vcpu *v, const struct insn *in)
{
    return effective_address(v, in) + segment_base_of(v, in);
}

bool emulate_stack_address(const struct vcpu *v, const struct insn *in, gva_t *ret)
{
    *ret = v->gpr[RSP];
    switch (in->cls) {
    case INSN_PUSH:
    case INSN_PUSHF:
    case INSN_CALL:
    case INSN_CALL_IND:
    case INSN_ENTER:
        *ret -= in->opsize;
        return true;
    case INSN_POP:
    case INSN_POPF:
    case INSN_RET:
    case INSN_IRET:
        return true;
    case INSN_LEAVE:
        *ret = v->gpr[RBP];
        return true;
    case INSN_MOV_SEG: /* push and pop of fs and gs */
        *ret -= (in->opcode & 1) ? 0 : in->opsize;
        return in->map == 1 && in->opcode < 0xb0;
    default: /* far return, far call */
        return in->cls == INSN_EMULATE && !in->map &&
               (in->opcode >> 1 == 0x65 || (in->opcode == 0xff && (in->reg & 7) == 3));
    }
}

enum vector emulate_address_fault(const struct vcpu *v, const struct insn *in)
{
    bool stack_operand = (in->base == RSP || in->base == RBP) && in->seg != 0x64 && in->seg != 0x65;
    gva_t sp;

    if (in->mem && in->cls != INSN_POP && !emulate_canonical(emulate_operand(v, in), in->mem_size))
        return stack_operand ? VEC_SS : VEC_GP;
    if (emulate_stack_address(v, in, &sp) && !emulate_canonical(sp, in->opsize))
        return VEC_SS;
    if (in->mem && stack_operand && !emulate_canonical(emulate_operand(v, in), in->mem_size))
        return VEC_SS;
    return VEC_GP;
}

static enum emu_result emulate_int(struct emu *e)
{
    struct vcpu *v = e->v;

    if (e->in->opcode == 0xcd) {
        pv_software_int(v, (uint8_t)e->in->imm, e->in->len, e->f);
        return EMU_FAULT;
    }
    v->rip += e->in->len; /* int3 and int1 are traps, whatever the DPL */
    return emu_fault(e, e->in->imm == 3 ? VEC_BP : VEC_DB);
}

static enum emu_result emulate_lea(struct emu *e)
{
    emu_set_reg(e, e->in->reg, e->in->opsize, effective_address(e->v, e->in));
    return EMU_OK;
}

static enum emu_result emulate_xlat(struct emu *e)
{
    gva_t va = e->v->gpr[RBX] + (e->v->gpr[RAX] & 0xff);
    uint64_t value;

    if (e->in->prefix_67)
        va = (uint32_t)va;
    if (emu_load(e, va + emu_segment_base(e), 1, &value))
        return EMU_FAULT;
    e->v->gpr[RAX] = (e->v->gpr[RAX] & ~0xffull) | value;
    return EMU_OK;
}

static enum emu_result dispatch(struct emu *e)
{
    switch (e->in->cls) {
    case INSN_COPY:
        if (e->in->vsib)
            return emulate_gather(e);
        return e->in->simd || e->in->enc != ENC_LEGACY ? EMU_UNKNOWN : emulate_alu(e);
    case INSN_NOP:
        return EMU_OK;
    case INSN_LEA:
        return emulate_lea(e);
    case INSN_JMP:
    case INSN_JCC:
    case INSN_LOOP:
    case INSN_CALL:
    case INSN_JMP_IND:
    case INSN_CALL_IND:
    case INSN_RET:
        return emulate_flow(e);
    case INSN_PUSH:
    case INSN_POP:
    case INSN_PUSHF:
    case INSN_POPF:
    case INSN_LEAVE:
    case INSN_ENTER:
        return emulate_stack(e);
    case INSN_STRING:
        return emulate_string(e);
    case INSN_XLAT:
        return emulate_xlat(e);
    case INSN_MOV_SEG:
        return emulate_segment(e);
    case INSN_INT:
        return emulate_int(e);
    case INSN_IRET:
        return emulate_iret(e);
    case INSN_UD:
        return emulate_ud(e);
    case INSN_EMULATE:
        return emulate_priv(e);
    default:
        return EMU_UNKNOWN;
    }
}

/* Does it raise #NM while CR0.TS is set? */
static bool uses_fpu(const struct insn *in)
{
    /* fxsave, fxrstor, xsave, xrstor, xsaveopt */
    return in->simd || (in->cls == INSN_EMULATE && in->map == 1 && in->opcode == 0xae && in->mem);
}

/* What Xen emulates for the kernel only. Ports, cli and sti go by IOPL. */
static bool is_privileged(const struct insn *in)
{
    if (in->cls != INSN_EMULATE || in->map != 1)
        return false;
    switch (in->opcode) {
    case 0x01:
        return !in->mem && (in->reg & 7) == 2 && (in->rm & 7) == 1; /* xsetbv */
    case 0x06:                                                      /* clts */
    case 0x09:                                                      /* wbinvd */
    case 0x20 ... 0x23:                                             /* mov cr, dr */
    case 0x30:                                                      /* wrmsr */
    case 0x32:                                                      /* rdmsr */
        return true;
    default:
        return false;
    }
}

enum emulate_result emulate(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                            struct fault *f)
{
    struct emu e = {.v = v, .in = in, .bytes = bytes, .f = f};

    if (v->cr0_ts && uses_fpu(in)) {
        *f = (struct fault){.vector = VEC_NM};
        return EMULATE_FAULT;
    }
    if (v->user_mode && is_privileged(in)) {
        emu_gp(&e, 0);
        return EMULATE_FAULT;
    }
    if (in->mem)
        e.ea = emulate_operand(v, in);
    switch (dispatch(&e)) {
    case EMU_OK:
        if (!e.jumped)
            v->rip += in->len;
        return EMULATE_DONE;
    case EMU_FAULT:
        if (f->vector == VEC_GP && !f->error)
            f->vector = (uint8_t)emulate_address_fault(v, in);
        return EMULATE_FAULT;
    default:
        return EMULATE_UNKNOWN;
    }
}
