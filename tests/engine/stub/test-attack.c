/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-attack.c - a hostile guest program against its stub. It must reach nothing but its own
 * memory and its own kernel, must not keep the vCPU, and must leave nothing behind for the next
 * program.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/launcher.h"
#include "cpu/creg.h"
#include "engine/soft/vcpu/user_fpu.h"
#include "engine/soft/zygote.h"

#define ATTACK_CODE 0x600000ul
#define ATTACK_FRAME 80
#define ATTACK_AT(label) (ATTACK_CODE + (gva_t)((const uint8_t *)(label)-attack_start))

#define UC_SIZE 1024
#define UC_RIP 168
#define UC_RFLAGS 176
#define UC_CS 184
#define UC_RSP 160

extern const uint8_t attack_start[], attack_end[];
extern const uint8_t a_altstack_end[], a_altstack_in[], a_bounce[], a_cli[], a_compat_syscall[],
    a_compat_sysenter[], a_gs[], a_icebp[], a_in[], a_int2[], a_int4[], a_jmp[], a_jmp_tf[],
    a_lie[], a_load[], a_mov_ss[], a_nt_iret[], a_park[], a_rdmsr[], a_rdpmc[], a_scribble[],
    a_sigreturn[], a_ss[], a_store[], a_storm[], a_sweep[], a_sweep80[], a_syscall[], a_sysenter[],
    a_tf_syscall[], a_words[], a_xsetbv[];
extern const uint8_t g_syscall[], g_spin[], g_xmm_get[], g_xmm_set[];

static struct space *space_of(mfn_t root)
{
    for (unsigned int i = 0; i < STUB_MAX; i++)
        if (spaces[i].root == root)
            return &spaces[i];
    return NULL;
}

static void attack_map(mfn_t root)
{
    for (size_t at = 0; at < (size_t)(attack_end - attack_start); at += PAGE_SIZE)
        page_map(root, ATTACK_CODE + at, ATTACK_FRAME + at / PAGE_SIZE, MAP_RX);
}

/* A fresh program under attack: nothing of the last one is left. */
static void fresh(void)
{
    user_release(vcpu.cr3_user);
    vcpu.cs = 0x33;
    vcpu.ds = vcpu.es = vcpu.fs = vcpu.gs = 0;
    vcpu.fs_base = vcpu.gs_base = 0;
    for (int i = 0; i < 16; i++)
        vcpu.gpr[i] = 0;
}

static bool is_fault(enum user_stop stop, uint8_t vector)
{
    return stop == USER_FAULT && fault.vector == vector;
}

/* ---- reaching the host kernel ---- */

static void test_reach(void)
{
    static const char *const inside[] = {"sleep", "released", "next",       "mapped",
                                         "unmap", "unmapped", "stub_start", "stub_die",
                                         "die",   "proven",   "tls"};
    unsigned int good = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(inside); i++) {
        enum user_stop stop;

        fresh();
        vcpu.gpr[RBP] = stub_symbol(inside[i]);
        vcpu.gpr[R12] = 0xffff;
        vcpu.gpr[R13] = 1;
        vcpu.gpr[RBX] = GUEST_DATA;
        vcpu.rip = ATTACK_AT(a_jmp);
        vcpu.gpr[RSP] = GUEST_STACK;
        vcpu.rflags = 0x202;
        kick_after(3000);
        stop = resume_once();
        /* It trapped in the stub's own code, or faulted there, or came back to itself for ever. */
        good += stop == USER_FAULT || stop == USER_EVENT ||
                (stop == USER_SYSCALL && vcpu.rip < STUB_END);
        kick_every(0);
        stubs_kick_clear();
    }
    ok(good == ARRAY_SIZE(inside), "jumps into trusted and start-up code reach nothing (%u)", good);
    fresh();
    good = 0;
    vcpu.gpr[R12] = 0;
    for (unsigned int nr = 0; nr < 1100; nr++)
        good += (nr ? resume() : go(ATTACK_AT(a_sweep))) == USER_SYSCALL && vcpu.gpr[RAX] == nr;
    ok(good == 1100, "system calls 0..1099 all go to the guest kernel (%u)", good);
    good = 0;
    vcpu.gpr[R12] = 0x40000000;
    for (unsigned int nr = 0; nr < 600; nr++)
        good += (nr ? resume() : go(ATTACK_AT(a_sweep))) == USER_SYSCALL;
    ok(good == 600, "x32 system calls too (%u)", good);
    good = 0;
    vcpu.gpr[R12] = 0;
    for (unsigned int nr = 0; nr < 500; nr++)
        good += is_fault(nr ? resume() : go(ATTACK_AT(a_sweep80)), 0x80) && vcpu.gpr[RAX] == nr;
    ok(good == 500, "int 0x80 calls 0..499 too (%u)", good);
    ok(go(ATTACK_AT(a_sysenter)) == USER_FAULT, "sysenter");
    fresh();
    ok(go(ATTACK_AT(a_compat_sysenter)) == USER_FAULT, "compat sysenter");
    fresh();
    ok(go(ATTACK_AT(a_compat_syscall)) == USER_FAULT, "compat syscall");
    fresh();
    vcpu.gpr[RDI] = GUEST_DATA + 0x2000;
    ok(go(ATTACK_AT(a_sigreturn)) == USER_SYSCALL && vcpu.gpr[RAX] == 15,
       "a forged signal frame is the guest kernel's business");
}

static void test_futex(void)
{
    static const struct {
        const char *name;
        uint64_t addr, op, val, timeout;
    } calls[] = {
        {"wait on another word", STUB_Q + Q_ASK, 0, 0, 0},
        {"wake oneself", STUB_Q + Q_GO, 1, 1, 0},
        {"wait for go, not at the gate", STUB_Q + Q_GO, 0, 0, 0},
        {"wait with timeout", STUB_Q + Q_GO, 0, 0, GUEST_DATA},
        {"wait privately", STUB_Q + Q_GO, 128, 0, 0},
        {"lock", STUB_X, 6, 0, 0},
        {"requeue", STUB_X, 3, 1, 0},
        {"an address 4 GiB above", 0x100000000 + STUB_Q + Q_GO, 0, 0, 0},
    };

    uint64_t insn = stub_symbol("stub_die") + 10; /* a syscall instruction of the stub */
    unsigned int good = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        for (int own = 0; own < 2; own++) {
            enum user_stop stop;

            fresh();
            vcpu.gpr[RBP] = insn;
            vcpu.gpr[RAX] = SYS_futex;
            vcpu.gpr[RDI] = calls[i].addr;
            vcpu.gpr[RSI] = calls[i].op;
            vcpu.gpr[RDX] = calls[i].val;
            vcpu.gpr[R10] = calls[i].timeout;
            stop = go(own ? ATTACK_AT(a_jmp) : ATTACK_AT(a_syscall));
            if (stop == USER_SYSCALL && vcpu.gpr[RAX] == SYS_futex)
                good++;
            else
                printf("# %s: %d\n", calls[i].name, stop);
        }
    }
    ok(good == 2 * ARRAY_SIZE(calls), "futex calls beyond the two allowed are trapped");
}

/* ---- memory ---- */

static void test_memory(void)
{
    static const uint64_t forbidden[] = {STUB_CODE, STUB_POLICY, STUB_Q, STUB_R};
    unsigned int good = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(forbidden); i++) {
        fresh();
        vcpu.gpr[RDI] = forbidden[i];
        good += is_fault(go(ATTACK_AT(a_store)), VEC_PF);
    }
    ok(good == ARRAY_SIZE(forbidden), "code, policy, Q and R are not writable");
    fresh();
    vcpu.gpr[RDI] = (uintptr_t)&good;
    ok(is_fault(go(ATTACK_AT(a_load)), VEC_PF), "our own stack is not there");
    fresh();
    vcpu.gpr[RDI] = (uintptr_t)ram_linear(1);
    ok(is_fault(go(ATTACK_AT(a_load)), VEC_PF), "our view of guest memory is not there");
}

/* ---- instructions ---- */

static void test_instructions(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
        uint8_t vector;
    } gp[] = {{"rdpmc", a_rdpmc, VEC_GP}, {"rdmsr", a_rdmsr, VEC_GP},   {"in", a_in, VEC_GP},
              {"cli", a_cli, VEC_GP},     {"xsetbv", a_xsetbv, VEC_GP}, {"int 2", a_int2, VEC_GP},
              {"int1", a_icebp, VEC_DB},  {"int 4", a_int4, VEC_OF}};

    static const uint16_t selectors[] = {0x2b, 0x7b, 0x7, 0x10, 0x63, 0x33};
    enum user_stop stop;

    for (unsigned int i = 0; i < ARRAY_SIZE(gp); i++) {
        fresh();
        stop = go(ATTACK_AT(gp[i].code));
        ok(is_fault(stop, gp[i].vector), "%s (stop %d vector %u)", gp[i].name, stop, fault.vector);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(selectors); i++) {
        fresh();
        vcpu.gpr[RDI] = selectors[i];
        vcpu.gpr[RSI] = 0xffff888000000000;
        stop = go(ATTACK_AT(a_gs));
        ok(is_fault(stop, VEC_GP) || (stop == USER_SYSCALL && resume() == USER_FAULT),
           "selector %x with a kernel base", selectors[i]);
        fresh();
        vcpu.gpr[RDI] = selectors[i];
        stop = go(ATTACK_AT(a_ss));
        ok(stop == USER_SYSCALL || stop == USER_FAULT, "ss %x", selectors[i]);
    }
    fresh();
    ok(is_fault(go(ATTACK_AT(a_nt_iret)), VEC_GP), "iretq with NT");
    fresh();
    ok(go(ATTACK_AT(a_mov_ss)) == USER_SYSCALL, "mov ss before syscall");
    fresh();
    stop = go(ATTACK_AT(a_tf_syscall));
    ok(stop == USER_SYSCALL || is_fault(stop, VEC_DB), "single step over syscall");
    fresh();
    ok(go(AT(g_syscall)) == USER_SYSCALL, "the next program is well");
}

/* ---- keeping the CPU ---- */

/* Run a program that never ends, with a timer as a guest kernel would have one. Its stop, by
 * whatever, has to come within limit_us of the first tick. */
static bool stops(gva_t at, unsigned int limit_us)
{
    uint64_t t = now_us();

    vcpu.rip = at;
    vcpu.gpr[RSP] = GUEST_STACK;
    vcpu.rflags = 0x202;
    kick_every(3000);
    while (resume_once() == USER_EVENT && now_us() - t < 3000)
        continue;
    t = now_us() - t;
    kick_every(0);
    return t < 3000 + limit_us;
}

static void test_preemption(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
        unsigned int rounds;
    } programs[] = {{"claims that it has stopped", a_lie, 20},
                    {"scribbles over X", a_scribble, 100},
                    {"forges the control words", a_words, 100},
                    {"has its stack at the end of the signal stack", a_altstack_end, 3},
                    {"has its stack in the signal stack", a_altstack_in, 5},
                    {"storms the kernel with allowed futex calls", a_storm, 20},
                    {"lives in stub code", a_bounce, 20},
                    {"waits on its own account", a_park, 20}};

    uint64_t *uc = data(GUEST_DATA + 0x3000);

    for (unsigned int i = 0; i < ARRAY_SIZE(programs); i++) {
        bool good = true;
        uint64_t t = now_us(), worst = 0;

        for (unsigned int n = 0; n < programs[i].rounds; n++) {
            uint64_t one = now_us();

            fresh();
            memset(uc, 0, UC_SIZE);
            uc[UC_RIP / 8] = ATTACK_AT(programs[i].code);
            uc[UC_RSP / 8] = GUEST_STACK;
            uc[UC_RFLAGS / 8] = 0x202;
            uc[UC_CS / 8] = 0x33 | 0x2bull << 48;
            uc[(40 + 12 * 8) / 8] = GUEST_DATA + 0x3000;              /* rdx */
            uc[(40 + 9 * 8) / 8] = GUEST_DATA + 0x1000;               /* rsi */
            uc[(40 + 10 * 8) / 8] = stub_symbol("return_from_frame"); /* rbp */
            vcpu.gpr[RDI] = vcpu.gpr[RSI] = GUEST_DATA + 0x1000;
            vcpu.gpr[RDX] = GUEST_DATA + 0x3000;
            vcpu.gpr[R12] = programs[i].code == a_storm ? GUEST_DATA + 0x1000 : n * 0x100000001;
            vcpu.gpr[RBP] = stub_symbol("return_from_frame");
            good &= stops(ATTACK_AT(programs[i].code), 5000000);
            user_fpu_import(); /* whatever it left there */
            one = now_us() - one;
            worst = one > worst ? one : worst;
        }
        ok(good, "a program that %s is stopped (%lu us a round, worst %lu)", programs[i].name,
           (now_us() - t) / programs[i].rounds, worst);
        fresh();
        vcpu.gpr[RDI] = 99;
        good = go(AT(g_xmm_set)) == USER_SYSCALL;
        ok(good && go(AT(g_xmm_get)) == USER_SYSCALL && vcpu.gpr[RDI] == 99,
           "and the next program runs");
    }
}

/* Rights that are taken away are gone, however the program lies. */
static void test_revocation(void)
{
    const gva_t page = GUEST_DATA + 0x1000;
    volatile uint64_t *counter = data(page);
    unsigned int moved = 0;

    for (int i = 0; i < 50; i++) {
        uint64_t entry = *page_entry(vcpu.cr3_user, page), after;

        fresh();
        vcpu.gpr[RDI] = page;
        vcpu.rip = ATTACK_AT(a_lie);
        vcpu.rflags = 0x202;
        kick_after(2000);
        resume_once(); /* stopped by the kick, or not: it says so all the time */
        *page_entry(vcpu.cr3_user, page) = 0;
        user_invlpg(vcpu.cr3_user, page);
        after = *counter;
        for (uint64_t end = now_us() + 500; now_us() < end;)
            moved += *counter != after;
        *page_entry(vcpu.cr3_user, page) = entry & ~(PTE_A | PTE_D);
    }
    ok(!moved, "a page is gone after invlpg though the program only claims to have stopped");
    fresh();
}

/* ---- what a stub holds ---- */

static unsigned int entries(const char *path)
{
    unsigned int n = 0;
    DIR *d = opendir(path);

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static bool has_line(uint32_t pid, const char *file, const char *text)
{
    char path[64], line[512];
    bool found = false;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        found |= strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return found;
}

static void test_holdings(void)
{
    char path[64];
    uint32_t pid;

    fresh();
    go(AT(g_syscall));
    pid = space_of(vcpu.cr3_user)->stub->pid;
    snprintf(path, sizeof(path), "/proc/%u/fd", pid);
    ok(entries(path) == 4, "a stub has two descriptors");
    ok(has_line(pid, "status", "SigBlk:\t0000000000000000"), "and blocks no signal");
    ok(has_line(pid, "status", "Seccomp:\t2"), "and has a filter");
    ok(has_line(pid, "status", "NoNewPrivs:\t1"), "and can gain no rights");
    ok(!has_line(pid, "maps", "[stack]") && !has_line(pid, "maps", "[vdso]") &&
           !has_line(pid, "maps", "[heap]"),
       "and nothing of the zygote's memory");
}

/* ---- mapping ---- */

/* A frame of somebody else, at an address where the program has nothing. */
#define LOOT_VA 0x30000000ul
#define LOOT_FRAME 300

static void forge_map(void)
{
    vcpu.gpr[RBP] = STUB_GATE_MAP;
    vcpu.gpr[RAX] = SYS_mmap;
    vcpu.gpr[RDI] = LOOT_VA;
    vcpu.gpr[RSI] = PAGE_SIZE;
    vcpu.gpr[RDX] = 3;
    vcpu.gpr[R10] = 0x11;
    vcpu.gpr[R8] = STUB_FD_RAM;
    vcpu.gpr[R9] = LOOT_FRAME * PAGE_SIZE;
}

/* The process must not outlive the attempt: it has the mapping for a moment. */
static void test_forged_mapping(void)
{
    static const uint64_t rbx[] = {0, STUB_Q + Q_OPS, STUB_Q + Q_OPS + 32, STUB_X, GUEST_DATA, -32};
    unsigned int good = 0, total = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(rbx); i++)
        for (int tf = 0; tf < 2; tf++, total++) {
            uint32_t pid;

            fresh();
            go(AT(g_syscall));
            pid = space_of(vcpu.cr3_user)->stub->pid;
            forge_map();
            vcpu.gpr[RBX] = rbx[i];
            good += is_fault(go(tf ? ATTACK_AT(a_jmp_tf) : ATTACK_AT(a_jmp)), VEC_GP) &&
                    space_of(vcpu.cr3_user)->stub->pid != pid;
        }
    ok(good == total, "who maps what was not ordered dies (%u of %u)", good, total);
}

/* Nor when it gives itself the counter, or takes it. */
static void test_forged_counter(void)
{
    unsigned int good = 0;

    for (int way = 1; way <= 2; way++) {
        uint32_t pid;

        fresh();
        vcpu.cr4 = way == 1 ? CR4_TSD : 0;
        go(AT(g_syscall));
        pid = space_of(vcpu.cr3_user)->stub->pid;
        vcpu.gpr[RBP] = STUB_GATE_TSC;
        vcpu.gpr[RAX] = SYS_prctl;
        vcpu.gpr[RDI] = PR_SET_TSC;
        vcpu.gpr[RSI] = (uint64_t)way;
        good += is_fault(go(ATTACK_AT(a_jmp)), VEC_GP) && space_of(vcpu.cr3_user)->stub->pid != pid;
    }
    vcpu.cr4 = 0;
    ok(good == 2, "who changes the right to read the counter dies");
}

/* Nor when it makes itself an LDT of what is in Q by chance. */
static void test_forged_ldt(void)
{
    static const uint64_t places[] = {STUB_Q + Q_OPS, STUB_Q + Q_OPS + 8, STUB_Q + Q_OPS + 17,
                                      STUB_R - STUB_USER_DESC_SIZE};
    unsigned int good = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
        uint32_t pid;

        fresh();
        go(AT(g_syscall));
        pid = space_of(vcpu.cr3_user)->stub->pid;
        vcpu.gpr[RBP] = STUB_GATE_LDT;
        vcpu.gpr[RAX] = SYS_modify_ldt;
        vcpu.gpr[RDI] = STUB_LDT_WRITE;
        vcpu.gpr[RSI] = places[i];
        vcpu.gpr[RDX] = STUB_USER_DESC_SIZE;
        good += is_fault(go(ATTACK_AT(a_jmp)), VEC_GP) && space_of(vcpu.cr3_user)->stub->pid != pid;
    }
    ok(good == ARRAY_SIZE(places), "who makes LDT entries that were not ordered dies (%u)", good);
}

/* Single-stepped through the proof: V must not take it for a wait. */
static void test_forged_proof(void)
{
    unsigned int moved = 0;

    for (int i = 0; i < 20; i++) {
        enum user_stop stop;

        fresh();
        vcpu.gpr[RBP] = STUB_GATE_PROVE;
        vcpu.gpr[RAX] = SYS_pwrite64;
        vcpu.gpr[RDI] = STUB_FD_R;
        vcpu.gpr[RSI] = STUB_Q + Q_GO;
        vcpu.gpr[RDX] = 8;
        vcpu.rip = i & 1 ? ATTACK_AT(a_jmp_tf) : ATTACK_AT(a_jmp);
        vcpu.gpr[RSP] = GUEST_STACK;
        vcpu.rflags = 0x202;
        kick_after(3000); /* V takes it for a stub that missed its release: for ever */
        stop = resume_once();
        kick_every(0);
        stubs_kick_clear();
        moved += stop == USER_SYSCALL;
    }
    ok(!moved, "a program that jumps to the proof gets nowhere");
}

/* What was ordered last may be had again, and nothing else: not what V took back in one go. */
static void test_replay(void)
{
    const gva_t va = 0x30000000;
    struct stub *s;

    fresh();
    page_map(vcpu.cr3_user, va, 301, MAP_RW);
    go(AT(g_syscall));
    s = space_of(vcpu.cr3_user)->stub;
    stub_map(s, va, PAGE_SIZE, LOOT_FRAME * PAGE_SIZE, 3);
    stub_map(s, va + PAGE_SIZE, PAGE_SIZE, (LOOT_FRAME + 1) * PAGE_SIZE, 3);
    stub_map(s, va, PAGE_SIZE, 301 * PAGE_SIZE, 3);
    stub_unmap(s, va + PAGE_SIZE, PAGE_SIZE);
    for (uint32_t i = 0; i < s->nops; i++)
        ok(s->ops[i].op == STUB_OP_UNMAP || s->ops[i].off == 301 * PAGE_SIZE,
           "operation %u of the queue maps nothing that is gone", i);
    fresh();
    page_unmap(vcpu.cr3_user, va);
}

/* Orders that V, owned by a hostile guest kernel, might give. */
static void test_orders(void)
{
    static const struct {
        const char *name;
        uint64_t va, len, off;
    } bad[] = {{"over the stub", STUB_BASE, PAGE_SIZE, 0},
               {"across its start", STUB_BASE - PAGE_SIZE, 2 * PAGE_SIZE, 0},
               {"across its end", STUB_END - PAGE_SIZE, 2 * PAGE_SIZE, 0},
               {"wrapping", -PAGE_SIZE, 2 * PAGE_SIZE, 0},
               {"everything", 0x10000, STUB_USER_END - 0x10000, 0},
               {"above user space", STUB_USER_END, PAGE_SIZE, 0},
               {"odd offset", 0x700000, PAGE_SIZE, 1}};
    unsigned int good = 0;
    struct stub *s;

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        fresh();
        go(AT(g_syscall));
        s = space_of(vcpu.cr3_user)->stub;
        stub_map(s, bad[i].va, bad[i].len, bad[i].off, 7);
        good += stub_sync(s, false) < 0;
    }
    ok(good == ARRAY_SIZE(bad), "operations that touch the stub or make no sense are refused");
    fresh();
    go(AT(g_syscall));
    s = space_of(vcpu.cr3_user)->stub;
    stub_unmap(s, 0x10000, 0x7fff00000000);
    ok(stub_sync(s, false) < 0, "so is unmapping all at once");
    fresh();
    ok(go(AT(g_syscall)) == USER_SYSCALL, "and the next program runs");
}

/* ---- deaths ---- */

static void kill_pidfd(int fd)
{
    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    usleep(5000);
}

static void test_deaths(void)
{
    struct stub *s;

    fresh();
    go(AT(g_syscall));
    s = space_of(vcpu.cr3_user)->stub;
    kill_pidfd(s->fd);
    ok(go(AT(g_syscall)) == USER_SYSCALL,
       "after the death of a stub that waits there is a new one");
    s = space_of(vcpu.cr3_user)->stub;
    ok(!stub_park(s) && stub_is_parked(s), "a stopped stub proves it");
    syscall(SYS_pidfd_send_signal, s->fd, SIGSTOP, NULL, 0);
    usleep(2000);
    syscall(SYS_pidfd_send_signal, s->fd, SIGCONT, NULL, 0);
    usleep(2000);
    ok(go(AT(g_syscall)) == USER_SYSCALL, "SIGSTOP and SIGCONT from outside do no harm");
}

static void *continue_later(void *fd)
{
    usleep(50000);
    syscall(SYS_pidfd_send_signal, (int)(intptr_t)fd, SIGCONT, NULL, 0);
    return NULL;
}

/* A stub that is held up when it has orders must carry them out before its program runs. */
static void test_order(void)
{
    const gva_t va = 0x30000000;
    struct stub *s;
    pthread_t thread;

    fresh();
    page_map(vcpu.cr3_user, va, 300, MAP_RW);
    go(AT(g_syscall));
    s = space_of(vcpu.cr3_user)->stub;
    syscall(SYS_pidfd_send_signal, s->fd, SIGSTOP, NULL, 0);
    usleep(5000);
    pthread_create(&thread, NULL, continue_later, (void *)(intptr_t)s->fd);
    kick_every(1000);
    vcpu.gpr[RDI] = va;
    ok(is_fault(go(ATTACK_AT(a_load)), VEC_GP), "kicks while the stub is held up do no harm");
    kick_every(0);
    pthread_join(thread, NULL);
    page_unmap(vcpu.cr3_user, va);
    user_flush(vcpu.cr3_user);
}

/* Who asks for a zygote does not say what is executed: in the test's place, a domain process that
 * somebody has taken over. */
static void test_other_program(void)
{
    int other = open("/bin/false", O_RDONLY | O_CLOEXEC), pidfd = -1;
    const int fds[] = {other, other, other};
    struct err err = {0};
    unsigned int executed = 0;

    for (unsigned int n = 1; n <= ARRAY_SIZE(fds); n++) {
        siginfo_t si = {0};

        if (launcher_spawn(zygote_exec, fds, n, &pidfd, &err))
            continue;
        if (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED) || si.si_status == 1)
            executed++;
        close(pidfd);
    }
    close(other);
    ok(other >= 0 && pidfd >= 0 && !executed, "a zygote is always the zygote's program");
}

int main(void)
{
    harness_init();
    memcpy(ram_linear(ATTACK_FRAME), attack_start, (size_t)(attack_end - attack_start));
    attack_map(vcpu.cr3_user);
    go(AT(g_syscall));
    ok(stub_by(space_of(vcpu.cr3_user)->stub) == STUB_BASE - STUB_LOW,
       "the stub is where it should be");
    test_reach();
    test_futex();
    test_memory();
    test_instructions();
    test_holdings();
    test_forged_mapping();
    test_forged_counter();
    test_forged_ldt();
    test_forged_proof();
    test_replay();
    test_orders();
    test_deaths();
    test_order();
    test_revocation();
    test_preemption();
    test_other_program();
    return finish();
}
