/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rewrite.c - see rewrite.h. Four kinds of work: memory operands get the host segment, rsp
 * as a data operand is converted from and to its host form, string instructions get their
 * pointers converted, and instructions marked by a fault (they touch guest-user memory)
 * go through the resolver in entry.S, which yields a host address.
 */
#include "engine/soft/vcpu/rewrite.h"

#include "cpu/msr.h"
#include "engine/soft/layout.h"
#include "engine/soft/vcpu/emit.h"
#include "engine/soft/vcpu/rt.h"

#define MINUS_OFFSET (0ull - KERNEL_OFFSET)

static uint64_t rip_target(const struct insn *in, uint64_t pc)
{
    return pc + in->len + (uint64_t)(int64_t)in->disp;
}

/* rip-relative, but not in the top or low 2 GiB, which a 32-bit address reaches. */
static bool is_far(const struct insn *in, uint64_t pc)
{
    return in->rip_rel && rip_target(in, pc) != (uint64_t)(int64_t)(int32_t)rip_target(in, pc);
}

static bool is_odd(const struct insn *in)
{
    if (!in->mem)
        return false;
    /* gs: on top of rsp's host form would add KERNEL_OFFSET twice. */
    return in->seg == 0x64 || in->prefix_67 || (in->seg == 0x65 && in->base == RSP);
}

bool rewrite_operand_is_odd(const struct insn *in)
{
    return is_odd(in);
}

uint8_t rewrite_segment(const struct insn *in)
{
    if (in->seg == 0x65)
        return 0x64;
    return in->base == RSP ? 0 : 0x65;
}

/* A register that the instruction does not use, encodable without REX if it must be. */
static int pick_scratch(const struct insn *in)
{
    static const uint8_t order[] = {RAX, RCX, RDX, RBX, RSI, RDI, RBP, R8,
                                    R9,  R10, R11, R12, R13, R14, R15};

    for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
        if (!(in->gprs >> order[i] & 1) && !(in->high_byte && order[i] < RSP))
            return order[i];
    return -1;
}

/* guest rsp -> reg / reg -> host rsp; reg must not be rsp. */
static void emit_rsp_to_guest(int reg)
{
    emit_mov_imm(reg, MINUS_OFFSET);
    emit_lea(reg, RSP, reg, 1, 0);
}

static void emit_rsp_from_guest(int reg)
{
    emit_mov_imm(RSP, KERNEL_OFFSET);
    emit_lea(RSP, RSP, reg, 1, 0);
}

static struct insn_edit memory_edit(const struct insn *in, uint64_t pc)
{
    struct insn_edit e = {.seg = 0, .mem = MEM_KEEP, .from = -1};

    if (!in->mem)
        return e;
    e.seg = rewrite_segment(in);
    if (in->rip_rel) {
        e.mem = MEM_ABS32;
        e.disp = (int32_t)rip_target(in, pc);
    }
    return e;
}

static bool emit_reencoded(const struct insn *in, const uint8_t *bytes,
                           const struct insn_edit *edit)
{
    int n = insn_reencode(in, bytes, edit, emit_at);

    if (n < 0)
        return false;
    emit_at += n;
    return true;
}

/* rsp is an explicit data operand: run the instruction on a borrowed register. */
static bool rewrite_rsp_data(const struct insn *in, const uint8_t *bytes, struct insn_edit e,
                             struct cache_insn *record)
{
    uint8_t *start = emit_at;
    int x = pick_scratch(in);

    if (x < 0)
        return false;
    emit_store(x, &soft.scratch);
    emit_rsp_to_guest(x);
    e.from = RSP;
    e.to = (int8_t)x;
    if (!emit_reencoded(in, bytes, &e)) {
        emit_at = start;
        return false;
    }
    if (in->rsp_write)
        emit_rsp_from_guest(x);
    emit_load(x, &soft.scratch);
    record->fixup = FIX_SCRATCH;
    record->reg = (uint8_t)x;
    return true;
}

/* mov between rsp and another register: the stack switch, hot enough for a short form. */
static bool rewrite_mov_rsp(const struct insn *in)
{
    int to, from;

    if (in->enc != ENC_LEGACY || in->map || in->mem || in->opsize != 8)
        return false;
    if (in->opcode == 0x89) {
        to = in->rm;
        from = in->reg;
    } else if (in->opcode == 0x8b) {
        to = in->reg;
        from = in->rm;
    } else {
        return false;
    }
    if (to == RSP && from == RSP)
        emit_8(0x90);
    else if (to == RSP)
        emit_rsp_from_guest(from);
    else
        emit_rsp_to_guest(to);
    return true;
}

/* add/sub rsp, x and and rsp, imm work on the host form as they are: KERNEL_OFFSET has its
 * low 43 bits clear and the flags that compilers look at after them do not exist; exact
 * flags need the guest value, so only immediates that leave the offset bits alone qualify. */
static bool rsp_arithmetic_is_verbatim(const struct insn *in)
{
    unsigned int op = in->reg & 7;

    if (in->enc != ENC_LEGACY || in->map || in->mem || in->opsize != 8)
        return false;
    if ((in->opcode == 0x81 || in->opcode == 0x83) && in->rm == RSP)
        return op == 0 || op == 5 || (op == 4 && in->imm < 0);
    return false;
}

static bool rewrite_lea(const struct insn *in, const uint8_t *bytes, uint64_t pc)
{
    int reg = in->reg;

    if (in->rip_rel) {
        uint64_t ea = rip_target(in, pc);

        if (in->opsize == 8 && reg == RSP)
            emit_mov_imm(reg, ea + KERNEL_OFFSET);
        else if (in->opsize == 8)
            emit_mov_imm(reg, ea);
        else if (in->opsize == 4 && reg != RSP)
            emit_mov_imm32(reg, (uint32_t)ea);
        else
            return false;
        return true;
    }
    if (in->prefix_67 || in->opsize != 8) {
        /* Only the low half matters: KERNEL_OFFSET's low 32 bits are zero. */
        if (reg == RSP)
            return false;
        emit_copy(bytes, in->len);
        return true;
    }
    if ((in->base == RSP) == (reg == RSP)) {
        emit_copy(bytes, in->len);
        return true;
    }
    if (reg == RSP) {
        emit_mov_imm(RSP, KERNEL_OFFSET + (uint64_t)(int64_t)in->disp);
        if (in->base >= 0)
            emit_lea(RSP, RSP, in->base, 1, 0);
        if (in->index >= 0) { /* rsp can't be an index: add it scale times over the base */
            emit_lea(RSP, RSP, in->index, in->scale, 0);
        }
        return true;
    }
    if (reg != in->index) {
        emit_mov_imm(reg, MINUS_OFFSET + (uint64_t)(int64_t)in->disp);
        emit_lea(reg, RSP, reg, 1, 0);
        if (in->index >= 0)
            emit_lea(reg, reg, in->index, in->scale, 0);
        return true;
    }
    emit_lea(reg, RSP, in->index, in->scale, in->disp);
    {
        int x = pick_scratch(in);

        emit_store(x, &soft.scratch);
        emit_mov_imm(x, MINUS_OFFSET);
        emit_lea(reg, reg, x, 1, 0);
        emit_load(x, &soft.scratch);
    }
    return true;
}

static bool rewrite_push(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                         struct cache_insn *record)
{
    struct insn_edit e;

    if (in->rsp_data && !in->mem) { /* push rsp */
        record->fixup = FIX_SCRATCH;
        record->reg = RAX;
        emit_store(RAX, &soft.scratch);
        emit_rsp_to_guest(RAX);
        emit_8(0x50);
        emit_load(RAX, &soft.scratch);
        return in->opsize == 8;
    }
    if (!in->mem) {
        emit_copy(bytes, in->len);
        return true;
    }
    e = memory_edit(in, pc);
    return emit_reencoded(in, bytes, &e);
}

static bool rewrite_pop(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                        struct cache_insn *record)
{
    if (in->rsp_data && !in->mem) { /* pop rsp: the stack switch */
        if (in->opsize != 8)
            return false;
        record->fixup = FIX_SCRATCH;
        record->reg = RAX;
        emit_store(RAX, &soft.scratch);
        emit_8(0x5c); /* pop rsp: now the guest's form */
        emit_mov_imm(RAX, KERNEL_OFFSET);
        emit_lea(RSP, RSP, RAX, 1, 0);
        emit_load(RAX, &soft.scratch);
        return true;
    }
    return rewrite_push(in, bytes, pc, record);
}

/* leave: load the new rbp first, so that a fault leaves everything as it was. */
static void rewrite_leave(void)
{
    emit_store(RBP, &soft.scratch);
    emit_mem(0x65, 0x8b, RBP, RBP, -1, 1, 0);
    emit_store(RBP, &soft.scratch2);
    emit_mov_imm(RBP, KERNEL_OFFSET + 8);
    emit_load(RSP, &soft.scratch);
    emit_lea(RSP, RSP, RBP, 1, 0);
    emit_load(RBP, &soft.scratch2);
}

/* popf, unless it would set TF: the host must not be single-stepped. The flags that the test
 * changes are the ones that popf loads. */
static bool rewrite_popf(const struct insn *in, const uint8_t *bytes, uint64_t pc)
{
    static const uint8_t test_tf[] = {0x48, 0xf7, 0x04, 0x24, 0x00, 0x01, 0x00, 0x00};
    uint8_t *skip;

    if (in->opsize != 8)
        return false;
    emit_copy(test_tf, sizeof(test_tf)); /* test qword [rsp], EFLAGS_TF */
    emit_8(0x74);                        /* jz */
    skip = emit_at;
    emit_8(0);
    emit_exit(pc, SOFT_EMULATE);
    *skip = (uint8_t)(emit_at - skip - 1);
    emit_copy(bytes, in->len);
    return true;
}

/* Jump away if a pointer's upper 16 bits are clear; returns where the rel32 is. Changes no
 * flags: jrcxz is the only branch that asks for none. */
static uint8_t *emit_if_user_pointer(int reg)
{
    uint8_t *skip;

    emit_store(reg, &soft.scratch2);
    emit_store(RCX, &soft.rcx);
    emit_8(0x0f); /* movzx ecx, word [scratch2 + 6] */
    emit_8(0xb7);
    emit_8(0x0c);
    emit_8(0x25);
    emit_32(emit_abs((const uint8_t *)&soft.scratch2 + 6));
    emit_8(0xe3); /* jrcxz, over the next two */
    emit_8(10);
    emit_load(RCX, &soft.rcx);
    emit_8(0xeb);
    skip = emit_at;
    emit_8(0);
    emit_load(RCX, &soft.rcx);
    emit_8(0xe9);
    emit_32(0);
    *skip = (uint8_t)(emit_at - skip - 1);
    return emit_at - 4;
}

void rewrite_string_pointers(const struct insn *in, bool *rsi, bool *rdi)
{
    unsigned int op = in->opcode & 0xfe;

    *rsi = op == 0xa4 || op == 0xa6 || op == 0xac; /* movs cmps lods */
    *rdi = op == 0xa4 || op == 0xa6 || op == 0xaa || op == 0xae;
}

/* String instructions can't take a segment for es:rdi: convert the pointers to host form
 * around it. A marked one looks at its pointers first and goes to the emulator for user ones. */
static bool rewrite_string(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                           struct cache_insn *record)
{
    bool rsi, rdi, marked = cache_marked(pc);
    uint8_t *slow[2] = {NULL, NULL}, *skip;

    rewrite_string_pointers(in, &rsi, &rdi);
    if (in->prefix_67 || (rsi && in->seg >= 0x64))
        return false;
    if (marked && rdi)
        slow[0] = emit_if_user_pointer(RDI);
    if (marked && rsi)
        slow[1] = emit_if_user_pointer(RSI);
    emit_store(RDX, &soft.scratch);
    emit_mov_imm(RDX, KERNEL_OFFSET);
    if (rdi)
        emit_lea(RDI, RDI, RDX, 1, 0);
    if (rsi)
        emit_lea(RSI, RSI, RDX, 1, 0);
    emit_copy(bytes, in->len);
    emit_mov_imm(RDX, MINUS_OFFSET);
    if (rdi)
        emit_lea(RDI, RDI, RDX, 1, 0);
    if (rsi)
        emit_lea(RSI, RSI, RDX, 1, 0);
    emit_load(RDX, &soft.scratch);
    record->fixup = (uint8_t)(FIX_SCRATCH | (rsi ? FIX_RSI : 0) | (rdi ? FIX_RDI : 0));
    record->reg = RDX;
    if (!marked)
        return true;
    emit_8(0xe9);
    emit_32(0);
    skip = emit_at - 4;
    for (int k = 0; k < 2; k++)
        if (slow[k])
            emit_patch_rel32(slow[k], emit_at);
    emit_exit(pc, SOFT_EMULATE);
    emit_patch_rel32(skip, emit_at);
    return true;
}

bool rewrite_is_bit_string(const struct insn *in)
{
    return in->enc == ENC_LEGACY && in->map == 1 && (in->opcode & 0xe7) == 0xa3;
}

bool rewrite_is_masked(const struct insn *in, const uint8_t *bytes)
{
    if (in->enc == ENC_EVEX)
        return bytes[in->opcode_off - 1] & 7;    /* a mask register */
    return in->enc == ENC_VEX && in->map == 2 && /* vmaskmov, vpmaskmov */
           ((in->opcode >= 0x2c && in->opcode <= 0x2f) || (in->opcode & 0xfd) == 0x8c);
}

/* A marked instruction: compute its address, have it resolved, run it on the host address. */
static bool rewrite_resolved(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                             struct cache_insn *record)
{
    struct insn_edit e = {.seg = 0, .mem = MEM_BASE, .from = -1};
    uint8_t trial[24], *ret;
    int x = pick_scratch(in);
    int32_t disp = in->disp;

    if (x < 0 || in->vsib || in->prefix_67 || in->rsp_data || in->base == RSP || in->seg >= 0x64 ||
        !in->mem_size || in->mem_size > 64 || rewrite_is_bit_string(in) ||
        rewrite_is_masked(in, bytes))
        return false;
    e.base = (uint8_t)x;
    if (insn_reencode(in, bytes, &e, trial) < 0)
        return false;
    if (in->rip_rel)
        disp = (int32_t)rip_target(in, pc);
    emit_store(x, &soft.scratch);
    if (is_far(in, pc))
        emit_mov_imm(x, rip_target(in, pc));
    else
        emit_lea(x, in->base, in->index, in->scale, disp);
    emit_store(x, &soft.ea);
    emit_load(x, &soft.scratch);
    emit_store_imm(&soft.ea_info, (in->mem_size - 1) | (in->mem_write ? 1 << 16 : 0));
    emit_rip(pc);
    emit_store_imm(&soft.ea_ret, 0);
    ret = emit_at - 4;
    emit_jmp(soft_resolve);
    {
        uint32_t here = emit_abs(emit_at);

        __builtin_memcpy(ret, &here, 4);
    }
    emit_store(x, &soft.scratch);
    emit_load(x, &soft.ea_host);
    if (!emit_reencoded(in, bytes, &e))
        return false;
    emit_load(x, &soft.scratch);
    record->fixup = FIX_SCRATCH | FIX_RESOLVED;
    record->reg = (uint8_t)x;
    return true;
}

/* rip-relative, too far away for an absolute address: through a borrowed register. */
static bool rewrite_far(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                        struct cache_insn *record)
{
    struct insn_edit e = {.seg = rewrite_segment(in), .mem = MEM_BASE, .from = -1};
    int x = pick_scratch(in);

    if (x < 0 || in->rsp_data || in->seg >= 0x64)
        return false;
    e.base = (uint8_t)x;
    emit_store(x, &soft.scratch);
    emit_mov_imm(x, rip_target(in, pc));
    if (!emit_reencoded(in, bytes, &e))
        return false;
    emit_load(x, &soft.scratch);
    record->fixup = FIX_SCRATCH;
    record->reg = (uint8_t)x;
    return true;
}

static bool rewrite_memory(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                           struct cache_insn *record)
{
    struct insn_edit e;

    if (is_odd(in))
        return false;
    if (in->mem && cache_marked(pc))
        return rewrite_resolved(in, bytes, pc, record);
    if (is_far(in, pc))
        return rewrite_far(in, bytes, pc, record);
    if (in->rsp_data && !rsp_arithmetic_is_verbatim(in))
        return rewrite_mov_rsp(in) || rewrite_rsp_data(in, bytes, memory_edit(in, pc), record);
    if (!in->mem) {
        emit_copy(bytes, in->len);
        return true;
    }
    e = memory_edit(in, pc);
    return emit_reencoded(in, bytes, &e);
}

/* mov reg32, sel16: the upper half becomes 0, as Xen's does. With a 66 prefix mov reg16, sel16. */
static void emit_load_selector(const struct insn *in, const uint16_t *sel)
{
    if (in->prefix_66)
        emit_8(0x66);
    if (in->rm >> 3)
        emit_8(0x44);
    if (in->prefix_66) {
        emit_8(0x8b);
    } else {
        emit_8(0x0f);
        emit_8(0xb7);
    }
    emit_8(4 | (in->rm & 7u) << 3);
    emit_8(0x25);
    emit_32(emit_abs(sel));
}

/* A null selector in fs, as kernels load between threads, needs no descriptor. */
static bool rewrite_clear_fs(const struct insn *in, uint64_t pc, struct cache_insn *record)
{
    uint8_t *null;

    record->fixup |= FIX_RCX;
    emit_store(RCX, &soft.rcx);
    emit_8(in->rm >> 3 ? 0x41 : 0x40); /* movzx ecx, reg16 */
    emit_8(0x0f);
    emit_8(0xb7);
    emit_8(0xc8 | (in->rm & 7u));
    null = emit_jump_short(0xe3); /* jrcxz */
    emit_load(RCX, &soft.rcx);
    emit_exit(pc, SOFT_EMULATE);
    emit_land(null);
    emit_8(0x66); /* mov [fs], cx */
    emit_8(0x89);
    emit_8(0x0c);
    emit_8(0x25);
    emit_32(emit_abs(&vcpu.fs));
    emit_store(RCX, &vcpu.fs_base);
    emit_load(RCX, &soft.rcx);
    return true;
}

/* What a context switch does with selectors. */
static bool rewrite_mov_seg(const struct insn *in, uint64_t pc, struct cache_insn *record)
{
    const uint16_t *const sel[] = {&vcpu.es, &vcpu.cs, &vcpu.ss, &vcpu.ds, &vcpu.fs, &vcpu.gs};
    unsigned int segment = in->reg & 7;

    if (in->map || in->mem || segment >= ARRAY_SIZE(sel) || in->rm == RSP)
        return false;
    if (in->opcode == 0x8e)
        return sel[segment] == &vcpu.fs && rewrite_clear_fs(in, pc, record);
    emit_load_selector(in, sel[segment]);
    return true;
}

/* TSC_AUX is the guest's. If a signal comes between the two, all of it is done again. */
static bool rewrite_rdtscp(const struct insn *in)
{
    if (in->map != 1 || in->opcode != 0x01 || in->mem || (in->reg & 7) != 7 || (in->rm & 7) != 1)
        return false;
    emit_8(0x0f);
    emit_8(0x31);
    emit_load32(RCX, &vcpu.tsc_aux);
    return true;
}

/* movzx ecx, word [abs32] (op 0xb7); movsx ecx, byte [abs32] (0xbe) */
static void emit_extend_ecx(unsigned int op, const void *slot)
{
    emit_8(0x0f);
    emit_8(op);
    emit_8(0x0c);
    emit_8(0x25);
    emit_32(emit_abs(slot));
}

/* Jump away, without changing flags, if what is in soft.scratch2 is not an address of the lower
 * half: its upper 16 bits, then bit 47. rcx is free. */
static void emit_if_not_low(uint8_t *slow[2])
{
    const uint8_t *value = (const uint8_t *)&soft.scratch2;
    uint8_t *next;

    for (unsigned int i = 0; i < 2; i++) {
        if (i) {
            emit_extend_ecx(0xbe, value + 5);
            emit_store(RCX, &soft.scratch);
        }
        emit_extend_ecx(0xb7, i ? (const uint8_t *)&soft.scratch + 2 : value + 6);
        next = emit_jump_short(0xe3);
        slow[i] = emit_jump_short(0xeb);
        emit_land(next);
    }
}

/* rdfsbase rdgsbase, and wrfsbase as context switches have it. */
static bool rewrite_base(const struct insn *in, uint64_t pc)
{
    const uint64_t *base = in->reg & 1 ? &vcpu.gs_base : &vcpu.fs_base;
    uint8_t *slow[3], *done;
    bool write = in->reg & 2;

    if (in->map != 1 || in->opcode != 0xae || in->mem || in->rm == RSP || in->opsize != 8 ||
        (write && (in->reg & 1)))
        return false;
    emit_store(in->rm, &soft.scratch2);
    emit_store(RCX, &soft.rcx);
    emit_load32(RCX, &soft.bases_usable);
    slow[0] = emit_jump_short(0xe3);
    slow[1] = slow[2] = slow[0];
    if (write) {
        emit_if_not_low(slow + 1);
        emit_load(RCX, &soft.scratch2);
        emit_store(RCX, base);
    }
    emit_load(RCX, &soft.rcx);
    if (!write)
        emit_load(in->rm, base);
    done = emit_jump_short(0xeb);
    for (unsigned int i = 0; i < 3; i++)
        emit_land(slow[i]);
    emit_load(RCX, &soft.rcx);
    emit_exit(pc, SOFT_EMULATE);
    emit_land(done);
    return true;
}

/* rdmsr: of the program's gs base, which a context switch asks for. */
static bool rewrite_rdmsr(const struct insn *in, uint64_t pc)
{
    const uint8_t *base = (const uint8_t *)&vcpu.gs_base_other;
    uint8_t *is_it;

    if (in->map != 1 || in->opcode != 0x32)
        return false;
    emit_store(RCX, &soft.rcx);
    emit_8(0x8d); /* lea ecx, [rcx - MSR_KERNEL_GS_BASE] */
    emit_8(0x89);
    emit_32(0u - MSR_KERNEL_GS_BASE);
    is_it = emit_jump_short(0xe3);
    emit_load(RCX, &soft.rcx);
    emit_exit(pc, SOFT_EMULATE);
    emit_land(is_it);
    emit_load(RCX, &soft.rcx);
    emit_load32(RAX, base);
    emit_load32(RDX, base + 4);
    return true;
}

/* maskmovq, maskmovdqu: the operand is at rdi. */
static bool rewrite_mask_move(const struct insn *in, const uint8_t *bytes, uint32_t operand,
                              struct cache_insn *record)
{
    struct insn_edit e = {.from = -1};

    emit_store(RDI, &soft.scratch);
    emit_mov_imm(RDI, operand);
    if (!emit_reencoded(in, bytes, &e))
        return false;
    emit_load(RDI, &soft.scratch);
    record->fixup = FIX_SCRATCH | FIX_RESOLVED;
    record->reg = RDI;
    return true;
}

bool rewrite_bounced(const struct insn *in, const uint8_t *bytes, uint32_t operand,
                     struct cache_insn *record)
{
    struct insn_edit e = {.mem = MEM_ABS32, .disp = (int32_t)operand, .from = -1};
    bool ok;

    if (in->cls == INSN_MASKMOV)
        return rewrite_mask_move(in, bytes, operand, record);
    ok = in->rsp_data ? rewrite_rsp_data(in, bytes, e, record) : emit_reencoded(in, bytes, &e);
    record->fixup |= FIX_RESOLVED;
    return ok;
}

bool rewrite_insn(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                  struct cache_insn *record)
{
    uint8_t *start = emit_at;
    bool ok;

    switch (in->cls) {
    case INSN_NOP:
        emit_8(0x90);
        return true;
    case INSN_LEA:
        ok = rewrite_lea(in, bytes, pc);
        break;
    case INSN_PUSH:
        ok = !is_odd(in) && !is_far(in, pc) && !cache_marked(pc) &&
             rewrite_push(in, bytes, pc, record);
        break;
    case INSN_POP:
        ok = !is_odd(in) && !is_far(in, pc) && !cache_marked(pc) &&
             rewrite_pop(in, bytes, pc, record);
        break;
    case INSN_PUSHF:
        ok = !cache_marked(pc);
        if (ok)
            emit_copy(bytes, in->len);
        break;
    case INSN_POPF:
        ok = !cache_marked(pc) && rewrite_popf(in, bytes, pc);
        break;
    case INSN_LEAVE:
        ok = !cache_marked(pc) && in->opsize == 8;
        if (ok)
            rewrite_leave();
        break;
    case INSN_STRING:
        ok = rewrite_string(in, bytes, pc, record);
        break;
    case INSN_MOV_SEG:
        ok = rewrite_mov_seg(in, pc, record);
        break;
    case INSN_COPY:
        ok = rewrite_memory(in, bytes, pc, record);
        break;
    case INSN_EMULATE:
        ok = rewrite_rdtscp(in) || rewrite_base(in, pc) || rewrite_rdmsr(in, pc);
        break;
    default:
        ok = false;
    }
    if (!ok) {
        emit_at = start;
        record->fixup = 0;
    }
    return ok;
}
