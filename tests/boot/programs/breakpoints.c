/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * breakpoints.c - a debugger and its child: hardware breakpoints and watchpoints fire where they
 * should, and the child runs on to the right result. Linux has debuggers told of the child's own
 * accesses only, not of those that the kernel makes for it. Also as a 32-bit program (gcc -m32).
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXECUTE 0ul
#define WRITE 1ul
#define ACCESS 3ul
#define LEN_LONG (sizeof(long) == 8 ? 2ul : 3ul)

static volatile unsigned long watched[2] __attribute__((aligned(16)));
static int failures;

static __attribute__((noinline)) void marked(void)
{
    __asm__ volatile("nop");
}

static void child(void)
{
    unsigned long sum = 0, want = (unsigned long)0x3837363534333231;
    int fds[2];

    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    for (int i = 0; i < 3; i++)
        marked();
    raise(SIGSTOP);
    for (unsigned long i = 0; i < 1000; i++) {
        watched[1] += i; /* next to it */
        if (i % 250 == 0)
            watched[0] = i;
        sum += watched[0];
    }
    raise(SIGSTOP);
    if (pipe(fds) || write(fds[1], "12345678", 8) != 8 ||
        read(fds[0], (void *)watched, sizeof(long)) != sizeof(long))
        _exit(1);
    raise(SIGSTOP);
    sum += watched[0] == want;
    _exit(sum == (0 + 250 + 500 + 750) * 250 + 1 && watched[1] == 499500 ? 0 : 2);
}

static void set(pid_t pid, unsigned int reg, unsigned long value)
{
    if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[reg]), value)) {
        printf("debug register %u: %s\n", reg, strerror(errno));
        failures++;
    }
}

static void breakpoint(pid_t pid, const volatile void *at, unsigned long kind, unsigned long length)
{
    set(pid, 7, 0);
    set(pid, 0, (unsigned long)at);
    set(pid, 7, 1 | kind << 16 | length << 18);
}

/* Let it run until it stops itself; how often did the breakpoint stop it? */
static int count(pid_t pid, int *ret_status)
{
    int n = 0, status = 0;

    for (;;) {
        unsigned long dr6;

        if (ptrace(PTRACE_CONT, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
            break;
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            break;
        dr6 = (unsigned long)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), 0);
        if (!(dr6 & 1)) {
            printf("a trap with DR6 %lx\n", dr6);
            failures++;
        }
        set(pid, 6, 0);
        if (++n > 10000)
            break;
    }
    *ret_status = status;
    return n;
}

static void expect(const char *what, int got, int want)
{
    if (got == want)
        return;
    printf("%s: %d times, not %d\n", what, got, want);
    failures++;
}

int main(void)
{
    pid_t pid = fork();
    int status;

    if (!pid)
        child();
    waitpid(pid, &status, 0);
    breakpoint(pid, (void *)marked, EXECUTE, 0);
    expect("a breakpoint on a function", count(pid, &status), 3);
    breakpoint(pid, watched, WRITE, LEN_LONG);
    expect("a watchpoint", count(pid, &status), 4);
    breakpoint(pid, watched, WRITE, LEN_LONG);
    expect("a watchpoint that the kernel meets, which is not told", count(pid, &status), 0);
    breakpoint(pid, watched, ACCESS, LEN_LONG);
    expect("a watchpoint for reads", count(pid, &status), 1);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        printf("the child's status is %x\n", status);
        failures++;
    }
    printf("breakpoints%s %s\n", sizeof(long) == 8 ? "" : "32", failures ? "bad" : "ok");
    return failures != 0;
}
