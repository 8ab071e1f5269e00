/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * signals.c - faults turned into signals with the right address and code, siglongjmp out of
 * them, write protection by mprotect, timers, single stepping by ptrace, FP state in handlers.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static siginfo_t last;
static volatile int ticks;

static void on_fault(int number, siginfo_t *info, void *context)
{
    last = *info;
    siglongjmp(back, number);
}

static void on_tick(int number)
{
    volatile double x = 1.5;

    ticks += x * 2 == 3.0;
}

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("line %d: %s\n", __LINE__, #condition);                                         \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int check_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile int zero = 0;

    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    if (sigsetjmp(back, 1) == 0) {
        *(volatile char *)0x123 = 1;
        return 1;
    }
    EXPECT(last.si_signo == SIGSEGV && last.si_code == SEGV_MAPERR &&
           last.si_addr == (void *)0x123);
    if (sigsetjmp(back, 1) == 0) {
        page[5] = 1;
        return 1;
    }
    EXPECT(last.si_code == SEGV_ACCERR && last.si_addr == page + 5);
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
    page[5] = 9;
    EXPECT(page[5] == 9);
    if (sigsetjmp(back, 1) == 0) {
        zero = 100 / zero;
        return 1;
    }
    EXPECT(last.si_signo == SIGFPE && last.si_code == FPE_INTDIV);
    if (sigsetjmp(back, 1) == 0) {
        __builtin_trap();
    }
    EXPECT(last.si_signo == SIGILL);
    if (sigsetjmp(back, 1) == 0) {
        asm volatile("int3");
        return 1;
    }
    EXPECT(last.si_signo == SIGTRAP);
    if (sigsetjmp(back, 1) == 0) {
        *(volatile char *)(0x0000800000000000ul + zero) = 1;
        return 1;
    }
    EXPECT(last.si_signo == SIGSEGV);
    if (sigsetjmp(back, 1) == 0) {
        asm volatile("hlt");
        return 1;
    }
    EXPECT(last.si_signo == SIGSEGV);
    return 0;
}

static int check_timer(void)
{
    struct itimerval timer = {{0, 10000}, {0, 10000}};
    volatile double x = 0;

    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (double want = 0; ticks < 20; want += 1.25) {
        x += 1.25;
        if (x != want + 1.25) {
            puts("floating-point state lost");
            return 1;
        }
    }
    memset(&timer, 0, sizeof(timer));
    setitimer(ITIMER_REAL, &timer, NULL);
    return 0;
}

static int check_ptrace(void)
{
    pid_t child = fork();
    struct user_regs_struct regs;
    int status, steps = 0;

    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        asm volatile("nop; nop; nop; int3; nop");
        _exit(7);
    }
    waitpid(child, &status, 0);
    EXPECT(WIFSTOPPED(status));
    for (; steps < 8; steps++) {
        ptrace(PTRACE_SINGLESTEP, child, 0, 0);
        waitpid(child, &status, 0);
        EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
    }
    EXPECT(ptrace(PTRACE_GETREGS, child, 0, &regs) == 0 && regs.rip != 0);
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &status, 0);
    EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP); /* the int3 */
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return 0;
}

int main(void)
{
    if (check_faults() || check_timer() || check_ptrace())
        return 1;
    puts("signals ok");
    return 0;
}
