/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * iret.c - the iret hypercall (ABI 5.4): the only way into guest user mode, and the usual way
 * back to interrupted kernel code. Runs once per guest system call: one read for the frame.
 */
#include "cpu/pv/hypercall.h"

#include "cpu/pv/info.h"
#include "cpu/pv/pv.h"
#include "cpu/pv/segment.h"

/* As the guest pushed it, from rsp up. */
struct iret_frame {
    uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};

static void enter_user_mode(struct vcpu *v)
{
    uint64_t base = v->gs_base;

    if (v->cr3_user == INVALID_MFN)
        env_domain_crash(v, "iret to user mode (rip %lx) without a user page table", v->rip);
    v->gs_base = v->gs_base_other;
    v->gs_base_other = base;
    v->user_mode = true;
}

/* What the real iretq would raise: the guest gets it from the new context, as under Xen. */
static bool selectors_fault(struct vcpu *v, bool user, struct fault *f)
{
    uint64_t desc = DESC_L;
    unsigned int vector;

    *f = (struct fault){.has_error = true, .error = v->cs & ~3u};
    vector = v->cs == FLAT_KERNEL_CS ? 0 : segment_code_fault(v, v->cs, &desc);
    if (!vector && !user && !(desc & DESC_L))
        vector = VEC_GP; /* kernel code is 64-bit code */
    if (!vector) {
        f->error = v->ss & ~3u;
        vector = v->ss == FLAT_KERNEL_SS ? 0 : segment_stack_fault(v, v->ss);
    }
    f->vector = (uint8_t)vector;
    return vector;
}

/* IRET to an outer level makes all null selectors the same one; SYSRET does not. */
static void clear_nulls(struct vcpu *v)
{
    uint16_t *const sel[] = {&v->ds, &v->es, &v->fs, &v->gs};

    for (unsigned int i = 0; i < ARRAY_SIZE(sel); i++)
        if (*sel[i] <= 3)
            *sel[i] = 0;
}

int64_t pv_do_iret(struct vcpu *v, uint64_t args[5])
{
    struct vcpu_info *info = pv_info(v);
    struct iret_frame frame;
    struct fault f;
    bool user;

    if (env_read_kernel(v, v->gpr[RSP], &frame, sizeof(frame), &f))
        env_domain_crash(v, "iret: frame at %lx cannot be read", v->gpr[RSP]);

    user = (frame.cs & 3) == 3;
    v->rip = frame.rip;
    v->rflags = (frame.rflags & EFLAGS_USER) | EFLAGS_IF | 2;
    v->gpr[RSP] = frame.rsp;
    v->gpr[RAX] = frame.rax;
    if (frame.flags & VGCF_in_syscall) {
        /* The way of sysret. */
        v->gpr[R11] = v->rflags;
        v->gpr[RCX] = frame.rip;
        v->cs = (frame.cs | 3) == FLAT_USER_CS32 ? FLAT_USER_CS32 : FLAT_USER_CS64;
        v->ss = FLAT_USER_SS64;
    } else {
        v->gpr[R11] = frame.r11;
        v->gpr[RCX] = frame.rcx;
        v->cs = (uint16_t)(frame.cs | 3);
        v->ss = (uint16_t)(frame.ss | 3);
        if (user)
            clear_nulls(v);
    }
    if (v->pv.vm_assist & PV_ASSIST_BIT(VMASST_TYPE_architectural_iopl))
        v->pv.iopl = (frame.rflags & EFLAGS_IOPL) >> 12;
    v->pv.nmi_masked = false;
    pv_events_mask(info, !(frame.rflags & EFLAGS_IF));

    if (user)
        enter_user_mode(v);
    if (selectors_fault(v, user, &f))
        pv_inject(v, &f);
    return HYPERCALL_LEFT;
}
