/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * step.c - see step.h. Instructions are emulated; the few that the emulator does not know
 * (arithmetic of x87 and SIMD, above all) are translated by themselves, run, and forgotten.
 *
 * Single-stepping: the flag is never set on the host, whose code for one instruction may be
 * several. It lives in v->rflags, and this file raises the exception behind each instruction.
 */
#include "engine/soft/vcpu/step.h"

#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "engine/soft/vcpu/emulate.h"
#include "engine/soft/vcpu/loop.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/user.h"

#define STEPS 256 /* between two looks at events and kicks */

/* Run the instruction at rip by itself. True: it is done. */
static bool run_alone(struct vcpu *v, const struct insn *in, const uint8_t *bytes)
{
    static const struct fault ud = {.vector = VEC_UD};
    uint64_t next = v->rip + in->len, trap_flag = v->rflags & EFLAGS_TF;
    void *host;

    if (in->simd)
        user_fpu_import();
    host = translate_alone(in, bytes, v->rip);
    if (!host) {
        env_log("cannot run the instruction at %lx: map %u opcode %02x encoding %u",
                (unsigned long)v->rip, (unsigned int)in->map, (unsigned int)in->opcode,
                (unsigned int)in->enc);
        loop_fault(v, &ud);
        return false;
    }
    loop_run(v, host, trap_flag);
    return soft.reason == SOFT_NONE && v->rip == next;
}

/* One instruction. False: it was no plain success, the caller's loop is over. */
static bool step(struct vcpu *v)
{
    struct fault f = {.vector = VEC_GP, .has_error = true};
    uint8_t bytes[INSN_MAX];
    struct insn in;
    int len = pv_canonical(v->rip) ? fetch_decode(v, v->rip, &in, bytes, &f) : 0;

    if (len < 0)
        f = (struct fault){.vector = VEC_UD};
    if (len <= 0) {
        loop_fault(v, &f);
        return false;
    }
    if (in.cls == INSN_SYSCALL) {
        v->rip += in.len;
        loop_hypercall(v);
        return false;
    }
    switch (emulate_known(v, &in, bytes, &f)) {
    case EMULATE_DONE:
        return true;
    case EMULATE_FAULT:
        loop_fault(v, &f);
        return false;
    default:
        return run_alone(v, &in, bytes);
    }
}

void step_kernel(struct vcpu *v)
{
    static const struct fault db = {.vector = VEC_DB};

    for (unsigned int left = STEPS; left && !soft.kicked; left--) {
        bool traced = v->rflags & EFLAGS_TF;

        if (!step(v))
            return;
        if (traced) {
            v->dr[6] |= DR6_BS;
            loop_fault(v, &db);
            return;
        }
        if (!step_needed(v))
            return;
    }
}
