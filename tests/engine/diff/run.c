/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * run.c - one run of a sequence on each of the two machines (see machine.h), and the signal
 * handler in front of the vCPU's own: it takes the faults of native code, and plays kicks at
 * chosen instruction boundaries of translated code, where it has put breakpoints.
 */
#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/time.h>

#include "cpu/cpuid.h"
#include "engine/soft/layout.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/emit.h"
#include "engine/soft/vcpu/execute.h"
#include "engine/soft/vcpu/local.h"
#include "engine/soft/vcpu/loop.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/start.h"
#include "engine/soft/vcpu/step.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/trap.h"
#include "engine/soft/vcpu/user.h"
#include "fake.h"
#include "memory.h"
#include "random.h"

#define TIMER_US 50
#define HANG_TICKS 4000 /* kicks during one run */
#define MAX_STOPS 256
#define INT3 0xcc

struct action {
    void (*handler)(int sig, const siginfo_t *info, struct ucontext *uc);
    unsigned long flags;
    void *restorer;
    unsigned long mask;
};

struct native native;
uint64_t machine_xcr0, machine_kicks;

static struct action vcpu_action;
static bool in_native, in_guest, native_hangs;
static bool guest_stopped;
static struct result *result; /* of the guest's run */
static struct fault native_fault;
static uint64_t native_rip;
static uint32_t ticks;
static uint64_t stop_rng, stop_generation;
static uint32_t stop_rate, nr_stops;

static struct stop_point {
    uint8_t *at, old;
} stops[MAX_STOPS];

static void *crash_point[5];
static uint8_t fpu_initial[FPU_SIZE] __attribute__((aligned(64)));

static void fpu_load(const uint8_t *image)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(image), "a"(0xffffffff), "d"(0xffffffff) : "memory");
}

static void fpu_save(uint8_t *image)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(image), "a"((uint32_t)machine_xcr0), "d"(0) : "memory");
}

static void leave_native(struct sigcontext *mc)
{
    const uint64_t g[16] = {mc->rax, mc->rcx, mc->rdx, mc->rbx, mc->rsp, mc->rbp, mc->rsi, mc->rdi,
                            mc->r8,  mc->r9,  mc->r10, mc->r11, mc->r12, mc->r13, mc->r14, mc->r15};

    __builtin_memcpy(native.gpr, g, sizeof(g));
    native.rflags = mc->eflags;
    native_rip = mc->rip;
    native_fault = (struct fault){.vector = (uint8_t)mc->trapno};
    if (mc->trapno == VEC_PF) {
        native_fault.has_error = true;
        native_fault.error = (uint32_t)mc->err & (PF_P | PF_W | PF_I);
        native_fault.cr2 = mc->cr2;
    } else if (mc->trapno >= VEC_TS && mc->trapno <= VEC_GP) {
        native_fault.has_error = true;
        native_fault.error = (uint32_t)mc->err;
    } else if (mc->trapno == VEC_AC) {
        native_fault.has_error = true;
    }
    mc->rip = (uintptr_t)native_leave;
    mc->rsp = native.host_rsp;
    mc->eflags &= ~(uint64_t)(EFLAGS_DF | EFLAGS_TF | EFLAGS_AC);
    in_native = false;
}

/* Put breakpoints on instruction boundaries of the code that was translated since `from`. */
static void plant_stops(uint8_t *from)
{
    struct cache_pos pos;

    if (stop_generation != cache_generation()) {
        nr_stops = 0;
        stop_generation = cache_generation();
        from = (uint8_t *)V_CACHE;
    }
    for (uint8_t *p = from; p < emit_at && nr_stops < MAX_STOPS; p++)
        if ((random_next(&stop_rng) & 255) < stop_rate && cache_find((uintptr_t)p, &pos) &&
            pos.exact) {
            stops[nr_stops++] = (struct stop_point){p, *p};
            *p = INT3;
        }
}

static void remove_stop(unsigned int i)
{
    if (*stops[i].at == INT3) /* else a dead block's entry was overwritten */
        *stops[i].at = stops[i].old;
    stops[i] = stops[--nr_stops];
}

static void remove_stops(void)
{
    if (stop_generation != cache_generation())
        nr_stops = 0;
    while (nr_stops)
        remove_stop(nr_stops - 1);
}

/* A breakpoint at an instruction boundary: a kick comes here. */
static bool on_stop(const siginfo_t *info, struct ucontext *uc)
{
    struct sigcontext *mc = &uc->uc_mcontext;

    for (unsigned int i = 0; i < nr_stops; i++)
        if ((uintptr_t)stops[i].at == mc->rip - 1) {
            remove_stop(i);
            mc->rip--;
            machine_kicks++;
            vcpu_action.handler(SIGALRM, info, uc);
            return true;
        }
    return false;
}

/* Linux leaves the interrupted code's AC set in handlers. */
static void clear_alignment_check(void)
{
    __asm__ volatile("pushfq\n\tandl %0, (%%rsp)\n\tpopfq" : : "i"(~EFLAGS_AC) : "cc", "memory");
}

static void on_signal(int sig, const siginfo_t *info, struct ucontext *uc)
{
    clear_alignment_check();
    if (sig == SIGALRM) {
        bool hangs = ++ticks > HANG_TICKS;

        if (hangs && in_guest)
            fake_crash("hangs");
        if (hangs && in_native) {
            native_hangs = true;
            leave_native(&uc->uc_mcontext);
        }
        if (!in_guest)
            return;
    } else if (in_native) {
        leave_native(&uc->uc_mcontext);
        return;
    } else if (sig == SIGTRAP && on_stop(info, uc)) {
        return;
    }
    vcpu_action.handler(sig, info, uc);
}

static void take_signals(void)
{
    static const uint8_t signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGALRM};
    struct __kernel_old_itimerval it = {{0, TIMER_US}, {0, TIMER_US}};
    struct action a;

    sys_call(__NR_rt_sigaction, SIGSEGV, NULL, &vcpu_action, 8);
    a = vcpu_action;
    a.handler = on_signal;
    for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
        sys_call(__NR_rt_sigaction, signals[i], &a, NULL, 8);
    sys_call(__NR_setitimer, 0 /* ITIMER_REAL */, &it, NULL, 0);
}

void machine_init(void)
{
    uint32_t lo, hi;

    cpuid_init();
    memory_init();
    trap_init();
    take_signals();
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    machine_xcr0 = lo & 0xe7; /* x87 SSE AVX, AVX-512 */
    __asm__ volatile("wrgsbase %0" : : "r"((uint64_t)KERNEL_OFFSET));
    fpu_save(fpu_initial);
    fpu_initial[512] = 0; /* XSTATE_BV: everything is initial */
}

_Noreturn void fake_crash(const char *why)
{
    unsigned long none = 0;

    if (why != run->message)
        rt_snprintf(run->message, sizeof(run->message), "%s", why);
    if (!in_guest)
        start_fail(run->message, 0);
    sys_call(__NR_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    __asm__ volatile("pushq $2\n\tpopfq" : : : "cc", "memory");
    __builtin_longjmp(crash_point, 1);
}

static void set_bases(uint64_t gs, uint64_t fs)
{
    __asm__ volatile("wrgsbase %0\n\twrfsbase %1" : : "r"(gs), "r"(fs));
}

static uint64_t twin(const struct start *s, unsigned int bit, uint64_t value)
{
    return value + (s->windowed >> bit & 1 ? NATIVE_DELTA : 0);
}

void machine_run_native(const struct start *s, struct result *r)
{
    memory_write(false, s);
    for (unsigned int i = 0; i < 16; i++)
        native.gpr[i] = twin(s, i, s->gpr[i]);
    native.jump = s->rip + NATIVE_DELTA;
    native.rflags = s->rflags | EFLAGS_IF | 2;
    fpu_load(s->fpu);
    set_bases(twin(s, 16, s->gs_base), twin(s, 17, s->fs_base));
    ticks = 0;
    native_hangs = false;
    in_native = true;
    native_enter();
    set_bases(KERNEL_OFFSET, 0);
    fpu_save(r->fpu);
    r->stop = in_native ? STOP_END : native_hangs ? STOP_HANG : STOP_FAULT;
    in_native = false;
    __builtin_memcpy(r->gpr, native.gpr, sizeof(r->gpr));
    r->rflags = native.rflags;
    r->rip = r->stop == STOP_END ? WINDOW + NATIVE_DELTA + 2 : native_rip;
    r->fault = native_fault;
    memory_read(false, r);
}

static void guest_stop(enum stop stop)
{
    result->stop = stop == STOP_FAULT && fake_logged ? STOP_UNSUPPORTED : stop;
    guest_stopped = true;
}

/* loop.h: what main.c does with an exception is what ends a run here. */
void loop_fault(struct vcpu *v, const struct fault *f)
{
    result->fault = *f;
    guest_stop(STOP_FAULT);
}

void loop_system_call(struct vcpu *v, enum user_stop stop)
{
    loop_hypercall(v);
}

void loop_hypercall(struct vcpu *v)
{
    guest_stop(STOP_END);
}

static void guest_emulate(void)
{
    struct insn in;
    uint8_t bytes[INSN_MAX];
    struct fault f;
    int len = fetch_decode(&vcpu, vcpu.rip, &in, bytes, &f);

    if (len < 0)
        f = (struct fault){.vector = VEC_UD};
    else if (len > 0 && execute(&vcpu, &in, bytes, &f) == EMULATE_DONE)
        return;
    loop_fault(&vcpu, &f);
}

static void *guest_translate(struct fault *f)
{
    uint8_t *from = emit_at;
    void *host = cache_lookup(vcpu.rip);

    if (host)
        return host;
    host = translate(&vcpu, vcpu.rip, f);
    if (stop_rate)
        plant_stops(from);
    return host;
}

static void guest_chain(void)
{
    struct fault f;
    uint64_t record = soft.arg, generation = cache_generation();
    void *host;

    vcpu.rip = cache_chain_pc(record);
    host = guest_translate(&f);
    if (host && generation == cache_generation())
        cache_chain_link(record, host);
}

void loop_enter(struct vcpu *v, void *host, uint64_t trap_flag)
{
    soft.jump = (uintptr_t)host;
    soft.fpu_usable = user_fpu_here;
    soft.rsp_offset = KERNEL_OFFSET;
    v->rflags = (v->rflags & ~(uint64_t)EFLAGS_TF) | EFLAGS_IF | 2;
    cache_run_deferred();
    soft_enter();
}

void loop_enter_program(struct vcpu *v, void *host)
{
    soft.jump = (uintptr_t)host;
    soft.fpu_usable = user_fpu_here;
    soft.rsp_offset = 0;
    v->rflags = (v->rflags & ~(uint64_t)(EFLAGS_TF | EFLAGS_RF)) | EFLAGS_IF | 2;
    cache_run_deferred();
    soft_enter();
}

static void guest_run(void *host)
{
    struct vcpu *v = &vcpu;

    loop_enter(v, host, 0);
    switch (soft.reason) {
    case SOFT_CHAIN:
        guest_chain();
        break;
    case SOFT_INDIRECT:
        v->rip = soft.target;
        break;
    case SOFT_EMULATE:
        guest_emulate();
        break;
    case SOFT_HYPERCALL:
        loop_hypercall(v);
        break;
    case SOFT_FAULT:
        loop_fault(v, &soft.fault);
        break;
    case SOFT_FPU:
        user_fpu_import();
        break;
    default:
        break;
    }
}

/* What main.c's loop does with guest-kernel code. */
static void guest_step(bool one_by_one)
{
    struct fault f;
    void *host;

    soft.kicked = 0;
    if (one_by_one || step_needed(&vcpu)) {
        step_kernel(&vcpu);
        return;
    }
    host = guest_translate(&f);
    if (host)
        guest_run(host);
    else
        loop_fault(&vcpu, &f);
}

/* The next translation but one, at the latest, throws everything away. */
static void fill_cache(void)
{
    uint8_t *nearly_full = (uint8_t *)(V_CACHE + V_CACHE_SIZE - (258ull << 10));

    if (emit_at < nearly_full)
        emit_at = nearly_full;
}

static void guest_prepare(const struct start *s, const struct stress *how)
{
    if (how->flush_cache)
        fill_cache();
    if (how->flush_tlb)
        memory_flush_tlb();
    memory_set_marks(how->marked);
    memory_set_exit(false);
    memory_write(true, s);
    __builtin_memcpy(vcpu.gpr, s->gpr, sizeof(vcpu.gpr));
    vcpu.rip = s->rip;
    vcpu.rflags = s->rflags;
    vcpu.gs_base = s->gs_base;
    vcpu.fs_base = s->fs_base;
    vcpu.xcr0 = machine_xcr0;
    vcpu.user_mode = false;
    vcpu.cr3_user = INVALID_MFN;
    user_fpu_here = !how->fpu_away;
    stop_rng = how->seed;
    stop_rate = how->stops;
    stop_generation = cache_generation();
    ticks = 0;
    fake_logged = false;
    set_bases(KERNEL_OFFSET, s->gs_base + KERNEL_OFFSET);
    fpu_load(s->fpu);
}

static void program_prepare(const struct start *s)
{
    memory_set_exit(true);
    for (unsigned int i = 0; i < 16; i++)
        vcpu.gpr[i] = twin(s, i, s->gpr[i]);
    vcpu.rip = s->rip + NATIVE_DELTA;
    vcpu.gs_base = twin(s, 16, s->gs_base);
    vcpu.fs_base = twin(s, 17, s->fs_base);
    vcpu.cs = 0x33;
    vcpu.user_mode = true;
    vcpu.cr3_user = vcpu.cr3_kernel;
}

/* What program.c does; the emulator stands in for the stub. */
static void program_step(void)
{
    struct fault f;
    int stop;

    soft.kicked = 0;
    stop = local_can_run(&vcpu) ? local_run(&vcpu, &f) : LOCAL_NOT_HERE;
    if (stop == USER_FAULT) {
        f.error &= ~PF_U;
        loop_fault(&vcpu, &f);
    } else if (stop == USER_SYSCALL) {
        fake_crash("a system call in the middle");
    } else if (stop == LOCAL_NOT_HERE && vcpu.rip == WINDOW + NATIVE_DELTA) {
        vcpu.rip += 2;
        guest_stop(STOP_END);
    } else if (stop == LOCAL_NOT_HERE) {
        guest_emulate();
        result->fault.error &= ~PF_U;
    }
}

static void machine_run(const struct start *s, const struct stress *how, struct result *r,
                        bool program)
{
    guest_prepare(s, how);
    if (program)
        program_prepare(s);
    result = r;
    guest_stopped = false;
    in_guest = true;
    if (__builtin_setjmp(crash_point)) {
        r->stop = run->message[0] == 'h' ? STOP_HANG : STOP_CRASH;
        soft.running = 0;
    } else {
        while (!guest_stopped) {
            if (how->flush_cache && program)
                fill_cache();
            if (program)
                program_step();
            else
                guest_step(how->stepped);
        }
    }
    in_guest = false;
    remove_stops();
    fpu_save(r->fpu);
    __builtin_memcpy(r->gpr, vcpu.gpr, sizeof(r->gpr));
    r->rip = vcpu.rip;
    r->rflags = vcpu.rflags;
    memory_read(true, r);
    rt_snprintf(r->message, sizeof(r->message), "%s", run->message);
}

void machine_run_guest(const struct start *s, const struct stress *how, struct result *r)
{
    machine_run(s, how, r, false);
}

void machine_run_program(const struct start *s, const struct stress *how, struct result *r)
{
    machine_run(s, how, r, true);
}
