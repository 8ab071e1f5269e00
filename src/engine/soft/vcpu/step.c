/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * step.c - see step.h. Each instruction goes through execute().
 *
 * Single-stepping and breakpoints: neither flag nor register is ever set on the host, whose
 * code for one instruction may be several. They live in struct vcpu, and this file raises the
 * exception: before the instruction that a breakpoint is on (unless RF says that it was raised
 * already), behind one that is traced or has accessed what is watched.
 */
#include "engine/soft/vcpu/step.h"

#include "cpu/creg.h"
#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"
#include "engine/soft/stub/stub_layout.h"
#include "engine/soft/vcpu/breakpoint.h"
#include "engine/soft/vcpu/execute.h"
#include "engine/soft/vcpu/loop.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"

static void debug_exception(struct vcpu *v, uint64_t cause)
{
    static const struct fault db = {.vector = VEC_DB};

    v->dr[6] |= cause;
    loop_fault(v, &db);
}

/* A repeated string instruction is traced and watched round by round. */
static enum emulate_result execute_round(struct vcpu *v, const struct insn *in,
                                         const uint8_t *bytes, struct fault *f)
{
    uint64_t start = v->rip, count = v->gpr[RCX], mask = in->prefix_67 ? 0xffffffff : ~0ull;
    bool compares = (in->opcode & 0xf6) == 0xa6, go_on; /* cmps, scas */

    if (!(count & mask))
        return execute(v, in, bytes, f);
    v->gpr[RCX] = 1;
    if (execute(v, in, bytes, f) == EMULATE_FAULT) {
        v->gpr[RCX] = count;
        return EMULATE_FAULT;
    }
    v->gpr[RCX] = (count - 1) & mask;
    go_on = !compares || !(v->rflags & EFLAGS_ZF) == (in->rep == 0xf2);
    if (v->gpr[RCX] && go_on)
        v->rip = start;
    return EMULATE_DONE;
}

static bool is_repeated(const struct insn *in)
{
    return in->rep && (in->cls == INSN_STRING || (in->cls == INSN_EMULATE && !in->map &&
                                                  in->opcode >= 0x6c && in->opcode <= 0x6f));
}

static void system_call(struct vcpu *v, const struct insn *in)
{
    v->rip += in->len;
    if (v->user_mode)
        pv_user_syscall(v);
    else
        loop_hypercall(v);
}

/* mov to ss holds traps off until the instruction behind it is done. */
static bool shadows_traps(const struct insn *in)
{
    return in->cls == INSN_MOV_SEG && !in->map && in->opcode == 0x8e && in->reg == 2;
}

/* Instructions that programs may have, though the guest kernel is told that they are not there:
 * the CPU's own answer counts, or its layout of save areas. */
static bool is_for_stub(const struct vcpu *v, const struct insn *in)
{
    if (!v->user_mode || !user_can_begin(v))
        return false;
    switch (in->cls) {
    case INSN_UD:
        return in->map != 1 || (in->opcode != 0x0b && in->opcode != 0xb9 && in->opcode != 0xff);
    case INSN_EMULATE:
        return in->map == 1 && in->opcode == 0xae; /* fxsave and xsave families, fs and gs bases */
    default:
        return false;
    }
}

/* One instruction of user code in its stub, with the trap flag there only. */
static bool step_in_stub(struct vcpu *v, uint64_t cause, uint64_t resume)
{
    uint64_t trap_flag = v->rflags & EFLAGS_TF;
    enum user_stop stop;
    struct fault f;

    v->rflags |= EFLAGS_TF;
    stop = user_run(v, &f);
    v->rflags = (v->rflags & ~(uint64_t)EFLAGS_TF) | trap_flag;
    if (stop == USER_EVENT) {
        v->rflags |= resume;
    } else if (stop != USER_FAULT) {
        loop_system_call(v, stop);
    } else if (f.vector != VEC_DB) {
        loop_fault(v, &f);
    } else {
        if (cause)
            debug_exception(v, cause);
        return !cause;
    }
    return false;
}

/* Watchpoints that a load of ss has met are raised behind the next instruction, at `rip`, and not
 * at all if that one goes elsewhere. */
static struct {
    gva_t rip;
    uint64_t cause;
} deferred;

static uint64_t take_deferred(const struct vcpu *v)
{
    uint64_t cause = deferred.rip == v->rip ? deferred.cause : 0;

    deferred.cause = 0;
    return cause;
}

static void defer(const struct vcpu *v, uint64_t cause)
{
    deferred.rip = v->rip;
    deferred.cause = cause & ~(uint64_t)DR6_BS;
}

/* rdtsc and rdtscp of a program that may not have them. */
static bool is_forbidden(const struct vcpu *v, const uint8_t *bytes)
{
    while (*bytes == 0x66 || *bytes == 0x67 ||
           (*bytes & 0xf0) == 0x40) /* they mean nothing there */
        bytes++;
    return v->user_mode && (v->cr4 & CR4_TSD) && bytes[0] == 0x0f &&
           (bytes[1] == 0x31 || (bytes[1] == 0x01 && bytes[2] == 0xf9));
}

/* The instruction is decoded and no breakpoint is on it. */
static bool step_decoded(struct vcpu *v, const struct insn *in, const uint8_t *bytes)
{
    uint64_t cause = (v->rflags & EFLAGS_TF ? DR6_BS : 0) | take_deferred(v), start = v->rip;
    uint64_t resume = v->rflags & EFLAGS_RF;
    bool by_rounds = cause && is_repeated(in);
    enum emulate_result r;
    struct fault f;

    v->rflags &= ~(uint64_t)EFLAGS_RF;
    if (in->cls == INSN_SYSCALL) {
        system_call(v, in);
        return false;
    }
    if (is_for_stub(v, in))
        return step_in_stub(v, cause, resume);
    if (is_forbidden(v, bytes)) {
        f = (struct fault){.vector = VEC_GP, .has_error = true};
        v->rflags |= EFLAGS_RF;
        loop_fault(v, &f);
        return false;
    }
    if (breakpoints_enabled(v)) {
        cause |= breakpoints_accessed(v, in);
        by_rounds |= is_repeated(in) && breakpoints_in_string(v, in);
    }
    r = by_rounds ? execute_round(v, in, bytes, &f) : execute(v, in, bytes, &f);
    if (r == EMULATE_FAULT) {
        if (v->rip == start) /* a fault, not a trap */
            v->rflags |= EFLAGS_RF;
        loop_fault(v, &f);
        return false;
    }
    if (shadows_traps(in)) {
        defer(v, cause);
        return true;
    }
    if (!cause)
        return true;
    debug_exception(v, cause);
    return false;
}

bool step_once(struct vcpu *v)
{
    struct fault f = {.vector = VEC_GP, .has_error = true};
    uint8_t bytes[INSN_MAX];
    struct insn in;
    int len;

    if (breakpoints_enabled(v) && !(v->rflags & EFLAGS_RF)) {
        uint32_t hits = breakpoints_at_rip(v);

        if (hits) {
            debug_exception(v, hits);
            return false;
        }
    }
    len = pv_canonical(v->rip) ? fetch_decode(v, v->rip, &in, bytes, &f) : 0;
    if (len < 0 && v->user_mode && user_can_begin(v))
        return step_in_stub(v, v->rflags & EFLAGS_TF ? DR6_BS : 0, v->rflags & EFLAGS_RF);
    if (len < 0)
        f = (struct fault){.vector = VEC_UD};
    if (len <= 0) {
        v->rflags |= EFLAGS_RF;
        loop_fault(v, &f);
        return false;
    }
    return step_decoded(v, &in, bytes);
}

bool step_needed(const struct vcpu *v)
{
    if (v->rflags & EFLAGS_TF)
        return true;
    if (!breakpoints_enabled(v))
        return false;
    return breakpoints_in_half(v, true) || v->rip < USER_END || vtlb_maps_user_half();
}

void step_kernel(struct vcpu *v)
{
    for (unsigned int left = STEP_MAX; left && !soft.kicked; left--)
        if (!step_once(v) || !step_needed(v))
            return;
}

/* pushf shows a flag that is there only for the step. */
static bool is_pushf(const uint8_t op[2])
{
    return op[0] == 0x9c || (op[0] == 0x66 && op[1] == 0x9c);
}

static bool is_load_of_ss(const uint8_t op[2])
{
    return op[0] == 0x17 || (op[0] == 0x8e && (op[1] >> 3 & 7) == 2);
}

/* These leave a stub without telling where they were. */
static bool fast_system_call(struct vcpu *v, const uint8_t op[2])
{
    if (op[0] != 0x0f || (op[1] != 0x05 && op[1] != 0x34))
        return false;
    v->rip += 2;
    loop_system_call(v, op[1] == 0x05 ? USER_SYSCALL32 : USER_SYSENTER);
    return true;
}

static void hide_pushed_flag(struct vcpu *v)
{
    gva_t at = (uint32_t)v->gpr[RSP] + 1; /* the flag is the lowest bit of the second byte */
    struct fault ignored;
    uint8_t byte;

    if (env_read(v, at, &byte, 1, &ignored))
        return;
    byte &= (uint8_t) ~(EFLAGS_TF >> 8);
    if (env_write(v, at, &byte, 1, &ignored))
        return; /* another thread took the page away */
}

/* One instruction of a 32-bit program, on the CPU. True: it is done and nothing was raised. */
static bool step_once_32bit(struct vcpu *v)
{
    uint64_t traced = v->rflags & EFLAGS_TF, resume = v->rflags & EFLAGS_RF;
    uint32_t hits = resume ? 0 : breakpoints_at_rip(v);
    uint64_t cause = take_deferred(v);
    struct watched_bytes before;
    struct fault ignored;
    uint8_t op[2];
    bool done;

    if (hits) {
        debug_exception(v, hits);
        return false;
    }
    v->rflags &= ~(uint64_t)EFLAGS_RF;
    if (env_read(v, v->rip, op, 2, &ignored))
        op[0] = op[1] = 0x90;
    if (fast_system_call(v, op))
        return false;
    breakpoints_save(v, &before);
    done = step_in_stub(v, 0, resume);
    cause |= breakpoints_seen(v, &before) | (traced ? DR6_BS : 0);
    if (!done)
        return false;
    if (is_pushf(op) && !traced)
        hide_pushed_flag(v);
    if (is_load_of_ss(op)) {
        defer(v, cause);
        return true;
    }
    if (cause)
        debug_exception(v, cause);
    return !cause;
}

bool step_user_needed(struct vcpu *v)
{
    return breakpoints_enabled(v) && breakpoints_in_half(v, false);
}

void step_user(struct vcpu *v)
{
    for (unsigned int left = STEP_MAX; left && !soft.kicked; left--)
        if (!(segment_is_64bit_code(v) ? step_once(v) : step_once_32bit(v)) || !step_user_needed(v))
            return;
}

bool step_user_apart(struct vcpu *v, unsigned int instructions)
{
    if (!segment_is_64bit_code(v))
        return false;
    while (instructions-- && !soft.kicked && step_once(v))
        continue;
    return true;
}

/* Does the program's own root lead there? If not, the fault says why. */
static bool is_reachable(const struct vcpu *v, struct fault *f)
{
    enum access access = f->error & PF_I   ? ACCESS_EXEC
                         : f->error & PF_W ? ACCESS_WRITE
                                           : ACCESS_READ;
    bool m2p = vtlb_user_m2p(v, f->cr2);
    struct walk w;
    uint32_t error;

    if (!walk_access(v->cr3_user, f->cr2, access, &w, &error) || (m2p && access == ACCESS_READ))
        return true;
    f->error = m2p ? error | PF_P : error; /* of a stub that is no page of the program's at all */
    return false;
}

bool step_user_high(struct vcpu *v, struct fault *f)
{
    if (f->cr2 < STUB_USER_END || !segment_is_64bit_code(v) || !is_reachable(v, f))
        return false;
    for (unsigned int left = STEP_MAX; left && !soft.kicked; left--)
        if (!step_once(v) || v->rip < STUB_USER_END)
            break;
    return true;
}

/* Ports, cli and sti by IOPL; cpuid, where the host has the CPU fault it; what begins as Xen's own
 * form of it does; lsl and rdpid where patch.c made them trap. */
static bool is_emulated_for_user(const struct insn *in)
{
    if (in->cls == INSN_UD)
        return in->map == 1 && in->opcode == 0x0b;
    if (in->cls != INSN_EMULATE)
        return false;
    if (in->map)
        return in->map == 1 && (in->opcode == 0xa2 || in->opcode == 0x03 || in->opcode == 0xc7);
    switch (in->opcode) {
    case 0x6c ... 0x6f:
    case 0xe4 ... 0xe7:
    case 0xec ... 0xef:
    case 0xfa ... 0xfb:
        return true;
    default:
        return false;
    }
}

/* The segments of these are the guest's, not the host's. */
static bool is_far_branch(struct vcpu *v, const struct insn *in)
{
    if (in->map || !segment_is_64bit_code(v))
        return false;
    return in->cls == INSN_IRET ||
           (in->cls == INSN_EMULATE &&
            (in->opcode == 0xca || in->opcode == 0xcb || in->opcode == 0xff));
}

bool step_user_refused(struct vcpu *v, const struct fault *f)
{
    bool plain = f->vector == VEC_UD || (f->vector == VEC_GP && !f->error);
    uint8_t bytes[INSN_MAX];
    struct fault ignored;
    struct insn in;

    if (!plain && f->vector != VEC_GP && f->vector != VEC_NP && f->vector != VEC_SS)
        return false;
    if (fetch_decode(v, v->rip, &in, bytes, &ignored) <= 0 ||
        !(is_far_branch(v, &in) || (plain && is_emulated_for_user(&in))))
        return false;
    /* 32-bit code has the same encodings, apart from REX and the size of rsi and rdi. */
    if (!segment_is_64bit_code(v) && (in.rex || in.opcode < 0x70))
        return false;
    step_decoded(v, &in, bytes);
    return true;
}
