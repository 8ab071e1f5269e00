/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry.c - attacks by ways into a kernel: each must lead to the guest's or nowhere, never to the
 * host's.
 */
#define _GNU_SOURCE
#include "attack.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define X32 0x40000000
#define I386_GETPID 20
#define I386_UNUSED 999

static long int80(long nr, long a, long b, long c)
{
    long ret;

    __asm__ volatile("int $0x80"
                     : "=a"(ret)
                     : "a"(nr), "b"(a), "c"(b), "d"(c)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)ret;
}

/* A guest kernel without 32-bit support would raise #GP; Debian's has it. */
static int by_int80(void)
{
    if (int80(I386_GETPID, 0, 0, 0) != getpid())
        return broken("int 0x80 reached another kernel: pid %ld, not %d",
                      int80(I386_GETPID, 0, 0, 0), getpid());
    if (int80(I386_UNUSED, 0, 0, 0) != -ENOSYS)
        return broken("int 0x80 with a number that does not exist");
    return 0;
}

static void sysenter(void *arg)
{
    (void)arg;
    __asm__ volatile("mov %%rsp, %%rbp\n sysenter" : : "a"(SYS_getpid) : "memory", "rcx", "rdx");
}

/* From 64-bit code there is nothing good that it could do. */
static int by_sysenter(void)
{
    int sig = signal_of(sysenter, NULL);

    return sig == SIGSEGV || sig == SIGILL ? 0 : broken("sysenter: signal %d", sig);
}

static int by_x32_numbers(void)
{
    static const long numbers[] = {SYS_getpid, SYS_mmap, SYS_pwrite64, SYS_futex,
                                   SYS_munmap, 512,      520,          545};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        errno = 0;
        if (syscall(X32 | numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
            return broken("x32 system call %ld", numbers[i]);
    }
    return 0;
}

/* Numbers that the host may know and the guest does not; 335 and 336 are let through by some
 * hosts' seccomp. */
static int by_other_numbers(void)
{
    for (long nr = 335; nr < 424; nr++) {
        errno = 0;
        if (syscall(nr, 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
            return broken("system call %ld", nr);
    }
    for (long nr = 460; nr < 1100; nr++) {
        errno = 0;
        if (syscall(nr, -1, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
            return broken("system call %ld", nr);
    }
    errno = 0;
    return syscall(-1, 0, 0, 0, 0, 0, 0) == -1 && errno == ENOSYS ? 0 : broken("system call -1");
}

/* The stub's own system calls, made by the program: the guest's kernel hears of them. */
static int by_stub_calls(void)
{
    uint64_t word = 0;
    void *p;

    if (syscall(SYS_pwrite64, STUB_FD_R, &word, 8, 0) > 0 && !isatty(STUB_FD_R))
        return broken("pwrite to the host's descriptor");
    p = (void *)syscall(SYS_mmap, 0x30000000, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, STUB_FD_RAM,
                        0);
    if (p != MAP_FAILED && (uintptr_t)p < -4095ul)
        return broken("mmap of the host's descriptor: %p", p);
    return 0;
}

static uint64_t vsyscall_result;

static void vsyscall(void *at)
{
    vsyscall_result = ((uint64_t(*)(void *, void *))at)(NULL, NULL);
}

static void read_vsyscall(void *at)
{
    vsyscall_result = *(volatile uint64_t *)at;
}

/* The page is the guest kernel's to emulate; Debian's does, execution only. */
static int by_vsyscall(void)
{
    int sig = signal_of(vsyscall, (void *)0xffffffffff600400);
    uint64_t diff = vsyscall_result - (uint64_t)syscall(SYS_time, NULL);

    if (sig != SIGSEGV && (sig || diff + 2 > 4))
        return broken("vsyscall time: signal %d, %ld s off", sig, (long)diff);
    sig = signal_of(vsyscall, (void *)0xffffffffff600401);
    if (sig != SIGSEGV)
        return broken("a jump into a vsyscall: signal %d", sig);
    sig = signal_of(vsyscall, (void *)0xffffffffff601000);
    if (sig != SIGSEGV)
        return broken("a jump behind the vsyscall page: signal %d", sig);
    signal_of(read_vsyscall, (void *)0xffffffffff600000);
    return 0;
}

/* 32-bit code, entered by a far return and left by another. Its result is in eax. */
DEFINE_CODE(compat_pid, ".code32\n mov $20, %eax\n int $0x80\n lret\n .code64\n");
DEFINE_CODE(compat_unused, ".code32\n mov $999, %eax\n int $0x80\n lret\n .code64\n");
DEFINE_CODE(compat_syscall, ".code32\n mov $20, %eax\n .byte 0x0f, 0x05\n lret\n .code64\n");
DEFINE_CODE(compat_sysenter, ".code32\n mov $20, %eax\n mov %esp, %ebp\n .byte 0x0f, 0x34\n"
                             " lret\n .code64\n");
DEFINE_CODE(compat_store, ".code32\n movl $1, 0x107000\n lret\n .code64\n");
DEFINE_CODE(compat_jump, ".code32\n mov $0x100220, %eax\n jmp *%eax\n .code64\n");
DEFINE_CODE(compat_wrap, ".code32\n mov $0xffffffff, %eax\n mov (%eax), %eax\n lret\n .code64\n");

struct compat {
    uint8_t *code, *stack;
    uint16_t selector;
    int result;
};

/* int far_enter(uint64_t code, uint64_t stack, uint64_t selector): its eax. The 32-bit code returns
 * by lret to the 64-bit code at 1f, through a 32-bit far frame. */
int far_enter(uint64_t code, uint64_t stack, uint64_t selector);
__asm__(".text\n"
        "far_enter:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "mov %rsp, far_stack(%rip)\n"
        "lea -8(%rsi), %rsp\n"
        "lea 1f(%rip), %rcx\n"
        "mov %cs, 4(%rsp)\n"
        "mov %ecx, (%rsp)\n"
        "push %rdx; push %rdi; lretq\n"
        "1: mov far_stack(%rip), %rsp\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "ret\n"
        ".local far_stack\n"
        ".comm far_stack, 8, 8\n");

static void far_call(void *arg)
{
    struct compat *c = arg;

    c->result = far_enter((uint64_t)c->code, (uint64_t)c->stack + 2048, c->selector);
}

static int far_call_of(const void *code, size_t size, uint16_t selector, struct compat *c)
{
    *c = (struct compat){.code = low_code_page(code, size, PROT_READ | PROT_EXEC),
                         .stack = low_code_page("", 1, PROT_READ | PROT_WRITE),
                         .selector = selector};
    return signal_of(far_call, c);
}

static int by_compat_code(void)
{
    struct compat c;
    int sig = far_call_of(CODE(compat_pid), 0x23, &c);

    if (sig || c.result != getpid())
        return broken("int 0x80 in 32-bit code: signal %d, %d", sig, c.result);
    sig = far_call_of(CODE(compat_unused), 0x23, &c);
    if (sig || c.result != -ENOSYS)
        return broken("unknown number in 32-bit code: signal %d, %d", sig, c.result);
    return 0;
}

/* syscall and sysenter in 32-bit code lead to the guest kernel's entries, which return as its
 * vDSO wants, or are refused; what comes of it is the program's own. */
static int by_compat_fast_calls(void)
{
    struct compat c;
    int a = far_call_of(CODE(compat_syscall), 0x23, &c);

    if (!a && c.result != getpid() && c.result != -ENOSYS)
        return broken("syscall in 32-bit code: %d", c.result);
    signal_of(far_call, &(struct compat){.code = low_code_page(CODE(compat_sysenter), 5),
                                         .stack = c.stack,
                                         .selector = 0x23});
    return 0;
}

static int by_compat_stub(void)
{
    struct compat c;

    if (far_call_of(CODE(compat_store), 0x23, &c) != SIGSEGV)
        return broken("32-bit code wrote to the stub");
    if (far_call_of(CODE(compat_wrap), 0x23, &c) != SIGSEGV)
        return broken("32-bit code read at 4 GiB - 1");
    if (!fork()) {
        alarm(1);
        far_call_of(CODE(compat_jump), 0x23, &c);
        _exit(0);
    }
    wait(NULL);
    return 0;
}

/* Selectors of every kind. What is not the program's raises a fault, and all returns. The kernel's
 * code selectors are the program's, too: Xen gives them DPL 3, as the kernel runs in ring 3. */
static int by_selectors(void)
{
    struct compat c;

    for (unsigned int selector = 0; selector < 0x200; selector++) {
        switch (selector | 3) {
        case 0x0b:
        case 0x13:
        case 0x23:
        case 0x33:
            continue;
        default:
            break;
        }
        if (far_call_of(CODE(compat_pid), (uint16_t)selector, &c) == 0)
            return broken("a far return to selector 0x%x", selector);
        munmap(c.code, 4096);
        munmap(c.stack, 4096);
    }
    return far_call_of(CODE(compat_pid), 0xe019, &c)
               ? 0
               : broken("a far return to the ring 1 selector of Xen's");
}

static void load_selectors(void *arg)
{
    uint16_t value = *(uint16_t *)arg;

    __asm__ volatile("mov %0, %%es\n mov %0, %%ds\n" : : "r"((uint32_t)value));
}

static int by_data_selectors(void)
{
    for (uint32_t selector = 0; selector < 0x10000; selector += selector < 0x100 ? 1 : 0x83) {
        uint16_t value = (uint16_t)selector;

        signal_of(load_selectors, &value);
        if (syscall(SYS_getpid) != getpid())
            return broken("system calls with selector 0x%x", selector);
    }
    return 0;
}

/* Flags that upset whoever returns carelessly. */
static int by_flags(void)
{
    static const uint64_t flags[] = {0x100, 0x400, 0x4000, 0x40000, 0x3000, 0x200000, 0x45500};

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        long pid;
        pid_t child = fork();

        if (!child) {
            __asm__ volatile("push %[f]\n popfq\n syscall\n push $0x202\n popfq\n"
                             : "=a"(pid)
                             : [f] "r"(flags[i] | 2), "a"(SYS_getpid)
                             : "rcx", "r11", "memory", "cc");
            _exit(pid != getpid());
        }
        waitpid(child, &(int){0}, 0);
    }
    return 0;
}

/* Alignment checking stays on behind a system call, also one in the form that the engine patches,
 * and hits nobody who aligns. */
static int by_alignment(void)
{
    for (int i = 0; i < 100; i++) {
        long pid = SYS_getpid;
        uint64_t after;

        __asm__ volatile("pushfq\n orl $0x40000, (%%rsp)\n popfq\n syscall\n cmp $-4095, %%rax\n"
                         "pushfq\n popq %[after]\n push $0x202\n popfq\n"
                         : "+a"(pid), [after] "=r"(after)
                         :
                         : "rcx", "r11", "memory", "cc");
        if (pid != getpid() || !(after & 0x40000))
            return broken("alignment checking: %ld, flags 0x%lx", pid, (unsigned long)after);
    }
    return 0;
}

/* A selector that a program loads is still there after system calls and sleep. */
static int by_kept_selectors(void)
{
    static const uint16_t selectors[] = {0x2b, 0, 1, 3, 0x2b};

    for (size_t i = 0; i < sizeof(selectors) / sizeof(*selectors); i++) {
        uint32_t gs;

        __asm__ volatile("mov %0, %%gs" : : "r"((uint32_t)selectors[i]));
        usleep(2000);
        syscall(SYS_getppid);
        __asm__ volatile("mov %%gs, %0" : "=r"(gs));
        /* An interrupt on the way may make a null selector any null one. */
        if (gs != selectors[i] && !(gs <= 3 && selectors[i] <= 3))
            return broken("gs 0x%x, not 0x%x", gs, selectors[i]);
    }
    return 0;
}

const struct attack entry_attacks[] = {
    {"entry-int80", by_int80, HOLDS},
    {"entry-sysenter", by_sysenter, HOLDS},
    {"entry-x32-numbers", by_x32_numbers, HOLDS},
    {"entry-other-numbers", by_other_numbers, HOLDS},
    {"entry-stub-calls", by_stub_calls, HOLDS},
    {"entry-vsyscall", by_vsyscall, HOLDS},
    {"entry-compat-code", by_compat_code, HOLDS},
    {"entry-compat-fast-calls", by_compat_fast_calls, HOLDS},
    {"entry-compat-stub", by_compat_stub, HOLDS},
    {"entry-selectors", by_selectors, HOLDS},
    {"entry-data-selectors", by_data_selectors, HOLDS},
    {"entry-flags", by_flags, HOLDS},
    {"entry-alignment", by_alignment, HOLDS},
    {"entry-kept-selectors", by_kept_selectors, HOLDS},
    {NULL, NULL, ANY},
};
