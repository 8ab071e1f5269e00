/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * translate.c - the translator's driver: fetch, decode, blocks, control flow. Instructions
 * without control flow are rewritten in rewrite.c.
 *
 * One call translates a region: straight-line code through conditional branches, along jumps
 * forward in the page and past calls, until another jump, code that is translated already, or a
 * size limit. A block never spans more than its first page plus the tail of its last
 * instruction, so that a frame's blocks are found when the frame is written.
 */
#include "engine/soft/vcpu/translate.h"

#include "cpu/pv/abi.h"
#include "engine/soft/layout.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/emit.h"
#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/rewrite.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"

#define REGION_INSNS 200
#define REGION_JUMPS 256

struct jump {
    uint8_t *rel; /* rel32 to fill */
    uint64_t pc;
};

static struct jump jumps[REGION_JUMPS];
static unsigned int nr_jumps;

static int fetch_page(struct vcpu *v, uint64_t pc, const uint8_t **ret, mfn_t *frame,
                      struct fault *f)
{
    struct walk w;
    uint32_t error;

    if (!pv_canonical(pc)) {
        *f = (struct fault){.vector = VEC_GP, .has_error = true};
        return -1;
    }
    if (walk_access(v->user_mode ? v->cr3_user : v->cr3_kernel, pc, ACCESS_EXEC, &w, &error)) {
        *f = (struct fault){.vector = VEC_PF, .has_error = true, .error = error, .cr2 = pc};
        return -1;
    }
    *frame = PTE_FRAME(w.pte);
    *ret = (const uint8_t *)ram_linear(*frame) + (pc & ~PAGE_MASK);
    return 0;
}

/* Bytes at pc, and the frame(s) they are in. Returns their number (0 with *f: none). */
static unsigned int fetch(struct vcpu *v, uint64_t pc, uint8_t *bytes, mfn_t frame[2],
                          struct fault *f)
{
    const uint8_t *p;
    unsigned int room = PAGE_SIZE - (pc & ~PAGE_MASK);

    if (fetch_page(v, pc, &p, &frame[0], f))
        return 0;
    frame[1] = frame[0];
    if (room >= INSN_MAX) {
        __builtin_memcpy(bytes, p, INSN_MAX);
        return INSN_MAX;
    }
    memcpy(bytes, p, room);
    if (fetch_page(v, pc + room, &p, &frame[1], f))
        return room;
    memcpy(bytes + room, p, INSN_MAX - room);
    return INSN_MAX;
}

int fetch_decode(struct vcpu *v, uint64_t pc, struct insn *in, uint8_t *bytes, struct fault *f)
{
    mfn_t frame[2];
    unsigned int n = fetch(v, pc, bytes, frame, f);

    return n ? insn_decode(bytes, n, in) : 0;
}

void emit_rip(uint64_t pc)
{
    emit_store_imm(&vcpu.rip, (int32_t)pc);
    if (pc != (uint64_t)(int64_t)(int32_t)pc)
        emit_store_imm32((const uint8_t *)&vcpu.rip + 4, (uint32_t)(pc >> 32));
}

void emit_exit(uint64_t pc, enum soft_exit reason)
{
    emit_rip(pc);
    emit_store_imm(&soft.reason, reason);
    emit_jmp(soft_exit_common);
}

/* Point the rel32 at `rel` to the translation of pc, now or by an exit stub later. */
static void jump_to(uint8_t *rel, uint64_t pc)
{
    void *host = cache_lookup(pc);

    if (host)
        emit_patch_rel32(rel, host);
    else if (nr_jumps < REGION_JUMPS)
        jumps[nr_jumps++] = (struct jump){rel, pc};
}

static void emit_jmp_guest(uint64_t pc)
{
    if (!cache_admits(pc)) {
        emit_exit(pc, SOFT_NONE);
        return;
    }
    emit_8(0xe9);
    emit_32(0);
    jump_to(emit_at - 4, pc);
}

/* rcx = guest pc, the guest's rcx is in soft.rcx. */
static void emit_jmp_rcx(void)
{
    emit_store(RCX, &soft.target);
    emit_8(0x89); /* mov ecx, ecx */
    emit_8(0xc9);
    emit_8(0x8b); /* mov ecx, [rcx * 4 + V_DISPATCH] */
    emit_8(0x0c);
    emit_8(0x8d);
    emit_32(V_DISPATCH);
    emit_8(0x48); /* lea rcx, [rcx + V_CACHE] */
    emit_8(0x8d);
    emit_8(0x89);
    emit_32(V_CACHE);
    emit_8(0xff); /* jmp rcx: the block's header reloads it */
    emit_8(0xe1);
}

static bool is_imm32(uint64_t value)
{
    return value == (uint64_t)(int64_t)(int32_t)value;
}

static void emit_push_imm32(uint32_t value)
{
    emit_8(0x68);
    emit_32(value);
}

/* Push a return address; what does not fit an immediate, through a register. */
static void emit_push_pc(uint64_t pc, struct cache_insn *record)
{
    if (is_imm32(pc)) {
        emit_push_imm32((uint32_t)pc);
        return;
    }
    record->fixup |= FIX_SCRATCH;
    record->reg = RAX;
    emit_store(RAX, &soft.scratch);
    emit_mov_imm(RAX, pc);
    emit_8(0x50); /* push rax */
    emit_load(RAX, &soft.scratch);
}

static void translate_jcc(const struct insn *in, uint64_t next)
{
    emit_8(0x0f);
    emit_8(0x80u | in->cc);
    emit_32(0);
    jump_to(emit_at - 4, next + (uint64_t)in->imm);
}

/* loop and jrcxz reach only 127 bytes: hop to a near jump. */
static void translate_loop(const struct insn *in, const uint8_t *bytes, uint64_t next)
{
    emit_copy(bytes, in->len - 1u);
    emit_8(2);
    emit_8(0xeb);
    emit_8(5);
    emit_8(0xe9);
    emit_32(0);
    jump_to(emit_at - 4, next + (uint64_t)in->imm);
}

static void translate_indirect(const struct insn *in, uint64_t next, struct cache_insn *record)
{
    uint64_t rip_target = next + (uint64_t)(int64_t)in->disp;

    record->fixup = FIX_RCX;
    emit_store(RCX, &soft.rcx);
    if (in->cls == INSN_CALL_IND && !is_imm32(next)) /* as emit_push_pc() is going to need it */
        emit_store(RAX, &soft.scratch);
    if (!in->mem) {
        if (in->rm != RCX)
            emit_mov(RCX, in->rm);
    } else if (in->rip_rel && !is_imm32(rip_target)) {
        emit_mov_imm(RCX, rip_target);
        emit_mem(rewrite_segment(in), 0x8b, RCX, RCX, -1, 1, 0);
    } else {
        emit_mem(rewrite_segment(in), 0x8b, RCX, in->base, in->index, in->scale,
                 in->rip_rel ? (int32_t)rip_target : in->disp);
    }
    if (in->cls == INSN_CALL_IND)
        emit_push_pc(next, record);
    emit_jmp_rcx();
}

static void translate_ret(const struct insn *in, struct cache_insn *record)
{
    record->fixup = FIX_RCX;
    emit_store(RCX, &soft.rcx);
    emit_8(0x59); /* pop rcx */
    if (in->imm)
        emit_lea(RSP, RSP, -1, 1, (int32_t)in->imm);
    emit_jmp_rcx();
}

enum flow { FLOW_NEXT, FLOW_CALL, FLOW_END };

/* Control flow and instructions that leave translated code. */
static enum flow translate_flow(const struct insn *in, const uint8_t *bytes, uint64_t pc,
                                struct cache_insn *record, bool *done)
{
    uint64_t next = pc + in->len;

    *done = true;
    if (cache_marked(pc) && (in->cls == INSN_CALL || in->cls == INSN_RET)) { /* a user stack */
        emit_exit(pc, SOFT_EMULATE);
        return FLOW_END;
    }
    switch (in->cls) {
    case INSN_JMP:
        emit_jmp_guest(next + (uint64_t)in->imm);
        return FLOW_END;
    case INSN_JCC:
        translate_jcc(in, next);
        return FLOW_NEXT;
    case INSN_LOOP:
        translate_loop(in, bytes, next);
        return FLOW_NEXT;
    case INSN_CALL:
        emit_push_pc(next, record);
        emit_jmp_guest(next + (uint64_t)in->imm);
        return FLOW_CALL;
    case INSN_JMP_IND:
    case INSN_CALL_IND:
        if (rewrite_operand_is_odd(in) || (in->mem && in->opsize != 8) || in->rsp_data ||
            cache_marked(pc))
            break;
        translate_indirect(in, next, record);
        return in->cls == INSN_CALL_IND ? FLOW_CALL : FLOW_END;
    case INSN_RET:
        translate_ret(in, record);
        return FLOW_END;
    case INSN_SYSCALL:
        emit_exit(next, SOFT_HYPERCALL);
        return FLOW_END;
    case INSN_IRET:
    case INSN_INT:
    case INSN_UD:
        emit_exit(pc, SOFT_EMULATE);
        return FLOW_END;
    default:
        break;
    }
    *done = false;
    return FLOW_NEXT;
}

struct region {
    struct vcpu *v;
    uint64_t pc;
    struct cache_block *block;
    unsigned int count;
    bool simd_tested; /* the block has tested that the FPU state is here */
};

static void region_end_block(struct region *r)
{
    if (r->block)
        cache_block_end(r->block);
    r->block = NULL;
}

/* The page of code at va is in `frame`: stores to it and changes of its mapping are to be
 * noticed. May drop translations and so emit exit stubs: no block may be open. False: another
 * vCPU may have written to it meanwhile, or the vTLB have dropped its entry or others. */
static bool watch_code(struct vcpu *v, uint64_t va, mfn_t frame)
{
    bool stands = vtlb_touch(v, va);

    return !vtlb_watch_frame(frame, FRAME_CODE) && stands;
}

/* Start a block at r->pc, whose first instruction may reach into a second frame. False: that
 * instruction has to be fetched again. */
static bool region_begin_block(struct region *r, const mfn_t frame[2], bool crosses)
{
    bool same = watch_code(r->v, r->pc, frame[0]);

    if (crosses)
        same &= watch_code(r->v, (r->pc | ~PAGE_MASK) + 1, frame[1]);
    if (!same)
        return false;
    r->block = cache_block_begin(r->pc, frame[0]);
    if (crosses)
        cache_block_frame(r->block, frame[1]);
    r->simd_tested = false;
    return true;
}

void emit_fpu_test(uint64_t pc, struct cache_insn *record)
{
    uint8_t *skip;

    record->fixup |= FIX_RCX;
    emit_store(RCX, &soft.rcx);
    emit_load32(RCX, &soft.fpu_usable);
    emit_8(0xe3); /* jrcxz +10 */
    emit_8(10);
    emit_load(RCX, &soft.rcx);
    emit_8(0xeb);
    skip = emit_at;
    emit_8(0);
    emit_load(RCX, &soft.rcx);
    emit_exit(pc, SOFT_FPU);
    *skip = (uint8_t)(emit_at - skip - 1);
}

static bool is_pause(const struct insn *in)
{
    return in->map == 0 && in->opcode == 0x90 && in->rep == 0xf3 && in->cls == INSN_COPY &&
           !in->op_gpr;
}

/* Count it: who spins for another vCPU is to give way now and then, for that one may be waiting
 * for the same host CPU. */
static void translate_pause(uint64_t next, struct cache_insn *record)
{
    uint8_t *leave, *go_on;

    record->fixup |= FIX_RCX;
    emit_store(RCX, &soft.rcx);
    emit_load(RCX, &soft.pauses);
    emit_lea(RCX, RCX, -1, 1, -1);
    emit_store(RCX, &soft.pauses);
    leave = emit_jump_short(0xe3); /* jrcxz */
    emit_load(RCX, &soft.rcx);
    emit_8(0xf3);
    emit_8(0x90);
    go_on = emit_jump_short(0xeb);
    emit_land(leave);
    emit_load(RCX, &soft.rcx);
    emit_exit(next, SOFT_PAUSE);
    emit_land(go_on);
}

/* One instruction. */
static enum flow region_insn(struct region *r, const struct insn *in, const uint8_t *bytes)
{
    struct cache_insn *record = cache_insn_add(r->block, r->pc);
    enum flow flow;
    bool done;

    if (in->simd && !r->simd_tested && in->cls != INSN_EMULATE) {
        emit_fpu_test(r->pc, record);
        record = cache_insn_add(r->block, r->pc);
        r->simd_tested = true;
    }
    if (is_pause(in) && peers_exist()) {
        translate_pause(r->pc + in->len, record);
        return FLOW_NEXT;
    }
    flow = translate_flow(in, bytes, r->pc, record, &done);
    if (done)
        return flow;
    if (rewrite_insn(in, bytes, r->pc, record))
        return FLOW_NEXT;
    emit_exit(r->pc, SOFT_EMULATE);
    return FLOW_END;
}

/* Fill in the region's open jumps: translated meanwhile, or through exit stubs. */
static void region_finish(struct region *r)
{
    region_end_block(r);
    for (unsigned int i = 0; i < nr_jumps; i++) {
        void *host = cache_lookup(jumps[i].pc);

        if (cache_in_dead_entry(jumps[i].rel))
            continue;
        emit_patch_rel32(jumps[i].rel, host ? host : cache_chain_stub(jumps[i].rel, jumps[i].pc));
    }
}

/* Whether the region goes on at r->pc; emits the jump to what follows where it does not. */
static bool region_goes_on(struct region *r, enum flow flow)
{
    bool known;

    if (flow == FLOW_END)
        return false;
    known = cache_lookup(r->pc) != NULL;
    if (flow == FLOW_CALL) {
        region_end_block(r);
        return !known && r->count < REGION_INSNS / 2;
    }
    if (known || r->count >= REGION_INSNS || nr_jumps + 4 > REGION_JUMPS) {
        emit_jmp_guest(r->pc);
        return false;
    }
    return true;
}

/* A jump to what comes later in the page, and is not translated yet: the block goes on there. The
 * jump has a byte of its own, for when its block is dead somebody may stand on that. */
static bool region_follows(struct region *r, const struct insn *in)
{
    uint64_t next = r->pc + in->len, target = next + (uint64_t)in->imm;

    if (in->cls != INSN_JMP || in->imm < 0 || ((target ^ r->pc) & PAGE_MASK) ||
        r->count >= REGION_INSNS || cache_lookup(target))
        return false;
    cache_insn_add(r->block, r->pc);
    emit_8(0x90);
    r->pc = target;
    return true;
}

/* Decode at r->pc. Length, 0 with *f if it can't be fetched, -1 if it is undefined or its
 * tail is unmapped: the emulator raises that fault. */
static int region_decode(struct region *r, struct insn *in, uint8_t *bytes, mfn_t frame[2],
                         struct fault *f)
{
    unsigned int avail = fetch(r->v, r->pc, bytes, frame, f);
    int len = avail ? insn_decode(bytes, avail, in) : 0;

    return avail && len <= 0 ? -1 : len;
}

/* Translate what follows pc. False with *f: not even the first instruction can be fetched. */
static bool translate_region(struct vcpu *v, uint64_t pc, struct fault *f)
{
    struct region r = {.v = v, .pc = pc};

    cache_reserve();
    nr_jumps = 0;
    for (;;) {
        uint8_t bytes[INSN_MAX];
        struct insn in;
        mfn_t frame[2];
        int len = region_decode(&r, &in, bytes, frame, f);
        bool crosses = len > 0 && (r.pc & ~PAGE_MASK) + (unsigned int)len > PAGE_SIZE;
        enum flow flow;

        /* What is in another page, or leads there, is a block of its own. */
        if (r.block && (!len || crosses || !(r.pc & ~PAGE_MASK))) {
            emit_jmp_guest(r.pc);
            region_end_block(&r);
        }
        if (!len)
            break;
        if (!r.block && !region_begin_block(&r, frame, crosses))
            continue;
        r.count++;
        if (len < 0) {
            cache_insn_add(r.block, r.pc);
            emit_exit(r.pc, SOFT_EMULATE);
            break;
        }
        if (region_follows(&r, &in))
            continue;
        flow = region_insn(&r, &in, bytes);
        r.pc += (unsigned int)len;
        if (!region_goes_on(&r, flow))
            break;
    }
    region_finish(&r);
    return r.count > 0;
}

void *translate(struct vcpu *v, uint64_t pc, struct fault *f)
{
    const uint8_t *ignored;
    void *host = NULL;
    mfn_t frame;

    /* A jump to nowhere is no reason to prepare for code there. */
    if (!cache_admits(pc) && fetch_page(v, pc, &ignored, &frame, f))
        return NULL;
    cache_admit(pc);
    /* Another vCPU may write to the code meanwhile. */
    while (!host && translate_region(v, pc, f))
        host = cache_lookup(pc);
    return host;
}

void *translate_alone(const struct insn *in, const uint8_t *bytes, uint64_t pc, uint32_t operand)
{
    struct cache_insn *record;
    struct cache_block *b;
    uint8_t *start;
    bool ok;

    cache_reserve();
    b = cache_block_alone(pc);
    start = emit_at;
    record = cache_insn_add(b, pc);
    ok =
        operand ? rewrite_bounced(in, bytes, operand, record) : rewrite_insn(in, bytes, pc, record);
    emit_exit(pc + in->len, SOFT_NONE);
    cache_block_end(b);
    return ok ? start : NULL;
}
