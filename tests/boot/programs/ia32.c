/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ia32.c - a 32-bit program without a C library (gcc -m32 -nostdlib): system calls by the vDSO's
 * entry and by int 0x80, a thread-local segment, FP state across a fork, a signal.
 */
typedef unsigned int u32;

#define AT_SYSINFO 32
#define NR_exit 1
#define NR_fork 2
#define NR_write 4
#define NR_waitpid 7
#define NR_getpid 20
#define NR_kill 37
#define NR_set_thread_area 243
#define NR_rt_sigaction 174
#define NR_sched_yield 158
#define SIGUSR1 10

static u32 vsyscall;

static int by_vdso(u32 nr, u32 a, u32 b, u32 c)
{
    int r;

    asm volatile("call *%1" : "=a"(r) : "m"(vsyscall), "0"(nr), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}

static int by_int(u32 nr, u32 a, u32 b, u32 c, u32 d)
{
    int r;

    asm volatile("int $0x80" : "=a"(r) : "0"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return r;
}

static _Noreturn void end(const char *text, u32 size, int status)
{
    by_vdso(NR_write, 1, (u32)text, size);
    for (;;)
        by_vdso(NR_exit, (u32)status, 0, 0);
}

#define FAIL(text) end(text "\n", sizeof(text), 1)

static volatile u32 caught;

static void on_signal(int number)
{
    caught = (u32)number;
}

static void check_signal(void)
{
    struct {
        void (*handler)(int);
        u32 flags;
        void (*restorer)(void);
        u32 mask[2];
    } action = {on_signal, 0, 0, {0, 0}};

    if (by_int(NR_rt_sigaction, SIGUSR1, (u32)&action, 0, 8))
        FAIL("rt_sigaction");
    by_vdso(NR_kill, (u32)by_vdso(NR_getpid, 0, 0, 0), SIGUSR1, 0);
    if (caught != SIGUSR1)
        FAIL("no signal");
}

static void check_tls(void)
{
    static u32 block[4] = {0, 0x1234, 0, 0};

    struct {
        u32 entry, base, limit, flags;
    } desc = {-1u, (u32)block, 0xfffff, 0x51}; /* 32-bit, limit in pages, useable */

    if (by_vdso(NR_set_thread_area, (u32)&desc, 0, 0))
        FAIL("set_thread_area");
    asm volatile("mov %0, %%fs" : : "r"(desc.entry * 8 + 3));
    for (int i = 0; i < 200; i++) {
        u32 value;

        by_vdso(NR_sched_yield, 0, 0, 0);
        asm volatile("mov %%fs:4, %0" : "=r"(value));
        if (value != 0x1234)
            FAIL("thread-local value");
    }
}

static void check_fork(void)
{
    volatile double x = 1.5;
    int status = -1, child = by_vdso(NR_fork, 0, 0, 0);

    for (int i = 0; i < 100000; i++)
        x = x * 2 - 1.5;
    if (x != 1.5)
        FAIL("floating point");
    if (!child)
        by_vdso(NR_exit, 42, 0, 0);
    if (by_vdso(NR_waitpid, (u32)child, (u32)&status, 0) != child || status != 42 << 8)
        FAIL("child");
}

__attribute__((used)) static void start(u32 *stack)
{
    u32 *p = stack + 1 + stack[0] + 1; /* environment */

    while (*p++)
        continue;
    for (; p[0]; p += 2)
        if (p[0] == AT_SYSINFO)
            vsyscall = p[1];
    if (!vsyscall)
        by_int(NR_exit, 2, 0, 0, 0);
    for (int i = 0; i < 1000; i++)
        if (by_vdso(NR_getpid, 0, 0, 0) != by_int(NR_getpid, 0, 0, 0, 0))
            FAIL("getpid");
    check_signal();
    check_tls();
    check_fork();
    end("ia32 ok\n", 8, 0);
}

asm(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call "
    "start\n");
