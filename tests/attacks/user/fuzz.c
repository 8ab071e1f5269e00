/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz.c - programs that do anything: random code, system calls by every way in, mappings, signal
 * frames, and lies in the stub's pages, on several threads. Each lives a moment, as nobody, in
 * namespaces of its own. Afterwards it must be possible to kill it, and this program and a witness
 * must be what they were.
 *
 *   attack-fuzz SECONDS [SEED]     says each seed only if it was bad; ends with the number of
 * rounds
 */
#define _GNU_SOURCE
#include "attack.h"
#include "witness.h"

#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "engine/soft/layout.h"

#define ROUND_MS 250
#define MAX_THREADS 4
#define NOBODY 65534
#define MEMORY (192ul << 20)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define ARENA 0x200000000000 /* where a thread's own pages are, those of others beside them */
#define ARENA_PAGES 16
#define STACK_PAGES 16
#define CODE_MAX 200

struct fuzzer {
    uint64_t state;
    uint8_t *code, *data;
    sigjmp_buf back;
    char stack[STACK_PAGES * 4096] __attribute__((aligned(4096)));
};

static struct fuzzer fuzzers[MAX_THREADS];
static __thread struct fuzzer *self;

static uint64_t next(void)
{
    uint64_t z = self->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* An address that means something to somebody. */
static uint64_t place(void)
{
    static const uint64_t places[] = {STUB_BASE,
                                      STUB_GATE_PROVE,
                                      STUB_GATE_WAIT,
                                      STUB_GATE_MAP,
                                      STUB_GATE_UNMAP,
                                      STUB_POLICY,
                                      STUB_Q,
                                      STUB_Q + Q_OPS,
                                      STUB_R,
                                      STUB_X,
                                      STUB_FPU,
                                      STUB_ALT,
                                      STUB_ALT + STUB_ALT_SIZE,
                                      STUB_END,
                                      PATCH_TRAMP,
                                      PATCH_TABLE,
                                      STUB_USER_END,
                                      V_TEXT,
                                      V_RUN,
                                      V_SHARED,
                                      V_STUBS,
                                      V_CACHE,
                                      V_META,
                                      V_RAM,
                                      0xffffffffff600000,
                                      0xffff800000000000,
                                      0xffffffff81000000,
                                      1ul << 47};
    uint64_t at = places[next() % (sizeof(places) / sizeof(*places))];

    switch (next() % 4) {
    case 0:
        return at + next() % 4096;
    case 1:
        return at - next() % 64;
    case 2:
        return at + (next() % 32 << 12);
    default:
        return at;
    }
}

static uint64_t value(void)
{
    switch (next() % 9) {
    case 0:
        return next() % 16;
    case 1:
        return 0 - next() % 16;
    case 2:
        return 1ull << next() % 64;
    case 3:
        return next();
    case 4:
        return place();
    case 5:
        return (uint64_t)self->code + next() % 4096;
    case 6:
        return ARENA + next() % (MAX_THREADS * ARENA_PAGES * 4096);
    default:
        return (uint64_t)self->data + next() % 4096;
    }
}

/* ---- code ---- */

/* Beginnings of instructions that touch what an engine has to take care of. */
static unsigned int put_opcode(uint8_t *p)
{
    static const struct {
        uint8_t size, bytes[6];
    } op[] = {
        {2, {0x0f, 0x05}},                         /* syscall */
        {2, {0xcd, 0x80}},                         /* int 0x80 */
        {2, {0x0f, 0x34}},                         /* sysenter */
        {2, {0xff, 0xe0}},                         /* jmp rax */
        {3, {0xff, 0x64, 0x24}},                   /* jmp [rsp + x] */
        {1, {0xe8}},                               /* call */
        {1, {0xe9}},                               /* jmp */
        {1, {0x74}},                               /* je */
        {1, {0xe2}},                               /* loop */
        {1, {0xc3}},                               /* ret */
        {2, {0x48, 0xcb}},                         /* retfq */
        {2, {0x48, 0xcf}},                         /* iretq */
        {1, {0x9d}},                               /* popf */
        {1, {0x9c}},                               /* pushf */
        {3, {0x48, 0x89, 0xc4}},                   /* mov rsp, rax */
        {2, {0x8e, 0xe0}},                         /* mov fs, ax */
        {2, {0x8e, 0xd8}},                         /* mov ds, ax */
        {5, {0xf3, 0x48, 0x0f, 0xae, 0xd0}},       /* wrfsbase rax */
        {5, {0xf3, 0x48, 0x0f, 0xae, 0xd8}},       /* wrgsbase rax */
        {2, {0xf3, 0xa4}},                         /* rep movsb */
        {3, {0xf3, 0x48, 0xab}},                   /* rep stosq */
        {2, {0x0f, 0xae}},                         /* fxsave and so on */
        {2, {0x0f, 0xc7}},                         /* cmpxchg16b and so on */
        {2, {0x0f, 0x01}},                         /* the zoo */
        {2, {0x0f, 0x00}},                         /* verr and so on */
        {2, {0x0f, 0x03}},                         /* lsl */
        {3, {0xf0, 0x0f, 0xc1}},                   /* lock xadd */
        {2, {0x48, 0xf7}},                         /* div and so on */
        {1, {0xdd}},                               /* x87 */
        {2, {0xc5, 0xfd}},                         /* VEX */
        {3, {0xc4, 0xe2, 0x7d}},                   /* VEX 0F38: gathers */
        {4, {0x62, 0xf2, 0x7d, 0x49}},             /* EVEX */
        {6, {0x66, 0x0f, 0x38, 0xf8, 0x00, 0x90}}, /* movdir64b */
        {3, {0xf3, 0x0f, 0xc7}},                   /* rdpid and so on */
        {2, {0x0f, 0xa2}},                         /* cpuid */
        {3, {0x64, 0x48, 0x8b}},                   /* mov, by fs */
        {3, {0x65, 0x48, 0x89}},                   /* mov, by gs */
        {2, {0x67, 0x8b}},                         /* mov, 32-bit address */
        {1, {0xc8}},                               /* enter */
        {1, {0xd7}},                               /* xlat */
        {1, {0xcc}},                               /* int3 */
        {1, {0xf1}},                               /* int1 */
    };
    size_t n = next() % (sizeof(op) / sizeof(*op));

    memcpy(p, op[n].bytes, op[n].size);
    return op[n].size;
}

static void make_code(uint8_t *p)
{
    const uint8_t *end = p + CODE_MAX;

    while (p < end) {
        uint64_t what = next() % 8;

        if (what < 3) {
            p += put_opcode(p);
        } else if (what < 5) { /* mov reg, imm64 */
            uint64_t v = value();

            *p++ = 0x48;
            *p++ = (uint8_t)(0xb8 + next() % 8);
            memcpy(p, &v, 8);
            p += 8;
        } else {
            for (uint64_t n = next() % 6; n; n--)
                *p++ = (uint8_t)next();
        }
    }
    memset(p, 0xcc, 32);
}

/* All registers are values; the stack pointer mostly is one that can be used. */
static void run_code(uint8_t *at)
{
    uint64_t r[16];

    for (int i = 0; i < 16; i++)
        r[i] = value();
    r[4] = next() % 4 ? (uint64_t)self->data + 2048 + next() % 1024 : value();
    r[15] = (uint64_t)at;
    __asm__ volatile("mov 0(%0), %%rax; mov 8(%0), %%rcx; mov 16(%0), %%rdx; mov 24(%0), %%rbx\n"
                     "mov 40(%0), %%rbp; mov 48(%0), %%rsi; mov 64(%0), %%r8; mov 72(%0), %%r9\n"
                     "mov 80(%0), %%r10; mov 88(%0), %%r11; mov 96(%0), %%r12; mov 104(%0), %%r13\n"
                     "mov 112(%0), %%r14; mov 120(%0), %%r15; mov 32(%0), %%rsp\n"
                     "mov 56(%0), %%rdi; jmp *%%r15"
                     :
                     : "D"(r)
                     : "memory");
}

static void do_code(void)
{
    uint8_t *at = self->code + next() % 4096;

    if (next() % 4)
        make_code(at);
    if (next() % 8 == 0)
        at = (uint8_t *)ARENA + next() % (MAX_THREADS * ARENA_PAGES * 4096);
    run_code(at);
}

/* ---- system calls ---- */

static void do_syscall(void)
{
    long nr = (long)(next() % 600);

    if (next() % 16 == 0)
        nr |= 0x40000000;
    if (next() % 32 == 0)
        nr = (long)value();
    syscall(nr, value(), value(), value(), value(), value(), value());
}

static void do_int80(void)
{
    long nr = (long)(next() % 600);

    __asm__ volatile("int $0x80"
                     : "+a"(nr)
                     : "b"(value()), "c"(value()), "d"(value()), "S"(value()), "D"(value())
                     : "r8", "r9", "r10", "r11", "memory");
}

/* The same few calls again and again: what the engine patches. */
static void do_hot_calls(void)
{
    for (int i = 0; i < 100; i++)
        syscall(SYS_getppid);
}

/* ---- memory ---- */

static void do_map(void)
{
    uint64_t at =
        next() % 3 ? ARENA + (next() % (MAX_THREADS * ARENA_PAGES) << 12) : value() & ~4095ul;
    size_t size = (1 + next() % 8) << 12;
    int prot = (int)(next() % 8);

    switch (next() % 4) {
    case 0:
        munmap((void *)at, size);
        break;
    case 1:
        mprotect((void *)at, size, prot);
        break;
    case 2:
        madvise((void *)at, size, (int)(next() % 26));
        break;
    default:
        mmap((void *)at, size, prot,
             (next() % 2 ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS | (next() % 4 ? MAP_FIXED : 0),
             -1, 0);
    }
}

static void do_access(void)
{
    uint64_t at = value();

    if (next() % 2)
        *(volatile uint64_t *)at = value();
    else
        (void)*(volatile uint64_t *)at;
}

/* ---- the stub, signals ---- */

static void do_lie(void)
{
    for (int i = 0; i < 50; i++) {
        uint64_t at = STUB_X + (next() % 4 ? next() % 320 : next() % STUB_X_SIZE);

        *(volatile uint64_t *)(at & ~7ul) = value();
        if (next() % 8 == 0)
            syscall(SYS_getppid);
    }
}

static void do_jump_to_stub(void)
{
    run_code((uint8_t *)(STUB_CODE + next() % 0xa00));
}

static void do_forged_return(void)
{
    ucontext_t *uc = (ucontext_t *)self->data;

    for (size_t i = 0; i < sizeof(*uc) / 8; i++)
        ((uint64_t *)uc)[i] = next() % 2 ? 0 : value();
    uc->uc_mcontext.fpregs = next() % 2 ? NULL : (void *)value();
    uc->uc_mcontext.gregs[REG_CSGSFS] = next() % 2 ? 0x2b000000000033 : (greg_t)value();
    __asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n syscall\n ud2\n" : : "r"(uc) : "memory");
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
    siglongjmp(self->back, 1);
}

/* What the code before may have taken away. */
static void take_signals(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL,  SIGFPE,
                                  SIGTRAP, SIGSYS, SIGALRM, SIGXFSZ};
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_ONSTACK | SA_SIGINFO | SA_NODEFER};
    stack_t ss = {.ss_sp = self->stack, .ss_size = sizeof(self->stack)};

    sigaltstack(&ss, NULL);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &sa, NULL);
}

static void do_something(void)
{
    static void (*const things[])(void) = {
        do_code, do_code, do_code,   do_syscall, do_syscall,      do_int80,        do_hot_calls,
        do_map,  do_map,  do_access, do_lie,     do_jump_to_stub, do_forged_return};

    things[next() % (sizeof(things) / sizeof(*things))]();
}

static void *fuzz(void *arg)
{
    self = arg;
    self->code = mmap((uint8_t *)ARENA + (self - fuzzers) * ARENA_PAGES * 4096, ARENA_PAGES * 4096,
                      RWX, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    self->data = self->code + 4096 * (ARENA_PAGES / 2);
    for (;;) {
        if (!sigsetjmp(self->back, 1)) {
            take_signals();
            do_something();
        }
    }
    return NULL;
}

static void limit(int what, rlim_t most)
{
    struct rlimit l = {most, most};

    setrlimit(what, &l);
}

static _Noreturn void fuzzer_main(uint64_t seed, unsigned int threads)
{
    pthread_t t;

    limit(RLIMIT_AS, MEMORY);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NPROC, 40);
    if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
        setresuid(NOBODY, NOBODY, NOBODY))
        _exit(99);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    close(0);
    close(1);
    close(2);
    for (unsigned int i = 0; i < threads; i++)
        fuzzers[i].state = seed + i * 0x123456789;
    for (unsigned int i = 1; i < threads; i++)
        pthread_create(&t, NULL, fuzz, &fuzzers[i]);
    fuzz(&fuzzers[0]);
    _exit(0);
}

/* The first process of its namespaces, so that whatever it starts ends with it. */
static pid_t start_fuzzer(uint64_t seed)
{
    const int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS;
    pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

    if (!pid)
        fuzzer_main(seed, 1 + (unsigned int)(seed % MAX_THREADS));
    return pid;
}

/* True: it has ended. Threads of it may have asked to be traced, by us: they stop for us, and are
 * there until we have seen their end. */
static bool await_all(pid_t pid, unsigned int ms)
{
    uint64_t until = now_ms() + ms;

    while (now_ms() < until) {
        int status;
        pid_t some = waitpid(-1, &status, WNOHANG | __WALL);

        if (some > 0 && WIFSTOPPED(status))
            kill(pid, SIGKILL);
        else if (some == pid)
            return true;
        else if (some <= 0)
            usleep(500);
    }
    return false;
}

/* Of this program: what it knows of itself is still true. */
static const char *own_complaint(pid_t pid)
{
    static uint64_t known[512];

    for (uint64_t i = 0; i < 512; i++) {
        if (known[i] && known[i] != i * 3 + 1)
            return "this program's memory changed";
        known[i] = i * 3 + 1;
    }
    return getpid() == pid && !getuid() ? NULL : "this program is not what it was";
}

int main(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoul(argv[1], NULL, 0) : 10, until = now_ms() + seconds * 1000;
    uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 0) : (uint64_t)time(NULL), rounds = 0,
             ended = 0;
    pid_t me = getpid();

    witness_start();
    for (; now_ms() < until; rounds++, seed++) {
        const char *complaint = NULL;
        pid_t pid = start_fuzzer(seed);

        if (pid < 0) {
            printf("BROKEN: no process\n");
            return 1;
        }
        if (await_all(pid, ROUND_MS)) {
            ended++;
        } else {
            kill(pid, SIGKILL);
            if (!await_all(pid, 5 * KILL_MS))
                complaint = "it cannot be killed";
        }
        if (!complaint)
            complaint = witness_complaint();
        if (!complaint)
            complaint = own_complaint(me);
        if (!complaint)
            continue;
        printf("BROKEN: seed %lu: %s\n", (unsigned long)seed, complaint);
        return 1;
    }
    witness_end();
    printf("fuzz: %lu rounds, %lu ended by themselves\n", (unsigned long)rounds,
           (unsigned long)ended);
    return 0;
}
