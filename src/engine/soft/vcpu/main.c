/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c - the vCPU process V: start-up, then the loop that runs guest code and acts on what
 * stops it. The process belongs to the guest kernel; its jail is jail.c's system-call list.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "cpu/cpuid.h"
#include "cpu/creg.h"
#include "cpu/pv/abi.h"
#include "cpu/pv/pv.h"
#include "engine/soft/layout.h"
#include "engine/soft/m2p_layout.h"
#include "engine/soft/vcpu/breakpoint.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/exits.h"
#include "engine/soft/vcpu/jail.h"
#include "engine/soft/vcpu/loop.h"
#include "engine/soft/vcpu/low_wish.h"
#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/program.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/seal.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/start.h"
#include "engine/soft/vcpu/step.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/trap.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/user_fpu.h"
#include "engine/soft/vcpu/user_segment.h"
#include "engine/soft/vcpu/vtlb.h"

#include <xen/vcpu.h>

#define MAX_PAUSES 500        /* some 10 us */
#define FIRST_KERNEL_SLOT 272 /* of a root: what lies above Xen's hole */

struct vcpu vcpu;
struct soft soft;
struct run *const run = (struct run *)V_RUN;
struct dom_shared *const shared = (struct dom_shared *)V_SHARED;

uint8_t start_stack[64 * 1024] __attribute__((aligned(64)));
extern uint8_t start_stack_top[]; /* linker script: end of start_stack */

void start_main(uint64_t argc);

static bool run_page_mapped;
static bool left_by_iret; /* guest code last stopped at an iret hypercall */

_Noreturn void start_fail(const char *what, long error)
{
    if (run_page_mapped)
        env_domain_crash(&vcpu, "vCPU process cannot start: %s (error %ld)", what, -error);
    sys_exit(1);
}

static void map_at_or_fail(uint64_t addr, uint64_t size, int prot, int fd, uint64_t offset,
                           const char *what)
{
    int r = sys_map(addr, (size + PAGE_SIZE - 1) & PAGE_MASK, prot, fd, offset);

    if (r)
        start_fail(what, r);
}

static void map_or_fail(uint64_t addr, uint64_t size, int prot, int fd, const char *what)
{
    map_at_or_fail(addr, size, prot, fd, 0, what);
}

static void map_m2p(void)
{
    uint64_t bitmap = ram_bitmap_offset(shared->nr_frames);
    uint64_t size = bitmap + (shared->nr_ram + 63) / 64 * sizeof(uint64_t);

    map_or_fail(V_M2P, shared->nr_frames * sizeof(uint64_t), PROT_READ, V_FD_M2P, "m2p table");
    map_or_fail(V_M2P_WRITE, size, PROT_READ | PROT_WRITE, V_FD_M2P, "m2p table");
    vcpu_allocated = (const uint64_t *)(V_M2P_WRITE + bitmap);
}

static void map_shared_memory(void)
{
    uint64_t frames;

    map_or_fail(V_RUN, sizeof(struct run), PROT_READ | PROT_WRITE, V_FD_RUN, "run page");
    run_page_mapped = true;
    map_or_fail(V_SHARED, sizeof(struct dom_shared), PROT_READ | PROT_WRITE, V_FD_SHARED,
                "shared page");
    frames = shared->patch_first + shared->patch_count;
    if (frames << PAGE_SHIFT > V_RAM_MAX)
        start_fail("the guest has more memory than the address plan holds", 0);
    map_or_fail(V_RAM, frames << PAGE_SHIFT, PROT_READ | PROT_WRITE, V_FD_RAM, "guest memory");
    map_m2p();
    map_at_or_fail(V_FRAMES, frames * sizeof(uint16_t), PROT_READ | PROT_WRITE, V_FD_SHARED,
                   SHARED_FRAMES_OFFSET, "frame table");
}

static void wait_for_start(void)
{
    while (__atomic_load_n(&run->turn, __ATOMIC_SEQ_CST) & TURN_D) {
        __atomic_store_n(&run->v_waits, 1, __ATOMIC_SEQ_CST);
        sys_futex_wait(&run->turn, TURN_D, 0);
    }
    vcpu = run->state;
    if (vcpu.resumed || run->fpu_given)
        user_fpu_load(run->fpu);
}

/* The level-1 tables of the builder's kernel mapping are nobody's to pin and stay in use: note
 * what they are, or each change of an entry would flush everything. */
static void note_kernel_tables(mfn_t table, unsigned int level)
{
    const uint64_t *t = env_frame(table);

    for (unsigned int i = level == 4 ? FIRST_KERNEL_SLOT : 0; t && i < 512; i++) {
        mfn_t below = PTE_FRAME(t[i]);

        if (!(t[i] & PTE_P) || !env_frame(below))
            continue;
        if (level > 2)
            note_kernel_tables(below, level - 1);
        else
            shared_frames[below] |= 1 << FRAMES_LEVEL_SHIFT;
    }
}

static void load_gs_base(void)
{
    __asm__ volatile("wrgsbase %0" : : "r"((uint64_t)KERNEL_OFFSET));
}

static void load_fs_base(void)
{
    uint64_t base = vcpu.gs_base + KERNEL_OFFSET;

    /* Most of the user half is no address of the host's: what is loaded need only fault. */
    if (vcpu.gs_base < USER_END && base >= USER_END)
        base = USER_END - PAGE_SIZE;
    if (base == soft.fs_loaded)
        return;
    __asm__ volatile("wrfsbase %0" : : "r"(base));
    soft.fs_loaded = base;
}

static void trace(uint64_t what, uint64_t a, uint64_t b)
{
    uint32_t i = run->trace_head++ & (ARRAY_SIZE(run->trace) - 1);

    run->trace[i].what = what;
    run->trace[i].rip = vcpu.rip;
    run->trace[i].a = a;
    run->trace[i].b = b;
}

void loop_fault(struct vcpu *v, const struct fault *f)
{
    trace(TRACE_FAULT, f->vector, f->cr2);
    pv_inject(v, f);
}

void loop_hypercall(struct vcpu *v)
{
    run->stats[STAT_HYPERCALLS]++;
    trace(TRACE_HYPERCALL, v->gpr[RAX], v->gpr[RDI]);
    left_by_iret = (uint32_t)v->gpr[RAX] == __HYPERVISOR_iret;
    pv_hypercall(v);
}

void loop_system_call(struct vcpu *v, enum user_stop stop)
{
    if (stop == USER_SYSCALL32) {
        pv_user_syscall32(v);
    } else if (stop == USER_SYSENTER) {
        pv_user_sysenter(v);
    } else {
        low_wish_note(v);
        pv_user_syscall(v);
    }
}

/* The translation at v->rip, made if need be; NULL: a fault was injected instead. */
static void *code_at_rip(struct vcpu *v)
{
    void *host = cache_lookup(v->rip);
    struct fault f;

    if (host)
        return host;
    host = translate(v, v->rip, &f);
    run->stats[STAT_TRANSLATIONS]++;
    if (!host) {
        v->rflags |= EFLAGS_RF;
        loop_fault(v, &f);
    }
    return host;
}

static void on_chain(struct vcpu *v)
{
    uint64_t record = soft.arg, flushes = cache_generation();
    void *host;

    v->rip = cache_chain_pc(record);
    host = code_at_rip(v);
    if (host && flushes == cache_generation())
        cache_chain_link(record, host);
}

static void on_fpu(struct vcpu *v)
{
    static const struct fault nm = {.vector = VEC_NM};

    if (v->cr0_ts)
        loop_fault(v, &nm);
    else
        user_fpu_import();
}

void loop_enter(struct vcpu *v, void *host, uint64_t trap_flag)
{
    soft.jump = (uintptr_t)host;
    soft.fpu_usable = user_fpu_here && !v->cr0_ts;
    soft.bases_usable = (v->cr4 & CR4_FSGSBASE) != 0;
    v->rflags = (v->rflags & ~(uint64_t)EFLAGS_TF) | EFLAGS_IF | 2;
    load_fs_base();
    cache_run_deferred();
    left_by_iret = false;
    soft_enter();
    v->rflags |= trap_flag;
    run->stats[STAT_EXITS]++;
}

void loop_enter_program(struct vcpu *v, void *host)
{
    const uint64_t hidden = EFLAGS_TF | EFLAGS_RF;

    soft.jump = (uintptr_t)host;
    soft.fpu_usable = user_fpu_here && !v->cr0_ts;
    soft.rsp_offset = 0;
    v->rflags = (v->rflags & EFLAGS_USER & ~hidden) | EFLAGS_IF | 2;
    cache_run_deferred();
    soft_enter();
    soft.rsp_offset = KERNEL_OFFSET;
    run->stats[STAT_EXITS]++;
}

/* Run translated code at `host` and act on what stopped it. */
static void run_translated(struct vcpu *v, void *host)
{
    loop_enter(v, host, 0);
    switch (soft.reason) {
    case SOFT_CHAIN:
        on_chain(v);
        break;
    case SOFT_INDIRECT:
        v->rip = soft.target;
        break;
    case SOFT_EMULATE:
        run->stats[STAT_EMULATED]++;
        step_once(v);
        break;
    case SOFT_HYPERCALL:
        loop_hypercall(v);
        break;
    case SOFT_FAULT:
        loop_fault(v, &soft.fault);
        break;
    case SOFT_PAUSE:
        soft.pauses = MAX_PAUSES;
        env_relax(v);
        break;
    case SOFT_FPU:
        on_fpu(v);
        break;
    default:
        break;
    }
}

static void run_kernel(struct vcpu *v)
{
    void *host;

    breakpoints_refresh(v);
    if (step_needed(v)) {
        step_kernel(v);
        return;
    }
    host = code_at_rip(v);
    if (host)
        run_translated(v, host);
}

static void run_user(struct vcpu *v)
{
    struct fault f = {.vector = VEC_NM};
    enum user_stop stop;

    /* The first use of the FPU cannot be seen in a stub. Kernels that switch it lazily are
     * content with being asked before. */
    if (v->cr0_ts) {
        loop_fault(v, &f);
        return;
    }
    run->stats[STAT_USER_RUNS]++;
    left_by_iret = false;
    if (step_user_needed(v)) {
        step_user(v);
        return;
    }
    stop = program_run(v, &f);
    switch (stop) {
    case USER_SYSCALL:
    case USER_SYSCALL32:
    case USER_SYSENTER:
        loop_system_call(v, stop);
        break;
    case USER_FAULT:
        if (step_user_refused(v, &f))
            break;
        if (f.vector == VEC_PF && step_user_high(v, &f))
            break;
        if (f.vector == VEC_DB && (v->rflags & EFLAGS_TF))
            v->dr[6] |= DR6_BS;
        trace(TRACE_USER_FAULT, f.vector, f.cr2);
        pv_inject(v, &f);
        break;
    case USER_EVENT:
        break;
    }
}

/* What another vCPU registered for this one. */
static void take_areas(struct vcpu *v)
{
    uint32_t set = __atomic_exchange_n(&run->areas_set, 0, __ATOMIC_ACQ_REL);
    maddr_t info = __atomic_load_n(&run->vcpu_info, __ATOMIC_ACQUIRE);

    if (info && !(info & 7))
        v->pv.vcpu_info = info;
    if (set & 1u << AREA_RUNSTATE_VA)
        v->pv.runstate_va = run->areas[AREA_RUNSTATE_VA];
    if (set & 1u << AREA_RUNSTATE_PA)
        v->pv.runstate_pa = run->areas[AREA_RUNSTATE_PA];
    if (set & 1u << AREA_TIME_VA)
        v->pv.time_va = run->areas[AREA_TIME_VA];
    if (set & 1u << AREA_TIME_PA)
        v->pv.time_pa = run->areas[AREA_TIME_PA];
    pv_runstate_change(v, v->pv.runstate);
    pv_time_update(v);
}

/* Frames that D has written into. */
static void take_written(void)
{
    static uint32_t taken;
    mfn_t mfn;

    for (;;) {
        uint32_t n = __atomic_load_n(&run->nr_written, __ATOMIC_ACQUIRE);

        if (n == taken)
            return;
        mfn = run->written[taken % RUN_WRITTEN];
        if (__atomic_load_n(&run->nr_written, __ATOMIC_ACQUIRE) - taken >= RUN_WRITTEN) {
            vtlb_forget_watched();
            taken = n;
        } else {
            if (mfn < shared->nr_frames)
                vtlb_forget_frame(mfn);
            taken++;
        }
    }
}

/* What signals and D asked for while guest code ran. */
static void service(struct vcpu *v)
{
    uint32_t request;

    trap_retry_cancel();
    soft.kicked = 0;
    exit_timer_fired();
    exit_note_kicks();
    peers_serve();
    request = __atomic_fetch_and(&run->request, RUN_REQ_PAUSE, __ATOMIC_ACQ_REL);
    if (request & RUN_REQ_NMI)
        v->pv.nmi_pending = true;
    if (request & RUN_REQ_AREAS)
        take_areas(v);
    if (request & RUN_REQ_PERIODIC)
        pv_set_periodic(v, run->periodic_ns);
    if (request & RUN_REQ_WRITTEN)
        take_written();
    if (request & RUN_REQ_CPUS)
        stub_run_set_cpus(run->cpus);
    if (request & RUN_REQ_PAUSE) {
        pv_runstate_change(v, RUNSTATE_offline);
        run->state = *v;
        user_fpu_save(run->fpu);
        exit_to_domain_away(EXIT_PAUSED);
        pv_runstate_change(v, RUNSTATE_running);
    }
    if (exit_deadline_passed())
        pv_timers_run(v);
}

#define SAME_PLACE_MAX 8  /* events in a row that find the guest where the last one did */
#define PROGRESS_NS 20000 /* how long it may then run undisturbed */

/* A handler that sends itself an event gets it as soon as it returns, before the code that it
 * interrupted has moved: on a CPU an IPI takes long enough for that. Linux' RCU depends on it
 * (it asks for one at every end of an interrupt until the interrupted code leaves its read
 * section). So: let the guest run a little before yet another event at the same place, if the
 * last one's iret is all that happened since. */
static bool event_must_wait(const struct vcpu *v)
{
    static uint64_t rip, rsp;
    static unsigned int times;

    if (!left_by_iret || v->rip != rip || v->gpr[RSP] != rsp) {
        rip = v->rip;
        rsp = v->gpr[RSP];
        times = 0;
    }
    if (++times <= SAME_PLACE_MAX)
        return false;
    times = 0;
    return true;
}

/* Deliver what is due, then see that the host's timer stops the guest in time. */
static void deliver_events(struct vcpu *v)
{
    bool wait = false;

    while (!wait && pv_event_due(v)) {
        wait = event_must_wait(v);
        if (!wait)
            pv_deliver_event(v);
    }
    exit_arm_timer();
    if (wait) {
        trap_timer_set(PROGRESS_NS);
        exit_timer_fired();
    }
}

void start_main(uint64_t argc)
{
    struct vcpu *v = &vcpu;

    user_segment_host_has_tls = argc > V_ARGC_PLAIN;
    user_segment_host_has_ldt = argc > V_ARGC_PLAIN + 1;
    map_shared_memory();
    /* The initial stack, vDSO and vvar go: that range must fault (layout.h). */
    sys_unmap(0x780000000000, 0x7ffffffff000 - 0x780000000000);
    cache_init();
    vtlb_init();
    trap_init();
    peers_init();
    cpuid_init();
    load_gs_base();
    if (user_init())
        start_fail("no stub processes", 0);
    if (jail_enter())
        start_fail("cannot enter the jail", 0);
    wait_for_start();
    peers_start();
    if (!v->id && !v->resumed) {
        env_pin_table(v, v->cr3_kernel, 4, true); /* as the builder leaves it */
        note_kernel_tables(v->cr3_kernel, 4);
    }
    v->cr4 &= cpuid_cr4_mask();
    pv_init(v);
    soft.pauses = MAX_PAUSES;
    soft.rsp_offset = KERNEL_OFFSET;
    soft.kicked = 1; /* D may have requests already */
    for (;;) {
        if (soft.kicked)
            service(v);
        if (seal_has_wishes())
            seal_wanted();
        deliver_events(v);
        if (v->user_mode)
            run_user(v);
        else
            run_kernel(v);
    }
}
