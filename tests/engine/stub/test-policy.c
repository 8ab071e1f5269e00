/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-policy.c - the seccomp programs of stub, zygote and vCPU process. Each is run by
 * a small interpreter over every system call number and over hand-made arguments, and compared
 * with the answer written down here; then the real kernel sweeps V's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/soft/stub/policy.h"
#include "engine/soft/vcpu/jail_policy.h"

#define KILL SECCOMP_RET_KILL_PROCESS
#define TRAP SECCOMP_RET_TRAP
#define ALLOW SECCOMP_RET_ALLOW
#define NR_CALLS 1024

static int tests, failures;

static void PRINTF_FMT(2, 3) ok(bool cond, const char *fmt, ...)
{
    va_list ap;

    printf("%s %d - ", cond ? "ok" : "not ok", ++tests);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    failures += !cond;
}

/* ---- interpreter ---- */

struct program {
    struct sock_filter insns[BPF_MAX_INSNS];
    size_t len;
};

/* Returns the action, or -1 where the kernel's checker would have refused the program. */
static int64_t run(const struct program *p, const struct seccomp_data *d)
{
    uint32_t a = 0, x = 0;

    for (size_t pc = 0; pc < p->len; pc++) {
        const struct sock_filter *f = &p->insns[pc];

        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (f->k % 4 || f->k + 4 > sizeof(*d))
                return -1;
            memcpy(&a, (const uint8_t *)d + f->k, 4);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= f->k;
            break;
        case BPF_ALU | BPF_ADD | BPF_X:
            a += x;
            break;
        case BPF_MISC | BPF_TAX:
            x = a;
            break;
        case BPF_JMP | BPF_JA:
            pc += f->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= f->k ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == f->k ? f->jt : f->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > f->k ? f->jt : f->jf;
            break;
        case BPF_RET | BPF_K:
            return f->k;
        default:
            return -1;
        }
    }
    return -1;
}

static int64_t ask(const struct program *p, uint32_t arch, uint32_t nr, const uint64_t *args,
                   uint64_t ip)
{
    struct seccomp_data d = {.nr = (int)nr, .arch = arch, .instruction_pointer = ip};

    memcpy(d.args, args, sizeof(d.args));
    return run(p, &d);
}

static void build(struct program *p, const struct bpf_rule *rules, size_t n, uint32_t action)
{
    p->len = bpf_build(p->insns, BPF_MAX_INSNS, rules, n, action);
}

/* ---- what is right ---- */

struct call {
    const char *what;
    uint32_t nr;
    uint64_t args[6];
    bool allowed;
    uint64_t gate; /* where the instruction is */
};

#define HIGH 0x100000000ull

#define GO (STUB_Q + Q_GO)
#define RAM STUB_FD_RAM
#define PROVE STUB_GATE_PROVE
#define WAIT STUB_GATE_WAIT
#define MAP STUB_GATE_MAP
#define UNMAP STUB_GATE_UNMAP

static const struct call stub_calls[] = {
    {"wake turn", SYS_futex, {STUB_X, FUTEX_WAKE, 1}, true, 0},
    {"wake R", SYS_futex, {STUB_R, FUTEX_WAKE, 1}, true, 0},
    {"wait for go", SYS_futex, {GO, FUTEX_WAIT, 7, 0}, true, WAIT},
    {"wait for go at another place", SYS_futex, {GO, FUTEX_WAIT, 7, 0}, false, PROVE},
    {"wait for go behind the place", SYS_futex, {GO, FUTEX_WAIT, 7, 0}, false, WAIT + 1},
    {"wait for go 4 GiB above", SYS_futex, {GO, FUTEX_WAIT, 7, 0}, false, HIGH + WAIT},
    {"wait with timeout", SYS_futex, {GO, FUTEX_WAIT, 7, 0x1000}, false, WAIT},
    {"wait with timeout, high", SYS_futex, {GO, FUTEX_WAIT, 7, HIGH}, false, WAIT},
    {"wait privately", SYS_futex, {GO, FUTEX_WAIT_PRIVATE, 7, 0}, false, WAIT},
    {"wait, op high", SYS_futex, {GO, HIGH | FUTEX_WAIT, 7, 0}, false, WAIT},
    {"wait elsewhere", SYS_futex, {STUB_Q + Q_ASK, FUTEX_WAIT, 7, 0}, false, WAIT},
    {"wait on an alias", SYS_futex, {HIGH + GO, FUTEX_WAIT, 7, 0}, false, WAIT},
    {"wait on turn", SYS_futex, {STUB_X, FUTEX_WAIT, 7, 0}, false, WAIT},
    {"wait on R", SYS_futex, {STUB_R, FUTEX_WAIT, 7, 0}, false, WAIT},
    {"wake go", SYS_futex, {GO, FUTEX_WAKE, 1}, false, WAIT},
    {"requeue turn", SYS_futex, {STUB_X, FUTEX_REQUEUE, 1}, false, WAIT},
    {"x32 futex", SYS_futex | 0x40000000, {STUB_X, FUTEX_WAKE, 1}, false, WAIT},
    {"sigreturn", SYS_rt_sigreturn, {0}, false, MAP},
    {"prove", SYS_pwrite64, {STUB_FD_R, GO, 8, 0}, true, PROVE},
    {"prove at another place", SYS_pwrite64, {STUB_FD_R, GO, 8, 0}, false, MAP},
    {"prove from a program", SYS_pwrite64, {STUB_FD_R, GO, 8, 0}, false, 0x400000},
    {"prove in RAM", SYS_pwrite64, {RAM, GO, 8, 0}, false, PROVE},
    {"prove 4", SYS_pwrite64, {STUB_FD_R, GO, 4, 0}, false, PROVE},
    {"prove at 8", SYS_pwrite64, {STUB_FD_R, GO, 8, 8}, false, PROVE},
    {"prove something else", SYS_pwrite64, {STUB_FD_R, STUB_X, 8, 0}, false, PROVE},
    {"map below", SYS_mmap, {0x1000, 4096, 7, 0x11, RAM, 0}, false, MAP},
    {"map up to", SYS_mmap, {0x1000, STUB_BASE - 0x1000, 7, 0x11, RAM, 0}, false, MAP},
    {"map above", SYS_mmap, {STUB_END, 4096, 3, 0x11, RAM, 0}, true, MAP},
    {"map high", SYS_mmap, {7 * HIGH, HIGH, 3, 0x11, RAM, 0}, true, MAP},
    {"map at another place", SYS_mmap, {0x400000, 4096, 7, 0x11, RAM, 0}, false, UNMAP},
    {"map from a program", SYS_mmap, {0x400000, 4096, 7, 0x11, RAM, 0}, false, 0x400000},
    {"map into the stub", SYS_mmap, {0x1000, STUB_BASE, 7, 0x11, RAM, 0}, false, MAP},
    {"map the stub", SYS_mmap, {STUB_BASE, 4096, 7, 0x11, RAM, 0}, false, MAP},
    {"map its end", SYS_mmap, {STUB_END - 4096, 4096, 7, 0x11, RAM, 0}, false, MAP},
    {"map over it", SYS_mmap, {0x1000, HIGH, 7, 0x11, RAM, 0}, false, MAP},
    {"map, sum wraps", SYS_mmap, {0x1000, 0xfffff000, 7, 0x11, RAM, 0}, false, MAP},
    {"map, prot 8", SYS_mmap, {0x400000, 4096, 8, 0x11, RAM, 0}, false, MAP},
    {"map, prot high", SYS_mmap, {0x400000, 4096, HIGH, 0x11, RAM, 0}, false, MAP},
    {"map anonymous", SYS_mmap, {0x400000, 4096, 7, 0x31, RAM, 0}, false, MAP},
    {"map private", SYS_mmap, {0x400000, 4096, 7, 0x12, RAM, 0}, false, MAP},
    {"map not fixed", SYS_mmap, {0x400000, 4096, 7, 0x01, RAM, 0}, false, MAP},
    {"map growing", SYS_mmap, {0x400000, 4096, 7, 0x111, RAM, 0}, false, MAP},
    {"map R", SYS_mmap, {0x400000, 4096, 7, 0x11, STUB_FD_R, 0}, false, MAP},
    {"map, fd high", SYS_mmap, {0x400000, 4096, 7, 0x11, HIGH | RAM, 0}, false, MAP},
    {"unmap below", SYS_munmap, {0, STUB_BASE}, false, UNMAP},
    {"unmap above", SYS_munmap, {STUB_END, STUB_USER_END - STUB_END}, true, UNMAP},
    {"unmap the stub", SYS_munmap, {STUB_BASE, 4096}, false, UNMAP},
    {"unmap over it", SYS_munmap, {0, STUB_BASE + 1}, false, UNMAP},
    {"unmap all", SYS_munmap, {0, STUB_USER_END}, false, UNMAP},
    {"unmap at another place", SYS_munmap, {0x400000, 4096}, false, MAP},
    {"counter traps", SYS_prctl, {PR_SET_TSC, PR_TSC_SIGSEGV}, true, STUB_GATE_TSC},
    {"counter at another place", SYS_prctl, {PR_SET_TSC, PR_TSC_ENABLE}, false, MAP},
    {"counter from a program", SYS_prctl, {PR_SET_TSC, PR_TSC_ENABLE}, false, 0x400000},
    {"counter, no such way", SYS_prctl, {PR_SET_TSC, 3}, false, STUB_GATE_TSC},
    {"another prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}, false, STUB_GATE_TSC},
    {"LDT entry", SYS_modify_ldt, {0x11, STUB_Q + Q_OPS + 8, 16}, true, STUB_GATE_LDT},
    {"LDT entry from a program", SYS_modify_ldt, {0x11, STUB_Q + Q_OPS + 8, 16}, false, 0x400000},
    {"LDT entry elsewhere", SYS_modify_ldt, {0x11, STUB_X, 16}, false, STUB_GATE_LDT},
    {"LDT entry behind Q", SYS_modify_ldt, {0x11, STUB_R - 15, 16}, false, STUB_GATE_LDT},
    {"LDT, the old way", SYS_modify_ldt, {1, STUB_Q + Q_OPS + 8, 16}, false, STUB_GATE_LDT},
    {"LDT, read", SYS_modify_ldt, {0, STUB_Q + Q_OPS + 8, 16}, false, STUB_GATE_LDT},
    {"die", SYS_exit_group, {1}, true, STUB_GATE_DIE},
    {"exit", SYS_exit_group, {1}, false, 0x400000},
    {"mprotect", SYS_mprotect, {STUB_Q, 4096, 7}, false, MAP},
    {"mremap", SYS_mremap, {0x1000, 4096, 4096, 3, 0x2000}, false, MAP},
};

/* With these, stubs that are aside have what low ones have at their own place. */
#define ASIDE_MAP (STUB_GATE_MAP + STUB_ASIDE_BY)
#define ASIDE_UNMAP (STUB_GATE_UNMAP + STUB_ASIDE_BY)
static const struct call aside_calls[] = {
    {"map where others are", SYS_mmap, {STUB_LOW, 4096, 7, 0x11, RAM, 0}, true, ASIDE_MAP},
    {"map at 4 MiB", SYS_mmap, {0x400000, STUB_GUARD_SIZE, 3, 0x11, RAM, 0}, true, ASIDE_MAP},
    {"map up to it", SYS_mmap, {STUB_GUARD, STUB_GUARD_SIZE, 3, 0x11, RAM, 0}, true, ASIDE_MAP},
    {"map more", SYS_mmap, {STUB_GUARD, STUB_GUARD_SIZE + 1, 3, 0x11, RAM, 0}, false, ASIDE_MAP},
    {"map later", SYS_mmap, {STUB_GUARD + 4096, 4096, 3, 0x11, RAM, 0}, false, ASIDE_MAP},
    {"map very much", SYS_mmap, {0x400000, HIGH | 4096, 3, 0x11, RAM, 0}, false, ASIDE_MAP},
    {"map 4 GiB above", SYS_mmap, {HIGH + STUB_LOW, 4096, 3, 0x11, RAM, 0}, true, ASIDE_MAP},
    {"map the first pages", SYS_mmap, {0, 4096, 3, 0x11, RAM, 0}, false, ASIDE_MAP},
    {"map privately", SYS_mmap, {0x400000, 4096, 3, 0x12, RAM, 0}, false, ASIDE_MAP},
    {"map from where others do", SYS_mmap, {0x400000, 4096, 3, 0x11, RAM, 0}, false, MAP},
    {"unmap at 4 MiB", SYS_munmap, {0x400000, STUB_GUARD_SIZE}, true, ASIDE_UNMAP},
    {"unmap more", SYS_munmap, {STUB_GUARD, STUB_GUARD_SIZE + 1}, false, ASIDE_UNMAP},
    {"unmap all below", SYS_munmap, {0, STUB_GUARD}, true, ASIDE_UNMAP},
    {"unmap it, too", SYS_munmap, {0, STUB_ASIDE + 1}, false, ASIDE_UNMAP},
    {"unmap from where others do", SYS_munmap, {0x400000, 4096}, false, UNMAP},
};

static const struct call vcpu_calls[] = {
    {"map", SYS_mmap, {0x1000, 4096, 7, 0x11, 3, 0}, true},
    {"map any descriptor", SYS_mmap, {0x1000, 4096, 3, 0x11, 77, 0}, true},
    {"map anonymous", SYS_mmap, {0x1000, 4096, 3, 0x22, ~0ull, 0}, false},
    {"map anonymous shared", SYS_mmap, {0x1000, 4096, 3, 0x31, ~0ull, 0}, false},
    {"map private", SYS_mmap, {0x1000, 4096, 3, 0x12, 3, 0}, false},
    {"map, flags high", SYS_mmap, {0x1000, 4096, 3, HIGH | 0x11, 3, 0}, false},
    {"unmap", SYS_munmap, {0x1000, 4096}, true},
    {"mprotect", SYS_mprotect, {0x1000, 4096, 5}, true},
    {"mprotect growsdown", SYS_mprotect, {0x1000, 4096, 0x01000003}, false},
    {"futex wait", SYS_futex, {0x1000, FUTEX_WAIT, 0}, true},
    {"futex wake", SYS_futex, {0x1000, FUTEX_WAKE, 1}, true},
    {"futex requeue", SYS_futex, {0x1000, FUTEX_CMP_REQUEUE, 0, 1, 0x2000, 7}, false},
    {"futex lock", SYS_futex, {0x1000, FUTEX_LOCK_PI, 0}, false},
    {"futex wake op", SYS_futex, {0x1000, FUTEX_WAKE_OP, 0}, false},
    {"futex realtime", SYS_futex, {0x1000, FUTEX_CLOCK_REALTIME, 0}, false},
    {"kick", SYS_pidfd_send_signal, {9, SIGUSR1, 0, 0}, true},
    {"kill", SYS_pidfd_send_signal, {9, SIGKILL, 0, 0}, true},
    {"alive", SYS_pidfd_send_signal, {9, 0, 0, 0}, true},
    {"stop", SYS_pidfd_send_signal, {9, SIGSTOP, 0, 0}, false},
    {"kick with info", SYS_pidfd_send_signal, {9, SIGUSR1, 0x1000, 0}, false},
    {"kick a group", SYS_pidfd_send_signal, {9, SIGUSR1, 0, 4}, false},
    {"kill by number", SYS_kill, {1, SIGKILL}, false},
    {"tgkill", SYS_tgkill, {1, 1, SIGUSR1}, false},
    {"pidfd_open", SYS_pidfd_open, {1, 0}, false},
    {"pidfd_getfd", SYS_pidfd_getfd, {3, 0, 0}, false},
    {"ask the zygote", SYS_sendto, {V_FD_ZYGOTE, 0x1000, 1, 0x4000, 0, 0}, true},
    {"send to an address", SYS_sendto, {V_FD_ZYGOTE, 0x1000, 1, 0, 0x2000, 16}, false},
    {"send elsewhere", SYS_sendto, {V_FD_ZYGOTE + 1, 0x1000, 1, 0, 0, 0}, false},
    {"hear the zygote", SYS_recvmsg, {V_FD_ZYGOTE, 0x1000, 0}, true},
    {"hear another", SYS_recvmsg, {V_FD_RUN, 0x1000, 0}, false},
    {"send descriptors", SYS_sendmsg, {V_FD_ZYGOTE, 0x1000, 0}, false},
    {"log", SYS_write, {V_FD_LOG, 0x1000, 10}, true},
    {"write memory", SYS_write, {V_FD_RAM, 0x1000, 10}, false},
    {"open", SYS_open, {0x1000, 0}, false},
    {"openat", SYS_openat, {0, 0x1000, 0}, false},
    {"execve", SYS_execve, {0x1000}, false},
    {"clone", SYS_clone, {0}, false},
    {"fork", SYS_fork, {0}, false},
    {"ptrace", SYS_ptrace, {16, 1}, false},
    {"process_vm_readv", SYS_process_vm_readv, {1}, false},
    {"socket", SYS_socket, {1, 1, 0}, false},
    {"truncate memory", SYS_ftruncate, {V_FD_RAM, 0}, false},
    {"punch memory", SYS_fallocate, {V_FD_RAM, 3, 0, 4096}, false},
    {"fcntl", SYS_fcntl, {V_FD_RAM, 1033, 1}, false},
    {"seccomp", SYS_seccomp, {1}, false},
    {"io_uring_setup", SYS_io_uring_setup, {8}, false},
    {"bpf", SYS_bpf, {0}, false},
    {"userfaultfd", SYS_userfaultfd, {0}, false},
    {"x32 mmap", SYS_mmap | 0x40000000, {0x1000, 4096, 3, 0x11, 3, 0}, false},
};

static void check_calls(const char *name, const struct program *p, const struct call *calls,
                        size_t n, uint32_t otherwise)
{
    for (size_t i = 0; i < n; i++) {
        int64_t want = calls[i].allowed ? ALLOW : otherwise;
        uint64_t ip = calls[i].gate + STUB_GATE_LEN;
        int64_t got = ask(p, AUDIT_ARCH_X86_64, calls[i].nr, calls[i].args, ip);

        ok(got == want, "%s: %s is %s", name, calls[i].what, want == ALLOW ? "allowed" : "not");
        ok(ask(p, AUDIT_ARCH_I386, calls[i].nr, calls[i].args, ip) == otherwise,
           "%s: %s is not, as a 32-bit call", name, calls[i].what);
    }
}

static uint64_t moved(uint64_t value)
{
    return value >= STUB_LOW && value <= STUB_END ? value + STUB_ASIDE_BY : value;
}

static void check_moved(const struct program *p)
{
    struct call calls[ARRAY_SIZE(stub_calls)];

    memcpy(calls, stub_calls, sizeof(calls));
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        calls[i].gate = moved(calls[i].gate);
        for (int j = 0; j < 6; j++)
            calls[i].args[j] = moved(calls[i].args[j]);
    }
    check_calls("stub aside", p, calls, ARRAY_SIZE(calls), TRAP);
}

static bool contains(const uint32_t *list, size_t n, uint32_t nr)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == nr)
            return true;
    return false;
}

/* Numbers with all arguments 0 and all ones: only those listed may pass. */
static void check_numbers(const char *name, const struct program *p, const uint32_t *list, size_t n,
                          uint32_t otherwise)
{
    static const uint64_t zeros[6] = {0};
    static const uint64_t ones[6] = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
    unsigned int wrong = 0;

    for (uint32_t nr = 0; nr < NR_CALLS; nr++) {
        int64_t a = ask(p, AUDIT_ARCH_X86_64, nr, zeros, 0);
        int64_t b = ask(p, AUDIT_ARCH_X86_64, nr, ones, ~0ull);
        bool allowed = a == ALLOW || b == ALLOW;

        if ((a != ALLOW && a != otherwise) || (b != ALLOW && b != otherwise) ||
            (allowed && !contains(list, n, nr))) {
            printf("# %s: number %u\n", name, nr);
            wrong++;
        }
    }
    ok(!wrong, "%s: no number passes that should not", name);
}

/* 32-bit calls: one only, with what V wrote. */
static void check_ia32(const char *name, const struct program *p)
{
    static const struct {
        uint64_t arg;
        bool allowed;
    } places[] = {{STUB_Q + Q_OPS, true}, {STUB_Q + Q_OPS + 8, true},    {STUB_R - 16, true},
                  {STUB_R - 15, false},   {STUB_Q + Q_OPS - 1, false},   {STUB_X, false},
                  {0x400000, false},      {HIGH + STUB_Q + Q_OPS, false}};
    uint64_t args[6] = {0};
    unsigned int wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        args[0] = places[i].arg;
        wrong += (ask(p, AUDIT_ARCH_I386, STUB_IA32_SET_THREAD_AREA, args, 0) == ALLOW) !=
                 places[i].allowed;
        wrong += ask(p, AUDIT_ARCH_X86_64, STUB_IA32_SET_THREAD_AREA, args, 0) != TRAP;
        wrong +=
            ask(p, 0xc0000028 /* another machine */, STUB_IA32_SET_THREAD_AREA, args, 0) != TRAP;
        for (uint32_t nr = 0; nr < NR_CALLS; nr++)
            wrong +=
                nr != STUB_IA32_SET_THREAD_AREA && ask(p, AUDIT_ARCH_I386, nr, args, 0) != TRAP;
    }
    ok(!wrong, "%s: of 32-bit calls only set_thread_area passes, on orders", name);
}

/* ---- the kernel itself ---- */

/* A child under the filter makes call nr with all arguments -1. Was it stopped by the filter? */
static bool kernel_stops(const struct program *p, int nr)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        struct sock_fprog prog = {(unsigned short)p->len, (struct sock_filter *)p->insns};
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
            __builtin_trap();
        syscall(nr, -1l, -1l, -1l, -1l, -1l, -1l);
        __builtin_trap();
    }
    for (int i = 0; i < 2000; i++) {
        pid_t r = waitpid(pid, &status, WNOHANG);

        if (r == pid)
            return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
        usleep(200);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return false;
}

static void check_kernel(const char *name, const struct program *p, const uint32_t *list, size_t n)
{
    unsigned int wrong = 0;

    for (int nr = 0; nr < 470; nr++) {
        if (nr == 335 || nr == 336) /* uretprobe, uprobe: exempt from seccomp on some kernels */
            continue;
        if (!kernel_stops(p, nr) && !contains(list, n, (uint32_t)nr)) {
            printf("# %s: the kernel lets %d pass\n", name, nr);
            wrong++;
        }
    }
    ok(!wrong, "%s: the kernel stops all others", name);
}

#define CHECK(name, p, calls, list, otherwise)                                                     \
    do {                                                                                           \
        check_calls(name, &(p), calls, ARRAY_SIZE(calls), otherwise);                              \
        check_numbers(name, &(p), list, ARRAY_SIZE(list), otherwise);                              \
    } while (0)

int main(void)
{
    /* Calls that pass with some silly arguments. */
    static const uint32_t none[] = {SYS_futex};
    static const uint32_t zygote[] = {
        SYS_clone,          SYS_memfd_create, SYS_ftruncate,    SYS_close,
        SYS_close_range,    SYS_munmap,       SYS_rt_sigaction, SYS_sigaltstack,
        SYS_rt_sigprocmask, SYS_prctl,        SYS_arch_prctl,   SYS_pidfd_open,
        SYS_getpid,         SYS_getppid,      SYS_seccomp,      SYS_futex,
        SYS_pwrite64,       SYS_exit_group,   SYS_kill,         SYS_sched_setaffinity};
    static const uint32_t vcpu[] = {SYS_futex,
                                    SYS_munmap,
                                    SYS_mprotect,
                                    SYS_rt_sigreturn,
                                    SYS_pidfd_send_signal,
                                    SYS_timer_settime,
                                    SYS_clock_gettime,
                                    SYS_sched_yield,
                                    SYS_getcpu,
                                    SYS_rt_sigprocmask,
                                    SYS_close,
                                    SYS_exit_group,
                                    SYS_restart_syscall};
    static struct program s, a, z, v;
    struct bpf_rule aside[POLICY_STUB_MAX];

    setvbuf(stdout, NULL, _IOLBF, 0);
    build(&s, policy_stub, ARRAY_SIZE(policy_stub), TRAP);
    build(&a, aside, policy_for_aside(aside), TRAP);
    build(&z, policy_zygote, ARRAY_SIZE(policy_zygote), TRAP);
    build(&v, jail_policy, ARRAY_SIZE(jail_policy), KILL);
    ok(s.len && a.len && z.len && v.len, "programs fit: %zu %zu %zu %zu instructions", s.len, a.len,
       z.len, v.len);
    CHECK("stub", s, stub_calls, none, TRAP);
    CHECK("stub aside", a, aside_calls, none, TRAP);
    check_moved(&a);
    CHECK("vcpu", v, vcpu_calls, vcpu, KILL);
    check_ia32("stub", &s);
    check_ia32("zygote", &z);
    check_numbers("zygote", &z, zygote, ARRAY_SIZE(zygote), TRAP);
    check_kernel("vcpu", &v, vcpu, ARRAY_SIZE(vcpu));
    printf("1..%d\n", tests);
    return failures != 0;
}
