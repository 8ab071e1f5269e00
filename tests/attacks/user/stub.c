/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stub.c - attacks on the engine's own code and pages in the program's address space: jumps into
 * it, stores to its pages, lies about what it says, frames that it never made.
 */
#define _GNU_SOURCE
#include "attack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define STUB_TEXT_END (STUB_CODE + 0xa00)
#define STRIDE 3

static char forged[65536] __attribute__((aligned(4096)));

/* Go to `at` with registers that would make its system calls useful. */
static void jump(uint64_t at, uint64_t rax, uint64_t rdi, uint64_t rsi, uint64_t rdx)
{
    register uint64_t r8 __asm__("r8") = STUB_FD_RAM;
    register uint64_t r9 __asm__("r9") = 0;
    register uint64_t r10 __asm__("r10") = MAP_SHARED | MAP_FIXED;

    __asm__ volatile("mov %[stack], %%rsp\n xor %%ebp, %%ebp\n jmp *%[at]\n"
                     :
                     : [at] "r"(at), [stack] "r"(forged + sizeof(forged) - 8192), "a"(rax),
                       "D"(rdi), "S"(rsi), "d"(rdx), "r"(r8), "r"(r9), "r"(r10)
                     : "rbx", "rcx", "r11", "memory");
}

/* A child that goes there; it may do what it likes for a tenth of a second. */
static int jump_in_child(uint64_t at, uint64_t rax, uint64_t rdi, uint64_t rsi, uint64_t rdx)
{
    struct itimerval timer = {.it_value.tv_usec = 100000};
    pid_t pid = fork();
    int status = 0;

    if (pid < 0)
        return broken("fork: %d", errno);
    if (!pid) {
        setitimer(ITIMER_REAL, &timer, NULL);
        jump(at, rax, rdi, rsi, rdx);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
        return broken("the jump to 0x%lx had an effect", (unsigned long)at);
    return 0;
}

/* Every few bytes of the stub's code, asking it to map guest memory where `forged` is. */
static int jump_everywhere(void)
{
    int bad = 0;

    for (uint64_t at = STUB_CODE; at < STUB_TEXT_END && !bad; at += STRIDE)
        bad = jump_in_child(at, SYS_mmap, (uint64_t)forged, 4096, 7);
    return bad;
}

/* The instructions that the policy lets through. */
static int jump_to_gates(void)
{
    static const uint64_t gates[] = {STUB_GATE_PROVE, STUB_GATE_WAIT, STUB_GATE_MAP,
                                     STUB_GATE_UNMAP, STUB_GATE_TSC,  STUB_GATE_DIE};
    int bad = 0;

    for (size_t i = 0; i < sizeof(gates) / sizeof(*gates) && !bad; i++) {
        bad = jump_in_child(gates[i], SYS_mmap, 0x10000000, 1 << 20, 7) ||
              jump_in_child(gates[i], SYS_munmap, 0x10000000, 1ul << 40, 0) ||
              jump_in_child(gates[i], SYS_prctl, 26 /* PR_SET_TSC */, 2, 0) ||
              jump_in_child(gates[i], SYS_pwrite64, STUB_FD_R, STUB_Q, 8) ||
              jump_in_child(gates[i], SYS_futex, STUB_Q, 0, 0) ||
              jump_in_child(gates[i], SYS_exit_group, 0, 0, 0);
    }
    return bad;
}

static void store(void *at)
{
    *(volatile uint64_t *)at = 1;
}

static int write_pages(void)
{
    static const uint64_t pages[] = {STUB_CODE,       STUB_GATE_MAP,  STUB_POLICY, STUB_Q,
                                     STUB_Q + Q_NOPS, STUB_Q + Q_OPS, STUB_R};

    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
        if (signal_of(store, (void *)pages[i]) != SIGSEGV)
            return broken("a store to 0x%lx was possible", (unsigned long)pages[i]);
    return 0;
}

/* The page of its own registers is the program's to write: while it makes system calls and
 * takes signals on another thread. */
static void *scribble(void *arg)
{
    const uint64_t *size = arg;

    for (uint64_t round = 0;; round++)
        for (uint64_t at = 0; at < *size; at += 8)
            *(volatile uint64_t *)(STUB_X + at) = round * 0x9e3779b97f4a7c15;
    return NULL;
}

static int scribble_registers(void)
{
    static uint64_t size = 512;
    pthread_t t;

    pthread_create(&t, NULL, scribble, &size);
    for (int i = 0; i < 20000; i++)
        syscall(SYS_getppid);
    return 0;
}

static int scribble_everything(void)
{
    static uint64_t size = STUB_X_SIZE;
    pthread_t t;

    pthread_create(&t, NULL, scribble, &size);
    for (int i = 0; i < 20000; i++) {
        syscall(SYS_getppid);
        signal_of(store, NULL);
    }
    return 0;
}

/* Say "stopped" all the time and go on. */
static int lie(void)
{
    for (;;) {
        *(volatile uint32_t *)(STUB_X + X_TURN) = 1;
        *(volatile uint32_t *)(STUB_X + X_WHY) = SIGSYS;
        *(volatile uint64_t *)(STUB_X + X_GO) = *(volatile uint64_t *)(STUB_Q + Q_GO);
        *(volatile uint64_t *)(STUB_X + X_RIP) = 0xffffffff81000000;
    }
    return 0;
}

/* With the stack pointer in the stub's signal stack, where the host kernel puts frames. */
static int borrow_stack(void)
{
    for (uint64_t at = STUB_ALT; at <= STUB_ALT + STUB_ALT_SIZE; at += 0x1800) {
        pid_t pid = fork();

        if (!pid) {
            __asm__ volatile("mov %0, %%rsp\n push $1\n syscall\n ud2\n"
                             :
                             : "r"(at), "a"(SYS_getppid)
                             : "memory");
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    return 0;
}

/* A frame that no kernel made, to the guest's own rt_sigreturn, with registers that a program
 * may not have. */
static void forged_return(void *arg)
{
    ucontext_t *uc = arg;

    __asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n syscall\n ud2\n" : : "r"(uc) : "memory");
}

static int forge_frames(void)
{
    static const struct {
        uint64_t rip, flags, selectors;
    } frames[] = {
        {0xffffffff81000000, 0x202, 0x002b000000000033},
        {STUB_CODE, 0x3202, 0x002b000000000033},
        {STUB_GATE_MAP, 0x202, 0x002b000000000033},
        {0x400000, 0x202, 0x0000000000000010},
        {0x400000, 0x202, 0xe02b00000000e033},
        {0x8000000000000000, 0x4202, 0x2b000000000023},
        {0x400000, 0x60302, 0x0018000000000007},
    };

    for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
        ucontext_t *uc = (ucontext_t *)(forged + 8192);

        memset(uc, 0, sizeof(*uc));
        sigfillset(&uc->uc_sigmask);
        uc->uc_mcontext.gregs[REG_RIP] = (greg_t)frames[i].rip;
        uc->uc_mcontext.gregs[REG_EFL] = (greg_t)frames[i].flags;
        uc->uc_mcontext.gregs[REG_CSGSFS] = (greg_t)frames[i].selectors;
        uc->uc_mcontext.gregs[REG_RSP] = STUB_ALT + 64;
        if (!fork()) {
            forged_return(uc);
            _exit(0);
        }
        wait(NULL);
    }
    return 0;
}

/* The guest kernel's own ways to a program's memory do not lead to the stub. */
static int ask_the_kernel(void)
{
    static const uint64_t places[] = {STUB_CODE, STUB_Q, STUB_X};
    int pipes[2];

    if (pipe(pipes))
        return broken("pipe");
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        if (write(pipes[1], (void *)places[i], 8) != -1 || errno != EFAULT)
            return broken("the kernel read from 0x%lx", (unsigned long)places[i]);
        if (getcwd((void *)places[i], 8))
            return broken("the kernel wrote to 0x%lx", (unsigned long)places[i]);
    }
    return 0;
}

/* Take the stub's addresses for the program itself, in the guest kernel's tables. */
static int map_over(void)
{
    void *p = mmap((void *)STUB_BASE, STUB_END - STUB_BASE, PROT_READ | PROT_WRITE,
                   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p != (void *)STUB_BASE)
        return 0;
    signal_of(store, (void *)STUB_Q);
    munmap(p, STUB_END - STUB_BASE);
    for (int i = 0; i < 1000; i++)
        if (syscall(SYS_getppid) <= 0)
            return broken("system calls do not work any more");
    return 0;
}

/* ---- trampolines of patched system calls ---- */

#define TRAMPOLINE 16

/* Another program, whose patched system calls are at an address that only it knows. */
static pid_t start_secret(const uint8_t *code, size_t size, uint64_t at)
{
    pid_t pid = fork();
    uint8_t *p;

    if (pid)
        return pid;
    p = mmap((void *)at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0);
    memcpy(p, code, size);
    mprotect(p, 4096, PROT_READ | PROT_EXEC);
    for (;;)
        ((void (*)(void))(uintptr_t)p)();
}

/* mov eax, SYS_sched_yield; syscall; ret */
static const uint8_t secret_code[] = {0xb8, 24, 0, 0, 0, 0x0f, 0x05, 0xc3};

static void read_word(void *at)
{
    (void)*(volatile uint64_t *)at;
}

/* Any address in the page, at any byte of what can be read at [from, to). */
static bool is_told(uint64_t from, uint64_t to, uint64_t page)
{
    for (; from < to; from += 4096) {
        if (signal_of(read_word, (void *)from))
            continue;
        for (uint64_t at = from; at < from + 4096 - 8; at++) {
            uint64_t word;

            memcpy(&word, (void *)at, sizeof(word));
            if (word - page < 4096)
                return true;
        }
    }
    return false;
}

static uint64_t secret_page;

static void catch_secret(int sig, siginfo_t *si, void *context)
{
    const ucontext_t *uc = context;
    uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];

    _exit(rip - secret_page < 4096 || (uint64_t)si->si_addr - secret_page < 4096 ? 99 : 0);
}

/* A child goes through that trampoline; does it see the secret? */
static bool leads_there(unsigned int n)
{
    struct sigaction sa = {.sa_sigaction = catch_secret, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct itimerval timer = {.it_value.tv_usec = 100000};
    pid_t pid = fork();
    int status = 0;

    if (!pid) {
        sigaction(SIGSEGV, &sa, NULL);
        sigaction(SIGALRM, &sa, NULL);
        setitimer(ITIMER_REAL, &timer, NULL);
        close(2);
        jump(PATCH_TRAMP + n * TRAMPOLINE, SYS_getppid, 0, 0, 0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 99;
}

/* What is left of a vCPU's slots when this runs; they are given away from the first on. */
#define SLOTS 64

static int find_sites(void)
{
    pid_t pid;
    int bad = 0;

    secret_page = 0x5a5a00000000 + ((uint64_t)getpid() << 12);
    pid = start_secret(secret_code, sizeof(secret_code), secret_page);
    for (int i = 0; i < 2000; i++) /* it runs, and so do system calls of ours that are patched */
        syscall(SYS_sched_yield);
    if (is_told(PATCH_TRAMP, PATCH_TRAMP + PATCH_TRAMP_SIZE, secret_page) ||
        is_told(PATCH_TABLE, PATCH_TABLE + PATCH_TABLE_SIZE, secret_page))
        bad = broken("the trampolines tell where another program is");
    for (unsigned int n = 0; n < SLOTS && !bad; n++)
        if (leads_there(n))
            bad = broken("trampoline %u leads to where another program is", n);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return bad;
}

const struct attack stub_attacks[] = {
    {"stub-jump-everywhere", jump_everywhere, HOLDS},
    {"stub-jump-to-gates", jump_to_gates, HOLDS},
    {"stub-write-pages", write_pages, HOLDS},
    {"stub-scribble-registers", scribble_registers, ANY},
    {"stub-scribble-everything", scribble_everything, ANY},
    {"stub-lie", lie, ANY},
    {"stub-borrow-stack", borrow_stack, HOLDS},
    {"stub-forge-frames", forge_frames, HOLDS},
    {"stub-ask-the-kernel", ask_the_kernel, HOLDS},
    {"stub-map-over", map_over, HOLDS},
    {"stub-find-sites", find_sites, HOLDS},
    {NULL, NULL, ANY},
};
