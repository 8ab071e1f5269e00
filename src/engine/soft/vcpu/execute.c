/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * execute.c - see execute.h.
 *
 * The copy of a memory operand lies in a buffer at the same offset in its page, so alignment
 * is what it was. A page that the guest may not access so is stood in for by one that nobody
 * can access: then the CPU decides whether the instruction touches it (a masked one may not),
 * and where first. Afterwards only what has changed is written back, for the same reason.
 */
#include "engine/soft/vcpu/execute.h"

#include <linux/mman.h>

#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/loop.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/user.h"

#define OPERAND_MAX 256

/* Pages of the buffer, so that any two pages in a row exist in all four combinations. */
enum { NONE_0, OPEN_1, OPEN_2, NONE_3, NONE_4, BUFFER_PAGES };

static uint8_t buffer[BUFFER_PAGES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

struct operand {
    gva_t va;
    unsigned int size;
    bool write;
    uint8_t *copy;         /* in the buffer */
    unsigned int first;    /* bytes in the first page */
    uint8_t *guest[2];     /* the parts in guest memory; NULL: fault[] says why not */
    struct fault fault[2]; /* if it is touched */
    uint8_t before[OPERAND_MAX];
};

bool execute_owns(uint64_t host)
{
    return host - (uintptr_t)buffer < sizeof(buffer);
}

static void buffer_init(void)
{
    static bool ready;

    if (ready)
        return;
    sys_protect((uintptr_t)buffer + NONE_0 * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
    sys_protect((uintptr_t)buffer + NONE_3 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_NONE);
    ready = true;
}

static uint8_t *place_copy(const struct operand *o)
{
    unsigned int page;

    if (o->first == o->size)
        page = o->guest[0] ? OPEN_1 : NONE_3;
    else if (o->guest[0])
        page = o->guest[1] ? OPEN_1 : OPEN_2;
    else
        page = o->guest[1] ? NONE_0 : NONE_3;
    return buffer + page * PAGE_SIZE + (o->va & ~PAGE_MASK);
}

static unsigned int part_size(const struct operand *o, unsigned int k)
{
    return k ? o->size - o->first : o->first;
}

static void open_operand(struct vcpu *v, struct operand *o)
{
    unsigned int room = PAGE_SIZE - (o->va & ~PAGE_MASK);
    enum access access = o->write ? ACCESS_WRITE : ACCESS_READ;

    o->first = o->size < room ? o->size : room;
    for (unsigned int k = 0; k < 2 && part_size(o, k); k++)
        o->guest[k] = env_translate(v, o->va + (k ? o->first : 0), access, &o->fault[k]);
    o->copy = place_copy(o);
    for (unsigned int k = 0; k < 2; k++)
        if (o->guest[k])
            memcpy(o->copy + (k ? o->first : 0), o->guest[k], part_size(o, k));
    if (o->write)
        for (unsigned int k = 0; k < 2; k++)
            if (o->guest[k])
                memcpy(o->before + (k ? o->first : 0), o->copy + (k ? o->first : 0),
                       part_size(o, k));
}

/* A store of a whole word is one store. */
static bool store_word(const struct operand *o)
{
    if (o->first != o->size)
        return false;
    switch (o->size) {
    case 2:
        *(volatile uint16_t *)o->guest[0] = *(const uint16_t *)o->copy;
        return true;
    case 4:
        *(volatile uint32_t *)o->guest[0] = *(const uint32_t *)o->copy;
        return true;
    case 8:
        *(volatile uint64_t *)o->guest[0] = *(const uint64_t *)o->copy;
        return true;
    default:
        return false;
    }
}

static void write_back(const struct operand *o, bool whole)
{
    if (!o->write || (whole && o->guest[0] && store_word(o)))
        return;
    for (unsigned int i = 0; i < o->size; i++) {
        unsigned int k = i >= o->first;

        if (o->guest[k] && o->copy[i] != o->before[i])
            *(volatile uint8_t *)&o->guest[k][i - (k ? o->first : 0)] = o->copy[i];
    }
}

/* Some of its kind do not access all of their operand. */
static bool may_leave_out(const struct insn *in)
{
    return in->enc == ENC_EVEX || (in->enc == ENC_VEX && in->map == 2) || in->cls == INSN_MASKMOV;
}

/* The implicit operand of maskmovq and maskmovdqu. */
static void mask_move_operand(struct vcpu *v, const struct insn *in, struct operand *o)
{
    gva_t base = in->seg == 0x64 ? v->fs_base : in->seg == 0x65 ? v->gs_base : 0;

    o->va = (in->prefix_67 ? (uint32_t)v->gpr[RDI] : v->gpr[RDI]) + base;
    o->size = in->enc != ENC_LEGACY || in->prefix_66 ? 16 : 8;
    o->write = true;
}

static bool find_operand(struct vcpu *v, const struct insn *in, struct operand *o)
{
    *o = (struct operand){.write = in->mem_write};
    if (in->cls == INSN_MASKMOV) {
        mask_move_operand(v, in, o);
    } else if (in->mem) {
        o->va = emulate_operand(v, in);
        o->size = in->mem_size;
        if (!o->size || in->vsib)
            return false;
    }
    return true;
}

static enum emulate_result operand_fault(struct vcpu *v, const struct insn *in,
                                         const struct operand *o, struct fault *f)
{
    uint64_t at = f->cr2 - (uintptr_t)o->copy;

    if (f->vector != VEC_PF || !o->size || !execute_owns(f->cr2))
        return EMULATE_FAULT;
    if (at >= o->size)
        at = 0;
    *f = o->fault[at >= o->first];
    if (f->vector == VEC_PF)
        f->cr2 = o->va + at;
    else
        f->vector = (uint8_t)emulate_address_fault(v, in);
    return EMULATE_FAULT;
}

static enum emulate_result unknown(struct vcpu *v, const struct insn *in, struct fault *f)
{
    env_log("cannot execute the instruction at %lx: map %u opcode %02x encoding %u",
            (unsigned long)v->rip, (unsigned int)in->map, (unsigned int)in->opcode,
            (unsigned int)in->enc);
    *f = (struct fault){.vector = VEC_UD};
    return EMULATE_FAULT;
}

static enum emulate_result run_natively(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                                        struct fault *f)
{
    uint64_t start = v->rip, trap_flag = v->rflags & EFLAGS_TF;
    struct operand o;
    void *host = NULL;

    buffer_init();
    if (in->cls != INSN_COPY && in->cls != INSN_MASKMOV)
        return unknown(v, in, f);
    if (!find_operand(v, in, &o))
        return unknown(v, in, f);
    if (in->simd || in->cls == INSN_MASKMOV)
        user_fpu_import();
    if (o.size && !emulate_canonical(o.va, o.size) && !may_leave_out(in)) {
        *f = (struct fault){.vector = (uint8_t)emulate_address_fault(v, in), .has_error = true};
        return EMULATE_FAULT;
    }
    if (o.size)
        open_operand(v, &o);
    host = translate_alone(in, bytes, start, o.size ? (uint32_t)(uintptr_t)o.copy : 0);
    if (!host)
        return unknown(v, in, f);
    do
        loop_enter(v, host, trap_flag);
    while (soft.reason == SOFT_NONE && v->rip == start); /* kicked before it began */
    cache_drop_alone();
    if (soft.reason == SOFT_FAULT) {
        *f = soft.fault;
        return operand_fault(v, in, &o, f);
    }
    if (soft.reason != SOFT_NONE)
        return unknown(v, in, f);
    if (o.size)
        write_back(&o, !may_leave_out(in));
    return EMULATE_DONE;
}

enum emulate_result execute(struct vcpu *v, const struct insn *in, const uint8_t *bytes,
                            struct fault *f)
{
    enum emulate_result r = emulate(v, in, bytes, f);

    return r == EMULATE_UNKNOWN ? run_natively(v, in, bytes, f) : r;
}
