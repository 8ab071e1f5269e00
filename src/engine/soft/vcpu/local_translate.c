/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * local_translate.c - see local_translate.h.
 *
 * Jumps inside the page are direct, for who is in a page has had its mapping checked. All others go
 * through local_jump (entry.S), by address and address space. Jumps backwards count, and those
 * through local_jump: so a program that computes for long is noticed, without a timer.
 */
#include "engine/soft/vcpu/local_translate.h"

#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/emit.h"
#include "engine/soft/vcpu/local.h"
#include "engine/soft/vcpu/local_rewrite.h"
#include "engine/soft/vcpu/rewrite.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/walk.h"

#define REGION_INSNS 100

/* A jump out of a block, to be filled in when the region is complete. */
struct jump {
    uint8_t *rel;
    gva_t pc;
};

struct region {
    const uint8_t *page;
    gva_t pc;
    mfn_t frame;
    struct cache_block *block;
    unsigned int count, nr_jumps;
    bool simd_tested;
    struct jump jumps[REGION_INSNS + 1];
};

static int decode_at(const struct region *r, gva_t pc, struct insn *in)
{
    unsigned int room = PAGE_SIZE - (pc & ~PAGE_MASK);

    return insn_decode(r->page + (pc & ~PAGE_MASK), room < INSN_MAX ? room : INSN_MAX, in);
}

/* A jump that is filled in later; op is one or two bytes. */
static void emit_jump_later(struct region *r, unsigned int op, gva_t pc)
{
    if (op > 0xff)
        emit_8(op >> 8);
    emit_8(op & 0xff);
    emit_32(0);
    r->jumps[r->nr_jumps++] = (struct jump){emit_at - 4, pc};
}

/* Before a jump backwards at pc: count it. */
static void emit_budget(gva_t pc, struct cache_insn *record)
{
    uint8_t *tired, *go_on;

    record->fixup |= FIX_RCX;
    emit_store(RCX, &soft.rcx);
    emit_load(RCX, &soft.budget);
    emit_lea(RCX, RCX, -1, 1, -1);
    emit_store(RCX, &soft.budget);
    tired = emit_jump_short(0xe3); /* jrcxz */
    emit_load(RCX, &soft.rcx);
    go_on = emit_jump_short(0xeb);
    emit_land(tired);
    emit_load(RCX, &soft.rcx);
    emit_exit(pc, SOFT_TIRED);
    emit_land(go_on);
}

/* loop and jrcxz reach only 127 bytes: hop to a near jump. */
static void emit_loop(struct region *r, const struct insn *in, const uint8_t *bytes, gva_t target)
{
    emit_copy(bytes, in->len - 1u);
    emit_8(2);
    emit_8(0xeb);
    emit_8(5);
    emit_jump_later(r, 0xe9, target);
}

/* false: nothing comes after it. */
static bool translate_flow(struct region *r, const struct insn *in, const uint8_t *bytes,
                           struct cache_insn *record)
{
    gva_t next = r->pc + in->len, target = next + (uint64_t)in->imm;

    if ((in->cls == INSN_JMP || in->cls == INSN_JCC || in->cls == INSN_LOOP) && in->imm < 0)
        emit_budget(r->pc, record);
    switch (in->cls) {
    case INSN_JCC:
        emit_jump_later(r, 0x0f80u | in->cc, target);
        return true;
    case INSN_LOOP:
        emit_loop(r, in, bytes, target);
        return true;
    case INSN_JMP:
        emit_jump_later(r, 0xe9, target);
        return false;
    case INSN_CALL:
        local_push_next(next, record);
        emit_jump_later(r, 0xe9, target);
        return false;
    case INSN_RET:
        local_pop_target(in, record);
        emit_jmp(local_jump);
        return false;
    case INSN_SYSCALL:
        emit_exit(next, SOFT_SYSCALL);
        return false;
    default:
        if (local_load_target(in, r->pc, record))
            emit_jmp(local_jump);
        else
            emit_exit(r->pc, SOFT_EMULATE);
        return false;
    }
}

static bool is_flow(const struct insn *in)
{
    switch (in->cls) {
    case INSN_JMP:
    case INSN_JCC:
    case INSN_LOOP:
    case INSN_CALL:
    case INSN_RET:
    case INSN_JMP_IND:
    case INSN_CALL_IND:
    case INSN_SYSCALL:
        return !in->prefix_66;
    default:
        return false;
    }
}

/* One instruction. false: nothing comes after it. */
static bool translate_insn(struct region *r, const struct insn *in, const uint8_t *bytes)
{
    struct cache_insn *record = cache_insn_add(r->block, r->pc);

    if (in->simd && !r->simd_tested && in->cls != INSN_EMULATE) {
        emit_fpu_test(r->pc, record);
        record = cache_insn_add(r->block, r->pc);
        r->simd_tested = true;
    }
    if (is_flow(in))
        return translate_flow(r, in, bytes, record);
    if (local_rewrite(in, bytes, r->pc, record))
        return true;
    record->fixup = 0;
    emit_exit(r->pc, SOFT_EMULATE);
    return false;
}

/* To another page: by address. */
static void *emit_far_jump(gva_t pc)
{
    uint8_t *start = emit_at;

    emit_store(RCX, &soft.rcx);
    emit_mov_imm(RCX, pc);
    emit_jmp(local_jump);
    return start;
}

static void region_finish(struct region *r)
{
    gva_t page = (r->pc - 1) & PAGE_MASK;

    for (unsigned int i = 0; i < r->nr_jumps; i++) {
        const struct jump *j = &r->jumps[i];
        uint8_t *header;
        void *to;

        if ((j->pc & PAGE_MASK) != page) {
            to = emit_far_jump(j->pc);
        } else {
            header = cache_lookup_local(j->pc, r->frame);
            to = header ? header + CACHE_LOCAL_HEADER : cache_chain_stub(j->rel, j->pc);
        }
        emit_patch_rel32(j->rel, to);
    }
}

static void end_block(struct region *r)
{
    if (r->block)
        cache_block_end(r->block);
    r->block = NULL;
}

/* Does the region go on at r->pc, behind an instruction? */
static bool region_goes_on(struct region *r, bool falls_through, enum insn_class cls)
{
    bool call = cls == INSN_CALL || cls == INSN_CALL_IND || cls == INSN_SYSCALL;
    bool known;

    if (!falls_through && !call)
        return false;
    if (!(r->pc & ~PAGE_MASK)) {
        if (falls_through)
            emit_jump_later(r, 0xe9, r->pc);
        return false;
    }
    known = cache_lookup_local(r->pc, r->frame);
    if (call)
        end_block(r);
    if (!known && r->count < REGION_INSNS)
        return true;
    if (falls_through)
        emit_jump_later(r, 0xe9, r->pc);
    return false;
}

/* A jump to what comes later in the page, and is not translated yet: the block goes on there. The
 * jump has a byte of its own, for when its block is dead somebody may stand on that. */
static bool region_follows(struct region *r, const struct insn *in)
{
    gva_t target = r->pc + in->len + (uint64_t)in->imm;

    if (in->cls != INSN_JMP || in->prefix_66 || in->imm < 0 || ((target ^ r->pc) & PAGE_MASK) ||
        r->count >= REGION_INSNS || cache_lookup_local(target, r->frame))
        return false;
    cache_insn_add(r->block, r->pc);
    emit_8(0x90);
    r->pc = target;
    return true;
}

void local_translate(gva_t pc, mfn_t frame)
{
    static struct region r;
    bool more = true;

    cache_reserve();
    r = (struct region){.page = ram_linear(frame), .pc = pc, .frame = frame};
    while (more) {
        uint8_t bytes[INSN_MAX] = {0};
        struct insn in;
        int len = decode_at(&r, r.pc, &in);

        if (!r.block) {
            r.block = cache_block_begin_local(r.pc, frame);
            r.simd_tested = false;
        }
        r.count++;
        if (len <= 0) { /* it goes on in the next page, or is undefined */
            cache_insn_add(r.block, r.pc);
            emit_exit(r.pc, SOFT_EMULATE);
            r.pc++;
            break;
        }
        if (region_follows(&r, &in))
            continue;
        __builtin_memcpy(bytes, r.page + (r.pc & ~PAGE_MASK), (size_t)len);
        more = translate_insn(&r, &in, bytes);
        r.pc += (unsigned int)len;
        more = region_goes_on(&r, more, (enum insn_class)in.cls);
    }
    end_block(&r);
    region_finish(&r);
}
