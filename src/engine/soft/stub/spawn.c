/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * spawn.c - the zygote Z: makes stubs S for one vCPU process V.
 *
 * Started by the domain process from a sealed memfd with two descriptors, guest memory and a
 * socket to V. V is owned by the guest kernel, so all that is accepted from it is "one more" of one
 * of two kinds, and at most STUB_MAX are alive. Z makes and seals the shared pages itself. S is
 * forked from here, not from V: it starts with this small image and not with V's thousand mappings.
 *
 * No writable data: the image is one read-execute segment, state is on the stack.
 */
#include "engine/soft/stub/message.h"
#include "engine/soft/stub/policy.h"

#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <linux/sched.h>

_Noreturn void zygote_main(void);
_Noreturn void stub_start(void);
_Noreturn void aside_stub_start(void);
extern char handler_entry[], kick_entry[], restorer[];
extern char aside_handler_entry[], aside_kick_entry[];

#define SHARED_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define ARCH_SET_CPUID 0x1012
#define SIGCHLD 17
#define SIGUSR1 10
#define SIG_SETMASK 2
#define SA_SIGINFO 4ul
#define SA_RESTORER 0x04000000ul
#define SA_ONSTACK 0x08000000ul
#define SA_NODEFER 0x40000000ul

struct sigaction_raw {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

/* Read-only after zygote_main(); entry.S knows where the header is. */
struct policy_page {
    struct sock_fprog stub;
    struct sock_filter insns[(4096 - 16) / 8];
};

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

#define sys4(nr, a, b, c, d) sys6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static _Noreturn void die(int code)
{
    for (;;)
        sys4(__NR_exit_group, code, 0, 0, 0);
}

static void must(long r)
{
    if (r < 0)
        die(2);
}

/* Compile a filter into its policy page and take away the right to write it: V, who can write X,
 * must not have a hand in them. */
static void policy_init(long at, const struct bpf_rule *rules, size_t nr_rules)
{
    struct policy_page *p = (struct policy_page *)at;
    size_t n;

    if (sys6(__NR_mmap, at, PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
        die(2);
    n = bpf_build(p->insns, ARRAY_SIZE(p->insns), rules, nr_rules, SECCOMP_RET_TRAP);
    if (!n)
        die(2);
    p->stub = (struct sock_fprog){(unsigned short)n, p->insns};
    must(sys4(__NR_mprotect, at, PAGE_SIZE, 1, 0));
}

static void policies_init(void)
{
    struct bpf_rule aside[POLICY_STUB_MAX];

    policy_init(STUB_POLICY, policy_stub, ARRAY_SIZE(policy_stub));
    policy_init(STUB_POLICY + STUB_ASIDE_BY, aside, policy_for_aside(aside));
}

static void jail_init(void)
{
    struct sock_filter insns[BPF_MAX_INSNS];
    struct sock_fprog prog;
    size_t n;

    n = bpf_build(insns, BPF_MAX_INSNS, policy_zygote, ARRAY_SIZE(policy_zygote), SECCOMP_RET_TRAP);
    if (!n)
        die(2);
    prog = (struct sock_fprog){(unsigned short)n, insns};
    must(sys4(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0));
    must(sys4(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0));
    must(sys4(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog, 0));
}

/* A sealed memfd that must get descriptor number `fd`. */
static void shared_make(int fd, size_t size)
{
    static const char name[] = "stub";

    if (sys4(__NR_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING, 0, 0) != fd)
        die(3);
    must(sys4(__NR_ftruncate, fd, size, 0, 0));
    must(sys4(__NR_fcntl, fd, F_ADD_SEALS, SHARED_SEALS, 0));
}

static void shared_map(unsigned long addr, size_t size, int prot, int fd)
{
    if (sys6(__NR_mmap, (long)addr, (long)size, prot, MAP_SHARED | MAP_FIXED, fd, 0) != (long)addr)
        die(3);
}

/* Handlers on their own stack, nothing blocked by them, and nothing blocked at all: a kick
 * must always get through. */
static void stub_signals(uint8_t want)
{
    bool aside = want == STUB_WANT_ASIDE;
    char *handler = aside ? aside_handler_entry : handler_entry;
    char *on_kick = aside ? aside_kick_entry : kick_entry;
    static const int handled[] = {4, 5, 7, 8, SIGUSR1, 11, 31};
    struct sigaction_raw sa = {NULL, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER, restorer,
                               0};
    uint64_t stack[3] = {STUB_ALT + (aside ? STUB_ASIDE_BY : 0), 0, STUB_ALT_SIZE};
    uint64_t none = 0;

    must(sys4(__NR_sigaltstack, stack, 0, 0, 0));
    for (size_t i = 0; i < ARRAY_SIZE(handled); i++) {
        sa.handler = handled[i] == SIGUSR1 ? on_kick : handler;
        must(sys4(__NR_rt_sigaction, handled[i], &sa, 0, 8));
    }
    must(sys4(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8));
}

static void hello_send(int32_t fd, uint32_t pid, uint8_t want)
{
    struct stub_hello hello = {pid, want};
    struct iovec_raw iov = {&hello, sizeof(hello)};
    struct fds_message fds = {
        sizeof(fds), SOL_SOCKET, SCM_RIGHTS, {STUB_FD_Q, STUB_FD_R, STUB_FD_X, fd}};
    struct msghdr_raw msg = {0, 0, 0, &iov, 1, &fds, sizeof(fds), 0, 0};

    must(sys4(__NR_sendmsg, STUB_FD_SOCK, &msg, 0, 0));
}

static _Noreturn void stub_main(long zygote, uint8_t want)
{
    unsigned long by = want == STUB_WANT_ASIDE ? STUB_ASIDE_BY : 0;
    long pid, fd;

    must(sys4(__NR_prctl, PR_SET_PDEATHSIG, 9, 0, 0));
    if (sys4(__NR_getppid, 0, 0, 0, 0) != zygote)
        die(4); /* it was dead before */
    shared_map(STUB_Q + by, PAGE_SIZE, 1, STUB_FD_Q);
    shared_map(STUB_R + by, PAGE_SIZE, 1, STUB_FD_R);
    shared_map(STUB_X + by, STUB_X_SIZE, 3, STUB_FD_X);
    stub_signals(want);
    sys4(__NR_arch_prctl, ARCH_SET_CPUID, 0, 0, 0); /* where the CPU can */
    pid = sys4(__NR_getpid, 0, 0, 0, 0);
    fd = sys4(__NR_pidfd_open, pid, 0, 0, 0);
    must(fd);
    hello_send((int32_t)fd, (uint32_t)pid, want);
    /* Some system calls pass seccomp on some kernels (uretprobe); this one stops them first. */
    sys6(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, (long)(STUB_CODE + by),
         STUB_CODE_SIZE, 0, 0);
    if (by)
        aside_stub_start();
    stub_start();
}

/* Slot for a new stub's number, or -1 while STUB_MAX are alive. A number that was reused by
 * another process counts as alive: that only lowers the limit. */
static int slot_find(int32_t *pids)
{
    for (int i = 0; i < STUB_MAX; i++)
        if (!pids[i] || sys4(__NR_kill, pids[i], 0, 0, 0) < 0)
            return i;
    return -1;
}

static void refuse(uint8_t want)
{
    struct stub_hello hello = {0, want};
    struct iovec_raw iov = {&hello, sizeof(hello)};
    struct msghdr_raw msg = {0, 0, 0, &iov, 1, 0, 0, 0, 0};

    must(sys4(__NR_sendmsg, STUB_FD_SOCK, &msg, 0, 0));
}

static void stub_make(int32_t *pids, uint8_t want)
{
    static const uint64_t first_run = 1; /* R says 0 */
    long self = sys4(__NR_getpid, 0, 0, 0, 0);
    int slot = slot_find(pids);
    long pid;

    if (slot < 0) {
        refuse(want);
        return;
    }
    shared_make(STUB_FD_R, PAGE_SIZE);
    shared_make(STUB_FD_Q, PAGE_SIZE);
    shared_make(STUB_FD_X, STUB_X_SIZE);
    if (sys4(__NR_pwrite64, STUB_FD_Q, &first_run, 8, Q_GO) != 8)
        die(3);
    pid = sys6(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
    if (!pid)
        stub_main(self, want);
    if (pid > 0)
        pids[slot] = (int32_t)pid;
    else
        refuse(want);
    sys4(__NR_close, STUB_FD_R, 0, 0, 0);
    sys4(__NR_close, STUB_FD_Q, 0, 0, 0);
    sys4(__NR_close, STUB_FD_X, 0, 0, 0);
}

_Noreturn void zygote_main(void)
{
    struct sigaction_raw ignore = {(void *)1, SA_RESTORER, restorer, 0};
    int32_t pids[STUB_MAX];
    uint8_t request;
    struct iovec_raw iov = {&request, 1};
    struct msghdr_raw msg = {0, 0, 0, &iov, 1, 0, 0, 0, 0};

    for (int i = 0; i < STUB_MAX; i++)
        pids[i] = 0;
    must(sys4(__NR_rt_sigaction, SIGCHLD, &ignore, 0, 8)); /* no zombies */
    policies_init();
    jail_init();
    for (;;) {
        if (sys4(__NR_recvmsg, STUB_FD_SOCK, &msg, 0, 0) <= 0)
            die(0); /* V is gone */
        stub_make(pids, request == STUB_WANT_ASIDE ? STUB_WANT_ASIDE : STUB_WANT_LOW);
    }
}
