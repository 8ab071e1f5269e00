/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * step.c - see step.h. Each instruction goes through execute().
 *
 * Single-stepping: the flag is never set on the host, whose code for one instruction may be
 * several. It lives in v->rflags, and this file raises the exception behind each instruction.
 */
#include "engine/soft/vcpu/step.h"

#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "engine/soft/vcpu/execute.h"
#include "engine/soft/vcpu/loop.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/translate.h"

#define STEPS 256 /* between two looks at events and kicks */

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
    if (execute(v, &in, bytes, &f) == EMULATE_DONE)
        return true;
    loop_fault(v, &f);
    return false;
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
