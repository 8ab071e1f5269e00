/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_op.c - bringing vCPUs up and down, and moving their vcpu_info (ABI section 3.10).
 * Its own timers, runstate and time areas a vCPU answers itself; areas that another one registers
 * for it, and its periodic timer, are passed on.
 *
 * A vCPU starts from run->state of its run page, which initialise fills. Going down and up
 * again keeps its context: its thread just stops running it for a while.
 */
#include "domain/hypercall.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cpu/pv/abi.h"
#include "domain/evtchn.h"
#include "domain/pause.h"

#include <xen/xen.h>
#include <xen/vcpu.h>

#define CR0_TS 8u
#define RPL3 3u
#define MAX_GDT_ENTRIES (PV_MAX_GDT_FRAMES * 512u)
#define MAX_LDT_ENTRIES 8192u
#define GDT_ENTRIES_PER_FRAME 512u
#define INFO_ALIGN 8
#define RUNSTATE_TRIES 100 /* a writer is done in a moment, if it is honest */

static bool canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* --- initialise ------------------------------------------------------------------------- */

static void set_registers(struct vcpu *v, const struct cpu_user_regs *r)
{
    const uint64_t gpr[16] = {
        [RAX] = r->rax, [RCX] = r->rcx, [RDX] = r->rdx, [RBX] = r->rbx,
        [RSP] = r->rsp, [RBP] = r->rbp, [RSI] = r->rsi, [RDI] = r->rdi,
        [R8] = r->r8,   [R9] = r->r9,   [R10] = r->r10, [R11] = r->r11,
        [R12] = r->r12, [R13] = r->r13, [R14] = r->r14, [R15] = r->r15,
    };

    memcpy(v->gpr, gpr, sizeof(v->gpr));
    v->rip = r->rip;
    v->rflags = (r->rflags & EFLAGS_USER) | EFLAGS_IF | 2;
    v->cs = (uint16_t)(r->cs | RPL3);
    v->ss = (uint16_t)(r->ss | RPL3);
    v->ds = r->ds;
    v->es = r->es;
    v->fs = r->fs;
    v->gs = r->gs;
    v->pv.iopl = r->rflags >> 12 & 3;
}

static int set_traps(struct pv_vcpu *pv, const struct vcpu_guest_context *c)
{
    for (unsigned int i = 0; i < PV_VECTORS; i++) {
        if (!canonical(c->trap_ctxt[i].address))
            return -EINVAL;
        pv->traps[i] = (struct pv_trap){.address = c->trap_ctxt[i].address,
                                        .cs = c->trap_ctxt[i].cs,
                                        .flags = c->trap_ctxt[i].flags & 7};
    }
    return 0;
}

static int set_tables(const struct domain *d, struct pv_vcpu *pv,
                      const struct vcpu_guest_context *c)
{
    if (c->gdt_ents > MAX_GDT_ENTRIES || c->ldt_ents > MAX_LDT_ENTRIES || !canonical(c->ldt_base) ||
        (c->ldt_base & (PAGE_SIZE - 1)))
        return -EINVAL;
    for (unsigned int i = 0; i * GDT_ENTRIES_PER_FRAME < c->gdt_ents; i++) {
        if (!ram_is_allocated(&d->ram, c->gdt_frames[i]))
            return -EINVAL;
        pv->gdt_frames[i] = c->gdt_frames[i];
    }
    pv->gdt_entries = (uint32_t)c->gdt_ents;
    pv->ldt_base = c->ldt_base;
    pv->ldt_entries = (uint32_t)c->ldt_ents;
    return 0;
}

static int set_callbacks(struct pv_vcpu *pv, const struct vcpu_guest_context *c)
{
    if (!canonical(c->event_callback_eip) || !canonical(c->failsafe_callback_eip) ||
        !canonical(c->syscall_callback_eip))
        return -EINVAL;
    pv->cb_event = (struct pv_callback){.address = c->event_callback_eip, .mask_events = true};
    pv->cb_failsafe = (struct pv_callback){.address = c->failsafe_callback_eip,
                                           .mask_events = c->flags & VGCF_failsafe_disables_events};
    pv->cb_syscall = (struct pv_callback){.address = c->syscall_callback_eip,
                                          .mask_events = c->flags & VGCF_syscall_disables_events};
    return 0;
}

/* Roots, bases and mode. */
static int set_address_space(const struct domain *d, struct vcpu *v,
                             const struct vcpu_guest_context *c)
{
    mfn_t kernel = xen_cr3_to_pfn(c->ctrlreg[3]), user = xen_cr3_to_pfn(c->ctrlreg[1]);
    bool in_kernel = c->flags & VGCF_in_kernel;

    if (!ram_is_allocated(&d->ram, kernel) || (c->ctrlreg[1] && !ram_is_allocated(&d->ram, user)))
        return -EINVAL;
    if (!canonical(c->fs_base) || !canonical(c->gs_base_kernel) || !canonical(c->gs_base_user))
        return -EINVAL;
    v->cr3_kernel = kernel;
    v->cr3_user = c->ctrlreg[1] ? user : INVALID_MFN;
    v->user_mode = !in_kernel;
    v->fs_base = c->fs_base;
    v->gs_base = in_kernel ? c->gs_base_kernel : c->gs_base_user;
    v->gs_base_other = in_kernel ? c->gs_base_user : c->gs_base_kernel;
    v->cr0_ts = c->ctrlreg[0] & CR0_TS;
    v->cr4 = c->ctrlreg[4]; /* the vCPU's process takes out what there is not */
    memcpy(v->dr, c->debugreg, sizeof(v->dr));
    return 0;
}

/* The image of FXSAVE as one of XSAVE: x87 and SSE state, the rest as after a reset. */
static void give_fpu(struct run *run, const struct vcpu_guest_context *c)
{
    const uint64_t parts = 3;

    run->fpu_given = c->flags & VGCF_i387_valid;
    if (!run->fpu_given)
        return;
    memset(run->fpu, 0, sizeof(run->fpu));
    memcpy(run->fpu, &c->fpu_ctxt, sizeof(c->fpu_ctxt));
    memcpy(run->fpu + sizeof(c->fpu_ctxt), &parts, sizeof(parts));
}

static int64_t initialise(const struct hypercall *h, unsigned int id, gva_t arg)
{
    struct domain *d = h->d;
    struct vcpu_guest_context c;
    struct vcpu v = {.id = id, .xcr0 = 1};
    int rc;

    if (d->vcpus[id].initialised)
        return -EEXIST;
    if (hypercall_read(h, &c, arg, sizeof(c)) < 0)
        return -EFAULT;
    set_registers(&v, &c.user_regs);
    v.pv.kernel_sp = c.kernel_sp;
    v.pv.kernel_ss = (uint16_t)c.kernel_ss;
    v.pv.vm_assist = d->vm_assist; /* the context's is for the first vCPU only */
    v.pv.vcpu_info = d->vcpus[id].info;
    v.pv.runstate_pa = v.pv.time_pa = ~0ull;
    rc = set_address_space(d, &v, &c);
    if (rc == 0)
        rc = set_traps(&v.pv, &c);
    if (rc == 0)
        rc = set_tables(d, &v.pv, &c);
    if (rc == 0)
        rc = set_callbacks(&v.pv, &c);
    if (rc < 0)
        return rc;
    engine_run_page(d->engine, id)->state = v;
    give_fpu(engine_run_page(d->engine, id), &c);
    d->vcpus[id].initialised = true;
    return 0;
}

/* --- up, down --------------------------------------------------------------------------- */

static void wake_main_loop(struct domain *d)
{
    const uint64_t one = 1;

    (void)!write(d->wake_fd, &one, sizeof(one));
}

static int64_t bring_up(struct domain *d, unsigned int id)
{
    if (!d->vcpus[id].initialised)
        return -EINVAL;
    if (!d->vcpus[id].up) {
        d->vcpus[id].up = true;
        pause_ask_vcpu(d, id);
        wake_main_loop(d);
    }
    return 0;
}

static void request(struct domain *d, unsigned int id, uint32_t what)
{
    __atomic_fetch_or(&engine_run_page(d->engine, id)->request, what, __ATOMIC_SEQ_CST);
    engine_vcpu_kick(d->engine, id);
}

static int64_t bring_down(const struct hypercall *h, unsigned int id)
{
    struct domain *d = h->d;
    bool any = false;

    if (!d->vcpus[id].up)
        return 0;

    d->vcpus[id].up = false;
    for (unsigned int i = 0; i < d->nr_vcpus; i++)
        any |= d->vcpus[i].up;
    if (!any)
        domain_shutdown(d, SHUTDOWN_POWEROFF, "the guest took its last vCPU down");
    /* The caller stops at the end of this call, another one has to be made to. */
    if (id != h->vcpu)
        pause_ask_vcpu(d, id);
    wake_main_loop(d);
    return 0;
}

/* --- vcpu_info -------------------------------------------------------------------------- */

static int64_t register_info(const struct hypercall *h, unsigned int id, gva_t arg)
{
    struct domain *d = h->d;
    struct vcpu_register_vcpu_info r;
    struct vcpu_info *old, *new;
    struct run *run;

    if (hypercall_read(h, &r, arg, sizeof(r)) < 0)
        return -EFAULT;
    if (r.offset > PAGE_SIZE - sizeof(*new) || r.offset % INFO_ALIGN)
        return -ENXIO;
    if (d->vcpus[id].info_registered)
        return -EBUSY;
    if (!ram_is_allocated(&d->ram, r.mfn) || (id != h->vcpu && d->vcpus[id].up))
        return -EINVAL;

    old = (struct vcpu_info *)(d->ram.base + d->vcpus[id].info);
    new = (struct vcpu_info *)(d->ram.base + (r.mfn << PAGE_SHIFT) + r.offset);
    memmove(new, old, sizeof(*new));
    d->vcpus[id].info = r.mfn << PAGE_SHIFT | r.offset;
    d->vcpus[id].info_registered = true;
    run = engine_run_page(d->engine, id);
    run->vcpu_info = d->vcpus[id].info;
    /* One that is down starts from there, or goes on, or has not noticed yet that it is down. */
    if (id != h->vcpu) {
        run->state.pv.vcpu_info = d->vcpus[id].info;
        request(d, id, RUN_REQ_AREAS);
    }
    evtchn_vcpu_info_moved(d, id);
    /* An event that went to the old place meanwhile is found by a look at everything. */
    __atomic_store_n(&new->evtchn_pending_sel, ~0ul, __ATOMIC_SEQ_CST);
    evtchn_mark_upcall(d, id);
    return 0;
}

static int64_t send_nmi(struct domain *d, unsigned int id, gva_t arg)
{
    if (arg)
        return -EINVAL;
    request(d, id, RUN_REQ_NMI);
    return 0;
}

/* --- timers and runstate of others -------------------------------------------------------- */

static void ask_periodic(struct domain *d, unsigned int id, uint64_t period)
{
    __atomic_store_n(&engine_run_page(d->engine, id)->periodic_ns, period, __ATOMIC_SEQ_CST);
    request(d, id, RUN_REQ_PERIODIC);
}

static int64_t set_periodic(const struct hypercall *h, unsigned int id, gva_t arg)
{
    struct vcpu_set_periodic_timer set;

    if (hypercall_read(h, &set, arg, sizeof(set)) < 0)
        return -EFAULT;
    if (set.period_ns < PV_PERIOD_MIN || set.period_ns > PV_PERIOD_MAX)
        return -EINVAL;
    ask_periodic(h->d, id, set.period_ns);
    return 0;
}

static int64_t stop_periodic(struct domain *d, unsigned int id)
{
    ask_periodic(d, id, 0);
    return 0;
}

/* What the vCPU's process told last. It is the guest's own affair if that is nonsense: all that
 * matters is that it is copied once. */
static void read_runstate(const struct run *run, struct vcpu_runstate_info *ret)
{
    uint32_t version;

    for (int tries = 0; tries < RUNSTATE_TRIES; tries++) {
        version = __atomic_load_n(&run->runstate.version, __ATOMIC_ACQUIRE);
        ret->state = version ? (int)(run->runstate.state & 3) : RUNSTATE_offline;
        ret->state_entry_time = run->runstate.entry;
        memcpy(ret->time, run->runstate.time, sizeof(ret->time));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(version & 1) && version == __atomic_load_n(&run->runstate.version, __ATOMIC_RELAXED))
            return;
    }
}

static int64_t get_runstate(const struct hypercall *h, unsigned int id, gva_t arg)
{
    struct vcpu_runstate_info r = {.state = RUNSTATE_offline};
    uint64_t now;

    read_runstate(engine_run_page(h->d->engine, id), &r);
    now = domain_now(h->d);
    if (now > r.state_entry_time)
        r.time[r.state] += now - r.state_entry_time;
    return hypercall_write(h, arg, &r, sizeof(r));
}

/* --- areas ------------------------------------------------------------------------------ */

static int check_area(const struct domain *d, maddr_t pa, size_t size)
{
    if (pa == ~0ull)
        return 0;
    if ((pa & (PAGE_SIZE - 1)) > PAGE_SIZE - size || pa % INFO_ALIGN)
        return -ENXIO;
    return ram_is_allocated(&d->ram, pa >> PAGE_SHIFT) ? 0 : -EINVAL;
}

/* A record that vCPU id is to keep where the argument, one address, says. */
static int64_t register_area(const struct hypercall *h, unsigned int id, enum vcpu_area area)
{
    struct run *run = engine_run_page(h->d->engine, id);
    uint64_t where;
    int rc = 0;

    if (hypercall_read(h, &where, h->args[2], sizeof(where)) < 0)
        return -EFAULT;
    if (area == AREA_RUNSTATE_PA)
        rc = check_area(h->d, where, sizeof(struct vcpu_runstate_info));
    else if (area == AREA_TIME_PA)
        rc = check_area(h->d, where, sizeof(struct vcpu_time_info));
    if (rc < 0)
        return rc;
    __atomic_store_n(&run->areas[area], where, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&run->areas_set, 1u << area, __ATOMIC_SEQ_CST);
    request(h->d, id, RUN_REQ_AREAS);
    return 0;
}

int64_t do_vcpu_op(const struct hypercall *h)
{
    uint32_t id = (uint32_t)h->args[1];
    gva_t arg = h->args[2];

    if (id >= h->d->nr_vcpus)
        return -ENOENT;
    switch ((uint32_t)h->args[0]) {
    case VCPUOP_initialise:
        return initialise(h, id, arg);
    case VCPUOP_up:
        return bring_up(h->d, id);
    case VCPUOP_down:
        return bring_down(h, id);
    case VCPUOP_is_up:
        return h->d->vcpus[id].up;
    case VCPUOP_register_vcpu_info:
        return register_info(h, id, arg);
    case VCPUOP_register_runstate_memory_area:
        return register_area(h, id, AREA_RUNSTATE_VA);
    case PV_VCPUOP_register_runstate_phys_area:
        return register_area(h, id, AREA_RUNSTATE_PA);
    case VCPUOP_register_vcpu_time_memory_area:
        return register_area(h, id, AREA_TIME_VA);
    case PV_VCPUOP_register_vcpu_time_phys_area:
        return register_area(h, id, AREA_TIME_PA);
    case VCPUOP_get_runstate_info:
        return get_runstate(h, id, arg);
    case VCPUOP_set_periodic_timer:
        return set_periodic(h, id, arg);
    case VCPUOP_stop_periodic_timer:
        return stop_periodic(h->d, id);
    case VCPUOP_send_nmi:
        return send_nmi(h->d, id, arg);
    case VCPUOP_set_singleshot_timer:
    case VCPUOP_stop_singleshot_timer:
        return -EINVAL; /* only one's own */
    case VCPUOP_get_physid:
        return -EINVAL;
    default:
        return -ENOSYS;
    }
}
