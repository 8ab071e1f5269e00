/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap.c - entries into the guest kernel (ABI 5.2, 5.3, 5.5).
 *
 * All kinds of entry push the same frame, lowest word first:
 *     rcx r11 [error] rip cs|mask<<32 rflags rsp ss
 * on the interrupted stack (kernel) or the stack_switch stack (user), aligned down to 16
 * first. This runs once per guest system call: one write for the whole frame.
 */
#include "cpu/pv/trap.h"

#include "cpu/pv/info.h"
#include "cpu/pv/pv.h"

#define ENTRY_CLEARS (EFLAGS_AC | EFLAGS_VM | EFLAGS_RF | EFLAGS_NT | EFLAGS_TF | EFLAGS_IOPL)
#define FRAME_MAX_WORDS 8

/* rflags as the frame shows them: IF is the event mask, IOPL is virtual. */
static uint64_t frame_rflags(const struct vcpu *v, uint8_t masked)
{
    uint64_t flags = v->rflags & ~(uint64_t)(EFLAGS_IF | EFLAGS_IOPL);

    if (!masked)
        flags |= EFLAGS_IF;
    if (v->pv.vm_assist & PV_ASSIST_BIT(VMASST_TYPE_architectural_iopl))
        flags |= (uint64_t)v->pv.iopl << 12;
    return flags;
}

static void enter_kernel_mode(struct vcpu *v)
{
    uint64_t base = v->gs_base;

    v->gs_base = v->gs_base_other;
    v->gs_base_other = base;
    v->user_mode = false;
}

void bounce_enter(struct vcpu *v, const struct bounce *b, const char *what)
{
    struct vcpu_info *info = pv_info(v);
    uint8_t masked = pv_events_masked(info);
    uint64_t frame[FRAME_MAX_WORDS];
    unsigned int n = 0;
    struct fault f;
    gva_t sp;

    frame[n++] = v->gpr[RCX];
    frame[n++] = v->gpr[R11];
    if (b->has_error)
        frame[n++] = b->error;
    frame[n++] = v->rip;
    frame[n++] = (v->user_mode ? v->cs : v->cs & ~3u) | (uint64_t)masked << 32;
    frame[n++] = frame_rflags(v, masked);
    frame[n++] = v->gpr[RSP];
    frame[n++] = v->ss;

    sp = ((v->user_mode ? v->pv.kernel_sp : v->gpr[RSP]) & ~15ull) - n * sizeof(frame[0]);
    if (v->user_mode)
        enter_kernel_mode(v);
    if (pv_in_hole(sp) || env_write_kernel(v, sp, frame, n * sizeof(frame[0]), &f))
        env_domain_crash(v, "%s at rip %lx: kernel stack %lx cannot be written", what, v->rip, sp);

    v->gpr[RSP] = sp;
    v->rip = b->handler;
    v->rflags = (v->rflags & ~(ENTRY_CLEARS | b->clear)) | EFLAGS_IF | 2;
    v->cs = FLAT_KERNEL_CS;
    v->ss = FLAT_KERNEL_SS;
    if (b->mask_events)
        pv_events_mask(info, true);
}

static bool nmi_due(const struct vcpu *v)
{
    return v->pv.nmi_pending && !v->pv.nmi_masked;
}

bool pv_event_due(const struct vcpu *v)
{
    const struct vcpu_info *info = pv_info_or_null(v);

    return (info && pv_upcall_pending(info) && !pv_events_masked(info)) || nmi_due(v);
}

static void deliver_nmi(struct vcpu *v)
{
    const struct pv_trap *t = &v->pv.traps[VEC_NMI];
    struct bounce b = {.handler = t->address, .mask_events = t->flags & 4};

    v->pv.nmi_pending = false;
    if (!t->address)
        return; /* nobody asked for it */
    v->pv.nmi_masked = true;
    bounce_enter(v, &b, "NMI");
}

/* An event is what block and poll return for: the guest finds itself behind the call. */
static void end_wait(struct vcpu *v)
{
    v->pv.waiting = false;
    v->rip += 2;
    v->gpr[RAX] = 0;
}

void pv_deliver_event(struct vcpu *v)
{
    struct bounce b = {.handler = v->pv.cb_event.address, .mask_events = true};

    if (v->pv.waiting)
        end_wait(v);
    if (nmi_due(v)) {
        deliver_nmi(v);
        return;
    }
    if (!b.handler)
        env_domain_crash(v, "event due at rip %lx, but no event callback is registered", v->rip);
    bounce_enter(v, &b, "event");
}

void pv_inject(struct vcpu *v, const struct fault *f)
{
    const struct pv_trap *t = &v->pv.traps[f->vector];
    struct bounce b = {.handler = t->address,
                       .mask_events = t->flags & 4,
                       .has_error = f->has_error,
                       .error = f->error};

    if (f->vector == VEC_PF) {
        b.error = (f->error & ~PF_U) | (v->user_mode ? PF_U : 0);
        v->cr2 = f->cr2;
        pv_info(v)->arch.cr2 = f->cr2;
    } else if (f->vector == VEC_NM) {
        v->cr0_ts = false;
    }
    if (!t->address)
        env_domain_crash(v, "no handler for exception %u (error %x, cr2 %lx) at rip %lx, rsp %lx",
                         f->vector, b.error, v->cr2, v->rip, v->gpr[RSP]);
    bounce_enter(v, &b, "exception");
}

void pv_software_int(struct vcpu *v, uint8_t n, unsigned int len, struct fault *f)
{
    const struct pv_trap *t = &v->pv.traps[n];
    unsigned int cpl = v->user_mode ? 3 : 1;

    /* Only int 0x80 checks for a handler here: Xen gives #GP for it, and a crash for the
     * other vectors. */
    if ((t->flags & 3u) < cpl || (n == 0x80 && !t->address)) {
        *f = (struct fault){.vector = VEC_GP, .has_error = true, .error = n * 8u + 2};
        return;
    }
    v->rip += len;
    *f = (struct fault){.vector = n};
}

/* A system call by way of callback `cb`; without one it is fault f at the instruction. */
static void enter_syscall(struct vcpu *v, const struct pv_callback *cb, const struct fault *f)
{
    struct bounce b = {.handler = cb->address, .mask_events = cb->mask_events, .clear = EFLAGS_DF};

    if (!b.handler) {
        v->rip -= 2;
        pv_inject(v, f);
        return;
    }
    bounce_enter(v, &b, "system call");
}

void pv_user_syscall(struct vcpu *v)
{
    static const struct fault ud = {.vector = VEC_UD};

    v->gpr[RCX] = v->rip;
    v->gpr[R11] = v->rflags;
    v->cs = FLAT_USER_CS64;
    v->ss = FLAT_USER_SS64;
    enter_syscall(v, &v->pv.cb_syscall, &ud);
}

void pv_user_syscall32(struct vcpu *v)
{
    static const struct fault ud = {.vector = VEC_UD};

    v->gpr[RCX] = v->rip;
    v->gpr[R11] = v->rflags;
    v->cs = FLAT_USER_CS32;
    v->ss = FLAT_USER_SS32;
    enter_syscall(v, &v->pv.cb_syscall32, &ud);
}

void pv_user_sysenter(struct vcpu *v)
{
    static const struct fault gp = {.vector = VEC_GP, .has_error = true};

    if (v->pv.cb_sysenter.address) {
        /* The instruction saves nothing: the guest finds its user state by convention. */
        v->cs = 3;
        v->ss = FLAT_USER_SS64;
        v->gpr[RSP] = 0;
        v->rip = 0;
    }
    enter_syscall(v, &v->pv.cb_sysenter, &gp);
}
