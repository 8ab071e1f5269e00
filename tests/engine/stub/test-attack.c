/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-attack.c - a hostile guest program against its stub. It must reach nothing but its own
 * memory and its own kernel, must not keep the vCPU, and must leave nothing behind for the next
 * program. And a hostile vCPU process against the mapper.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/soft/vcpu/user_fpu.h"

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
    a_compat_sysenter[], a_gs[], a_icebp[], a_in[], a_int2[], a_int4[], a_jmp[], a_lie[], a_load[],
    a_mov_ss[], a_nt_iret[], a_rdmsr[], a_rdpmc[], a_scribble[], a_sigreturn[], a_ss[], a_store[],
    a_storm[], a_sweep[], a_sweep80[], a_syscall[], a_sysenter[], a_tf_syscall[], a_words[],
    a_xsetbv[];
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
    static const char *const inside[] = {"mapper_entry", "wait",       "next",
                                         "answer",       "stub_start", "stub_die"};
    unsigned int good = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(inside); i++) {
        enum user_stop stop;

        fresh();
        vcpu.gpr[RBP] = stub_symbol(inside[i]);
        vcpu.gpr[R12] = 0xffff;
        vcpu.gpr[R13] = 1;
        vcpu.gpr[RBX] = GUEST_DATA;
        stop = go(ATTACK_AT(a_jmp));
        /* It trapped in the stub's own code, or faulted there. */
        good += stop == USER_FAULT || (stop == USER_SYSCALL && vcpu.rip < STUB_END);
    }
    ok(good == ARRAY_SIZE(inside), "jumps into the mapper's and start-up code reach nothing (%u)",
       good);
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
        {"wait on the mapper's word", STUB_Q + Q_SEQ, 0, 0, 0},
        {"wake the mapper", STUB_Q + Q_SEQ, 1, 1, 0},
        {"wake R", STUB_R, 1, 1, 0},
        {"wait with timeout", STUB_Q + Q_GO, 0, 0, GUEST_DATA},
        {"wait privately", STUB_Q + Q_GO, 128, 0, 0},
        {"lock", STUB_X, 6, 0, 0},
        {"requeue", STUB_X, 3, 1, 0},
        {"an address 4 GiB above", 0x100000000 + STUB_Q + Q_GO, 0, 0, 0},
    };

    uint64_t insn = stub_symbol("park") - 2; /* the stub's own syscall instruction */
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
        good += is_fault(go(ATTACK_AT(a_store)), VEC_GP);
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
                    {"lives in stub code", a_bounce, 20}};

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
            good &= stops(ATTACK_AT(programs[i].code), 200000);
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
    pid = space_of(vcpu.cr3_user)->stub->pid_s;
    snprintf(path, sizeof(path), "/proc/%u/fd", pid);
    ok(entries(path) == 2, "a stub has no descriptors");
    ok(has_line(pid, "status", "SigBlk:\t0000000000000000"), "and blocks no signal");
    ok(has_line(pid, "status", "Seccomp:\t2"), "and has a filter");
    ok(has_line(pid, "status", "NoNewPrivs:\t1"), "and can gain no rights");
    ok(!has_line(pid, "maps", "[stack]") && !has_line(pid, "maps", "[vdso]") &&
           !has_line(pid, "maps", "[heap]"),
       "and nothing of the zygote's memory");
}

/* ---- mapper ---- */

static void test_mapper(void)
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
    struct stub *s;
    unsigned int good = 0;

    fresh();
    go(AT(g_syscall));
    s = space_of(vcpu.cr3_user)->stub;
    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        stub_map(s, bad[i].va, bad[i].len, bad[i].off, 7);
        good += stub_sync(s) == -5;
    }
    ok(good == ARRAY_SIZE(bad), "operations that touch the stub or make no sense are refused");
    stub_unmap(s, 0x10000, 0x7fff00000000);
    ok(stub_sync(s) == -5, "so is unmapping all at once");
    s->q->nops = Q_MAX_OPS + 1;
    s->q->err = 0x80000000u | (s->seq + 1);
    s->q->seq = ++s->seq;
    syscall(SYS_futex, &s->q->seq, FUTEX_WAKE, 1, NULL, NULL, 0);
    usleep(20000);
    ok(*s->r == (0x80000000u | s->seq), "so is a batch that is too long");
    ok(go(AT(g_syscall)) == USER_SYSCALL, "and the mapper lives");
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
    kill_pidfd(s->fd_s);
    ok(is_fault(go(AT(g_syscall)), VEC_GP), "the death of a stub is #GP");
    ok(go(AT(g_syscall)) == USER_SYSCALL, "then there is a new one");
    s = space_of(vcpu.cr3_user)->stub;
    kill_pidfd(s->fd_m);
    page_map(vcpu.cr3_user, 0x30000000, 300, MAP_RW);
    vcpu.gpr[RDI] = 0x30000000;
    ok(is_fault(go(ATTACK_AT(a_load)), VEC_GP), "the death of a mapper goes unnoticed");
    s = space_of(vcpu.cr3_user)->stub;
    go(AT(g_syscall));
    usleep(2000);
    ok(stub_prove_parked(s), "a stopped stub proves that it sleeps");
    syscall(SYS_pidfd_send_signal, s->fd_s, SIGSTOP, NULL, 0);
    usleep(2000);
    syscall(SYS_pidfd_send_signal, s->fd_s, SIGCONT, NULL, 0);
    usleep(2000);
    ok(go(AT(g_syscall)) == USER_SYSCALL, "SIGSTOP and SIGCONT from outside do no harm");
}

static void *continue_later(void *fd)
{
    usleep(50000);
    syscall(SYS_pidfd_send_signal, (int)(intptr_t)fd, SIGCONT, NULL, 0);
    return NULL;
}

/* While the mapper is held up, nothing may overtake it: neither new orders in the page that it
 * is about to read, nor the stub that waits for it. */
static void test_order(void)
{
    const gva_t va = 0x30000000;
    struct stub *s;
    pthread_t thread;
    uint64_t t;

    fresh();
    page_map(vcpu.cr3_user, va, 300, MAP_RW);
    go(AT(g_syscall));
    s = space_of(vcpu.cr3_user)->stub;
    syscall(SYS_pidfd_send_signal, s->fd_m, SIGSTOP, NULL, 0);
    usleep(5000);
    stub_map(s, va, PAGE_SIZE, 300 * PAGE_SIZE, 3);
    stub_send(s);
    pthread_create(&thread, NULL, continue_later, (void *)(intptr_t)s->fd_m);
    t = now_us();
    stub_map(s, va + PAGE_SIZE, PAGE_SIZE, 301 * PAGE_SIZE, 3);
    ok(now_us() - t > 30000 && *s->r == s->seq, "new orders wait for the old ones");
    pthread_join(thread, NULL);
    stub_sync(s);
    user_flush(vcpu.cr3_user);
    syscall(SYS_pidfd_send_signal, s->fd_m, SIGSTOP, NULL, 0);
    usleep(5000);
    pthread_create(&thread, NULL, continue_later, (void *)(intptr_t)s->fd_m);
    kick_every(1000);
    vcpu.gpr[RDI] = va;
    ok(is_fault(go(ATTACK_AT(a_load)), VEC_GP), "kicks while the mapper is held up do no harm");
    kick_every(0);
    pthread_join(thread, NULL);
}

int main(void)
{
    harness_init();
    memcpy(ram_linear(ATTACK_FRAME), attack_start, (size_t)(attack_end - attack_start));
    attack_map(vcpu.cr3_user);
    test_reach();
    test_futex();
    test_memory();
    test_instructions();
    test_holdings();
    test_mapper();
    test_deaths();
    test_order();
    test_revocation();
    test_preemption();
    return finish();
}
