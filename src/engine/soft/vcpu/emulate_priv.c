/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * emulate_priv.c - privileged and system instructions (ABI 6.1). What Xen does not emulate
 * raises #GP, as it would in ring 3. cli and sti never touch the event mask.
 */
#include "engine/soft/vcpu/emulate_int.h"

#include "cpu/cpuid.h"
#include "cpu/creg.h"
#include "cpu/msr.h"
#include "cpu/ports.h"
#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "engine/soft/vcpu/rt.h"

#define CPUID7_RDPID (1u << 22) /* ecx */
#define CPUIDE8_CLZERO 1u       /* ebx of 0x80000008 */
#define LINE 64

/* What sgdt and friends say on a host whose kernel hides the real values. */
#define DUMMY_TABLE_BASE 0xfffffffffffe0000ull
#define DUMMY_TR 0x40

static void do_cpuid(struct vcpu *v, bool forced)
{
    uint32_t out[4];

    cpuid_query(v, (uint32_t)v->gpr[RAX], (uint32_t)v->gpr[RCX], forced, out);
    v->gpr[RAX] = out[0];
    v->gpr[RBX] = out[1];
    v->gpr[RCX] = out[2];
    v->gpr[RDX] = out[3];
}

static void set_edx_eax(struct vcpu *v, uint64_t value)
{
    v->gpr[RAX] = (uint32_t)value;
    v->gpr[RDX] = value >> 32;
}

static uint64_t edx_eax(const struct vcpu *v)
{
    return v->gpr[RDX] << 32 | (uint32_t)v->gpr[RAX];
}

static enum emu_result do_xgetbv(struct emu *e)
{
    if ((uint32_t)e->v->gpr[RCX] != 0)
        return emu_gp(e, 0);
    set_edx_eax(e->v, e->v->xcr0);
    return EMU_OK;
}

/* ud2, unless Xen's mark and a cpuid or xgetbv follow. */
enum emu_result emulate_ud(struct emu *e)
{
    static const uint8_t mark[] = {'x', 'e', 'n', 0x0f};
    const struct insn *in = e->in;
    uint8_t tail[6] = {0};
    struct fault f;

    if (in->map == 1 && in->opcode == 0x0d && !cpuid_is_amd()) /* a prefetch of a register */
        return EMU_OK;
    if (in->map == 2 && in->opcode == 0x82) /* invpcid is there, but not for ring 3 */
        return emu_gp(e, 0);
    if (in->map == 1 && in->opcode == 0xc7 && in->mem &&
        ((in->reg & 7) == 3 || (in->reg & 7) == 5) &&
        cpuid_host_has_xsaves()) /* xrstors, xsaves: the same */
        return emu_gp(e, 0);
    if (in->map != 1 || in->opcode != 0x0b || in->len != 2 ||
        env_read(e->v, e->v->rip + 2, tail, 5, &f))
        return emu_fault(e, VEC_UD);
    for (unsigned int i = 0; i < sizeof(mark); i++)
        if (tail[i] != mark[i])
            return emu_fault(e, VEC_UD);
    if (tail[4] == 0xa2) {
        do_cpuid(e->v, !e->v->user_mode);
        e->v->rip += 7;
    } else {
        if (tail[4] != 0x01 || env_read(e->v, e->v->rip + 7, &tail[5], 1, &f) || tail[5] != 0xd0)
            return emu_fault(e, VEC_UD);
        if (do_xgetbv(e))
            return EMU_FAULT;
        e->v->rip += 8;
    }
    e->jumped = true;
    return EMU_OK;
}

static enum emu_result do_port(struct emu *e)
{
    const struct insn *in = e->in;
    struct vcpu *v = e->v;
    unsigned int size = in->opsize == 8 ? 4 : in->opsize;
    uint16_t port = in->opcode < 0xe8 ? (uint16_t)in->imm : (uint16_t)v->gpr[RDX];

    if (!ports_allowed(v, port, size))
        return emu_gp(e, 0);
    if (in->opcode & 2)
        ports_write(v, port, size, (uint32_t)(v->gpr[RAX] & (~0ull >> (64 - 8 * size))));
    else
        emu_set_reg(e, RAX, size, ports_read(v, port, size));
    return EMU_OK;
}

static enum emu_result do_moffs(struct emu *e)
{
    gva_t va = (gva_t)e->in->imm + emu_segment_base(e);
    unsigned int size = e->in->opsize;
    uint64_t value;

    if (e->in->opcode >= 0xa2)
        return emu_store(e, va, size, emu_reg(e, RAX, size));
    if (emu_load(e, va, size, &value))
        return EMU_FAULT;
    emu_set_reg(e, RAX, size, value);
    return EMU_OK;
}

static enum emu_result priv_one_byte(struct emu *e)
{
    switch (e->in->opcode) {
    case 0x6c ... 0x6f:
        return emulate_port_string(e);
    case 0xa0 ... 0xa3:
        return do_moffs(e);
    case 0xca:
    case 0xcb:
        return emulate_far_return(e);
    case 0xe4 ... 0xe7:
    case 0xec ... 0xef:
        return do_port(e);
    case 0xfa:
    case 0xfb:
        return ports_iopl_allows(e->v) ? EMU_OK : emu_gp(e, 0);
    case 0xff:
        return emulate_far_branch(e);
    default: /* hlt */
        return emu_gp(e, 0);
    }
}

static enum emu_result store_table_register(struct emu *e)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table = {0, DUMMY_TABLE_BASE + ((e->in->reg & 7) ? 0x1000 : 0)};

    if (emu_probe_write(e, e->ea, sizeof(table)))
        return EMU_FAULT;
    return env_write(e->v, e->ea, &table, sizeof(table), e->f) ? EMU_FAULT : EMU_OK;
}

/* clzero: the 64 bytes around what rax names. */
static enum emu_result clear_line(struct emu *e)
{
    static const uint8_t zeros[LINE];
    gva_t va = e->in->prefix_67 ? (uint32_t)e->v->gpr[RAX] : e->v->gpr[RAX];
    uint32_t leaf[4];

    cpuid_query(e->v, 0x80000008u, 0, false, leaf);
    if (!(leaf[1] & CPUIDE8_CLZERO))
        return emu_fault(e, VEC_UD);
    va = (va + emu_segment_base(e)) & ~(gva_t)(LINE - 1);
    if (!pv_canonical(va))
        return emu_gp(e, 0);
    return env_write(e->v, va, zeros, LINE, e->f) ? EMU_FAULT : EMU_OK;
}

static enum emu_result priv_0f01(struct emu *e)
{
    const struct insn *in = e->in;
    struct vcpu *v = e->v;
    uint64_t cr0;

    if (in->mem && (in->reg & 7) < 2)
        return store_table_register(e);
    if ((in->reg & 7) == 4) { /* smsw */
        if (creg_read(v, 0, &cr0))
            return emu_gp(e, 0);
        return emu_set_rm(e, in->mem ? 2 : in->opsize, cr0);
    }
    if (!in->mem && (in->reg & 7) == 2) {
        if (!(v->cr4 & CR4_OSXSAVE))
            return emu_fault(e, VEC_UD);
        if ((in->rm & 7) == 0)
            return do_xgetbv(e);
        return creg_xsetbv(v, (uint32_t)v->gpr[RCX], edx_eax(v)) ? emu_gp(e, 0) : EMU_OK;
    }
    if (!in->mem && (in->reg & 7) == 7 && (in->rm & 7) == 1) { /* rdtscp */
        set_edx_eax(v, rt_rdtsc());
        v->gpr[RCX] = v->tsc_aux;
        return EMU_OK;
    }
    if (!in->mem && (in->reg & 7) == 7 && (in->rm & 7) == 4)
        return clear_line(e);
    return emu_gp(e, 0); /* lgdt lidt lmsw invlpg swapgs */
}

static enum emu_result move_cr(struct emu *e)
{
    const struct insn *in = e->in;
    uint64_t value;

    if (in->opcode == 0x22)
        return creg_write(e->v, in->reg, e->v->gpr[in->rm & 15]) ? emu_gp(e, 0) : EMU_OK;
    if (creg_read(e->v, in->reg, &value))
        return emu_gp(e, 0);
    e->v->gpr[in->rm & 15] = value;
    return EMU_OK;
}

static enum emu_result move_dr(struct emu *e)
{
    const struct insn *in = e->in;
    uint64_t value;
    int rc;

    if (in->opcode == 0x23) {
        rc = pv_debugreg_set(e->v, in->reg, e->v->gpr[in->rm & 15]);
    } else {
        rc = pv_debugreg_get(e->v, in->reg, &value);
        if (!rc)
            e->v->gpr[in->rm & 15] = value;
    }
    if (rc == -XEN_ENODEV)
        return emu_fault(e, VEC_UD);
    return rc ? emu_gp(e, 0) : EMU_OK;
}

static enum emu_result move_msr(struct emu *e)
{
    struct vcpu *v = e->v;
    uint32_t nr = (uint32_t)v->gpr[RCX];
    uint64_t value;

    if (e->in->opcode == 0x30)
        return msr_write(v, nr, edx_eax(v)) ? emu_gp(e, 0) : EMU_OK;
    if (msr_read(v, nr, &value))
        return emu_gp(e, 0);
    set_edx_eax(v, value);
    return EMU_OK;
}

/* rdfsbase rdgsbase wrfsbase wrgsbase */
static enum emu_result move_base(struct emu *e)
{
    const struct insn *in = e->in;
    uint64_t *base = in->reg & 1 ? &e->v->gs_base : &e->v->fs_base;
    uint64_t value = emu_reg(e, in->rm, in->opsize);

    if (!(e->v->cr4 & CR4_FSGSBASE))
        return emu_fault(e, VEC_UD);
    if (!(in->reg & 2)) {
        emu_set_reg(e, in->rm, in->opsize, *base);
        return EMU_OK;
    }
    if (!pv_canonical(value))
        return emu_gp(e, 0);
    *base = value;
    return EMU_OK;
}

static enum emu_result read_processor_id(struct emu *e)
{
    uint32_t leaf7[4];

    cpuid_query(e->v, 7, 0, false, leaf7);
    if (!(leaf7[2] & CPUID7_RDPID))
        return emu_fault(e, VEC_UD);
    e->v->gpr[e->in->rm & 15] = e->v->tsc_aux;
    return EMU_OK;
}

static enum emu_result priv_0f00(struct emu *e)
{
    const struct insn *in = e->in;

    switch (in->reg & 7) {
    case 0: /* sldt */
        return emu_set_rm(e, in->mem ? 2 : in->opsize, 0);
    case 1: /* str */
        return emu_set_rm(e, in->mem ? 2 : in->opsize, DUMMY_TR);
    case 4:
    case 5:
        return emulate_verify(e);
    default:
        return emu_gp(e, 0);
    }
}

enum emu_result emulate_priv(struct emu *e)
{
    const struct insn *in = e->in;

    if (in->map == 0)
        return priv_one_byte(e);
    switch (in->opcode) {
    case 0x00:
        return priv_0f00(e);
    case 0x01:
        return priv_0f01(e);
    case 0x02:
    case 0x03:
        return emulate_lar(e);
    case 0x06: /* clts */
        e->v->cr0_ts = false;
        return EMU_OK;
    case 0x09: /* wbinvd */
        return EMU_OK;
    case 0x20:
    case 0x22:
        return move_cr(e);
    case 0x21:
    case 0x23:
        return move_dr(e);
    case 0x30:
    case 0x32:
        return move_msr(e);
    case 0xa2:
        do_cpuid(e->v, false);
        return EMU_OK;
    case 0xae:
        return in->mem ? emulate_xsave(e) : move_base(e);
    case 0xc7:
        return read_processor_id(e);
    case 0xb2:
    case 0xb4:
    case 0xb5:
        return emulate_segment(e);
    default: /* sysret invd rdpmc sysexit */
        return emu_gp(e, 0);
    }
}
