/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap.c - see trap.h. The handlers run on an alternate stack with further signals blocked.
 * They never unwind: to leave translated code they save the guest's registers and change the
 * signal frame so that sigreturn lands in soft_exit_fault.
 */
#include "engine/soft/vcpu/trap.h"

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/time.h>

#include "engine/soft/layout.h"
#include "engine/soft/vcpu/breakpoint.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/execute.h"
#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/rewrite.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/translate.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"

#define HOST_END 0x800000000000ull
/* When a kick meets code between two instruction boundaries. Each try lasts twice as long as the
 * one before: where a signal costs more than the first (under a tracer) code would not move. */
#define RETRY_MIN_NS 20000
#define RETRY_MAX_NS 5120000
#define MAX_MISSES 4
#define MAX_PUT_OFF 3
#define SS_AUTODISARM (1u << 31)

struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
};

struct kernel_ucontext {
    unsigned long flags;
    void *link;
    struct {
        void *sp;
        int flags;
        unsigned long size;
    } stack;
    struct sigcontext mc;
};

extern const char rt_sigreturn_restorer[], soft_enter_end[];

static uint8_t signal_stack[64 * 1024] __attribute__((aligned(64)));
static int timer_id;
static volatile uint64_t retry_ns; /* how far the pending retry was; 0: none is */

/* A store that faulted and goes on: other vCPUs may want to have its page back before it has
 * happened, again and again. */
static struct {
    uint64_t rip;
    unsigned int put_off;
} store;

static void save_registers(const struct sigcontext *mc)
{
    uint64_t *g = vcpu.gpr;

    g[RAX] = mc->rax;
    g[RCX] = mc->rcx;
    g[RDX] = mc->rdx;
    g[RBX] = mc->rbx;
    g[RSP] = mc->rsp - soft.rsp_offset;
    g[RBP] = mc->rbp;
    g[RSI] = mc->rsi;
    g[RDI] = mc->rdi;
    g[R8] = mc->r8;
    g[R9] = mc->r9;
    g[R10] = mc->r10;
    g[R11] = mc->r11;
    g[R12] = mc->r12;
    g[R13] = mc->r13;
    g[R14] = mc->r14;
    g[R15] = mc->r15;
    vcpu.rflags = mc->eflags & ~(uint64_t)(EFLAGS_TF | EFLAGS_RF);
}

/* Guest state at the instruction that pos names, as if it had not begun. */
static void recover(const struct sigcontext *mc, const struct cache_pos *pos)
{
    save_registers(mc);
    vcpu.rip = pos->pc;
    if (pos->exact)
        return;
    if (pos->fixup & FIX_RCX)
        vcpu.gpr[RCX] = soft.rcx;
    if (pos->fixup & FIX_SCRATCH)
        vcpu.gpr[pos->reg] = soft.scratch;
    if (pos->fixup & FIX_RSI)
        vcpu.gpr[RSI] -= KERNEL_OFFSET;
    if (pos->fixup & FIX_RDI)
        vcpu.gpr[RDI] -= KERNEL_OFFSET;
}

static void leave(struct sigcontext *mc, enum soft_exit reason)
{
    mc->rip = (uintptr_t)soft_exit_fault;
    mc->rsp = soft.host_rsp;
    mc->eflags &= ~(uint64_t)(EFLAGS_DF | EFLAGS_TF | EFLAGS_AC);
    soft.reason = reason;
}

/* With RF, as the CPU sets it in the frames of faults. */
static void leave_fault(struct sigcontext *mc, uint8_t vector, bool has_error, uint32_t error,
                        gva_t cr2)
{
    vcpu.rflags |= EFLAGS_RF;
    soft.fault = (struct fault){vector, has_error, error, cr2};
    leave(mc, SOFT_FAULT);
}

static void timer_set(uint64_t ns)
{
    struct {
        struct __kernel_old_timespec interval, value;
    } it = {{0, 0}, {(long)(ns / 1000000000), (long)(ns % 1000000000)}};

    sys_call(__NR_timer_settime, timer_id, 0, &it, NULL);
}

void trap_timer_set(uint64_t ns)
{
    timer_set(ns ? ns : 1);
}

static void try_again(void)
{
    uint64_t ns = retry_ns ? 2 * retry_ns : RETRY_MIN_NS;

    retry_ns = ns < RETRY_MAX_NS ? ns : RETRY_MAX_NS;
    timer_set(retry_ns);
}

void trap_retry_cancel(void)
{
    if (!retry_ns)
        return;
    retry_ns = 0;
    timer_set(0);
}

/* Is the host about to begin or to go on with a string instruction, its pointers converted?
 * Such an instruction may be left at any time, as after a fault. */
static bool at_string_instruction(const struct sigcontext *mc, const struct cache_pos *pos)
{
    const uint8_t *p = (const uint8_t *)mc->rip;

    if (!(pos->fixup & (FIX_RSI | FIX_RDI)))
        return false;
    while (*p == 0x66 || *p == 0xf2 || *p == 0xf3 || (*p & 0xf0) == 0x40)
        p++;
    return (*p >= 0xa4 && *p <= 0xa7) || (*p >= 0xaa && *p <= 0xaf);
}

/* Guest code is between two instruction boundaries, again and again (one instruction takes
 * nearly all the time, or signals come at the same place): stop it at the next one. */
static void stop_behind(const struct sigcontext *mc)
{
    soft.running = mc->rip;
    cache_drop_at(mc->rip);
    soft.running = 0;
    cache_leave_behind(mc->rip);
}

/* A timer or D's kick: stop guest code as soon as its state is clean. */
static void on_kick(struct sigcontext *mc)
{
    static unsigned int misses;
    struct cache_pos pos;

    soft.kicked = 1;
    if (soft.away)
        return;
    if (mc->rip == store.rip && store.put_off < MAX_PUT_OFF) {
        store.put_off++;
        try_again();
        return;
    }
    if (!cache_contains(mc->rip)) {
        if (user_kick())
            return;
    } else if (cache_find(mc->rip, &pos)) {
        if (pos.exact || at_string_instruction(mc, &pos)) {
            misses = 0;
            recover(mc, &pos);
            leave(mc, SOFT_NONE);
            return;
        }
        if (++misses % MAX_MISSES == 0)
            stop_behind(mc);
    }
    try_again();
}

static _Noreturn void engine_fault(int sig, const struct sigcontext *mc, uint64_t addr)
{
    env_domain_crash(&vcpu, "engine fault: signal %d trap %u at %lx, address %lx, guest rip %lx",
                     sig, (unsigned int)mc->trapno, (unsigned long)mc->rip, (unsigned long)addr,
                     (unsigned long)vcpu.rip);
}

/* From now on this instruction accesses memory by software. If that did not help (a string
 * instruction in Xen's hole), emulate it. */
static void mark(struct sigcontext *mc, const struct cache_pos *pos)
{
    recover(mc, pos);
    if (cache_marked(pos->pc)) {
        leave(mc, SOFT_EMULATE);
        return;
    }
    soft.running = mc->rip;
    cache_mark(pos->pc);
    cache_drop_at(mc->rip);
    soft.running = 0;
    leave(mc, SOFT_NONE);
}

/* A host #GP: an access to guest-user space or Xen's hole through a non-canonical host
 * address, or a guest #GP. */
static void on_general_protection(struct sigcontext *mc, const struct cache_pos *pos)
{
    struct insn in;
    uint8_t bytes[INSN_MAX];
    struct fault f;
    uint64_t ea[2];
    unsigned int n = 0;
    uint8_t vector = VEC_GP;

    recover(mc, pos);
    if (!(pos->fixup & FIX_RESOLVED) && fetch_decode(&vcpu, pos->pc, &in, bytes, &f) > 0) {
        /* Only the emulator knows where these were. */
        if (in.mem && (rewrite_is_bit_string(&in) || in.vsib)) {
            mark(mc, pos);
            return;
        }
        if (in.cls == INSN_STRING) {
            bool rsi, rdi;

            rewrite_string_pointers(&in, &rsi, &rdi);
            if (rsi)
                ea[n++] = vcpu.gpr[RSI];
            if (rdi)
                ea[n++] = vcpu.gpr[RDI];
        } else {
            if (in.mem)
                ea[n++] = emulate_operand(&vcpu, &in);
            n += emulate_stack_address(&vcpu, &in, &ea[n]);
        }
        vector = (uint8_t)emulate_address_fault(&vcpu, &in);
    }
    for (unsigned int i = 0; i < n; i++)
        if (ea[i] < USER_END) {
            mark(mc, pos);
            return;
        }
    leave_fault(mc, vector, true, 0, 0);
}

static void on_page_fault(struct sigcontext *mc, const struct cache_pos *pos, uint64_t addr)
{
    gva_t va = addr - KERNEL_OFFSET;
    uint32_t error, deaths = cache_deaths();
    int r;

    if (addr >= HOST_END) { /* not canonical for the guest */
        mark(mc, pos);
        return;
    }
    if (pos->block->alone && execute_owns(addr)) {
        recover(mc, pos);
        leave_fault(mc, VEC_PF, true, 0, addr);
        return;
    }
    soft.running = mc->rip;
    r = vtlb_fill(&vcpu, va, mc->err & PF_W, &error);
    soft.running = 0;
    if (r != -2 && (mc->err & PF_W) && peers_exist()) {
        store.rip = mc->rip;
        store.put_off = 0;
    }
    if (!r) {
        if (cache_deaths() != deaths)
            cache_leave_behind(mc->rip);
        return;
    }
    if (r == -2) {
        mark(mc, pos);
        return;
    }
    recover(mc, pos);
    leave_fault(mc, VEC_PF, true, error, va);
}

static void on_exception(int sig, struct sigcontext *mc, uint64_t addr)
{
    struct cache_pos pos;

    if (mc->trapno == VEC_AC && !cache_contains(mc->rip)) { /* the guest's flag, our access */
        mc->eflags &= ~(uint64_t)EFLAGS_AC;
        return;
    }
    if (!cache_contains(mc->rip) || !cache_find(mc->rip, &pos))
        engine_fault(sig, mc, addr);
    switch (mc->trapno) {
    case VEC_PF:
        if (pos.block->local)
            engine_fault(sig, mc, addr);
        on_page_fault(mc, &pos, addr);
        return;
    case VEC_GP:
    case VEC_SS:
        if (pos.block->local) { /* its addresses are good */
            recover(mc, &pos);
            leave_fault(mc, VEC_GP, true, 0, 0);
            return;
        }
        on_general_protection(mc, &pos);
        return;
    default:
        recover(mc, &pos);
        leave_fault(mc, (uint8_t)mc->trapno, mc->trapno == VEC_AC, 0, 0);
    }
}

/* Linux leaves the interrupted code's AC set in handlers. */
static void clear_alignment_check(void)
{
    __asm__ volatile("pushfq\n\tandl %0, (%%rsp)\n\tpopfq" : : "i"(~EFLAGS_AC) : "cc", "memory");
}

static void on_signal(int sig, const siginfo_t *info, struct kernel_ucontext *uc)
{
    clear_alignment_check();
    if (sig == SIGALRM || sig == SIGUSR1)
        on_kick(&uc->mc);
    else
        on_exception(sig, &uc->mc, (uintptr_t)info->si_addr);
}

int resolve_access(void)
{
    uint8_t bytes[INSN_MAX];
    struct fault ignored;
    uint64_t ea = soft.ea, last = ea + (soft.ea_info & 0xffff);
    uint32_t deaths = cache_deaths();
    bool write = soft.ea_info >> 16;
    struct insn in;
    void *p;

    if ((ea & PAGE_MASK) == (last & PAGE_MASK) && !breakpoints_in_page(&vcpu, ea)) {
        p = vtlb_kernel_ptr(&vcpu, ea, write ? ACCESS_WRITE : ACCESS_READ, &soft.fault);
        if (p) {
            soft.ea_host = (uintptr_t)p;
            if (cache_deaths() != deaths)
                cache_leave_behind(soft.ea_ret);
            return 1;
        }
        if (soft.fault.vector == VEC_GP && fetch_decode(&vcpu, vcpu.rip, &in, bytes, &ignored) > 0)
            soft.fault.vector = (uint8_t)emulate_address_fault(&vcpu, &in);
        vcpu.rflags |= EFLAGS_RF;
        soft.reason = SOFT_FAULT;
        return 0;
    }
    /* Over a page boundary the two frames need not be neighbours. And what is watched needs an
     * exact look. */
    soft.reason = SOFT_EMULATE;
    return 0;
}

void trap_init(void)
{
    static const uint8_t signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGALRM, SIGUSR1};
    struct {
        void *sp;
        int flags;
        unsigned long size;
    } ss = {signal_stack, (int)SS_AUTODISARM, sizeof(signal_stack)}; /* wherever rsp points: it is
                                                                         the guest's */
    struct kernel_sigaction sa = {(void *)on_signal, SA_SIGINFO | SA_ONSTACK | SA_RESTORER,
                                  (void *)(uintptr_t)rt_sigreturn_restorer,
                                  1ul << (SIGALRM - 1) | 1ul << (SIGUSR1 - 1)};
    unsigned long none = 0;

    sys_call(__NR_sigaltstack, &ss, NULL, 0, 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
        sys_call(__NR_rt_sigaction, signals[i], &sa, NULL, 8);
    sys_call(__NR_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    sys_call(__NR_timer_create, CLOCK_MONOTONIC, NULL, &timer_id, 0);
}
