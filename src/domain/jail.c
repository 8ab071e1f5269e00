/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.c - see jail.h. Two filters, of which the stricter answer counts: the policy's table
 * allows or traps; the second turns into errors what callers can live without.
 */
#define _GNU_SOURCE
#include "domain/jail.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/identity.h"
#include "base/launcher.h"
#include "base/log.h"
#include "base/sanitizer.h"
#include "domain/jail_policy.h"

#define EXIT_JAIL 3
#define MAX_INSNS 1024

static size_t build_policy(struct sock_filter *insns, size_t max)
{
    return bpf_build(insns, max, domain_jail_policy, ARRAY_SIZE(domain_jail_policy),
                     SECCOMP_RET_TRAP);
}

static size_t build_refusals(struct sock_filter *insns, size_t max)
{
    static const struct bpf_rule thread = {"a thread", SYS_clone, {BPF_ARG_EQ(0, JAIL_THREAD)}};
    struct bpf_prog p = {insns, max, 0};

    bpf_emit(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offsetof(struct seccomp_data, nr));
    bpf_rule_emit(&p, &thread);
    bpf_emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_clone);
    bpf_emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
    bpf_emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_clone3);
    bpf_emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
    bpf_emit(&p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    return p.len <= p.max ? p.len : 0;
}

/* One write, as the process cannot go on; snprintf of numbers takes no lock. */
static void on_refused(int sig, siginfo_t *si, void *context)
{
    char line[128];
    int n = snprintf(line, sizeof(line),
                     "error domain: the jail refused system call %d, made at %p: the end\n",
                     si->si_syscall, si->si_call_addr);

    if (n > 0 && write(log_fd(), line, (size_t)n) < 0)
        _exit(EXIT_JAIL);
    _exit(EXIT_JAIL);
}

static int install(size_t (*build)(struct sock_filter *, size_t))
{
    static struct sock_filter insns[MAX_INSNS];
    struct sock_fprog prog = {.len = (unsigned short)build(insns, MAX_INSNS), .filter = insns};
    long r;

    if (!prog.len)
        return -E2BIG;
    r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
    /* A positive number names a thread that has a filter of its own. */
    return r < 0 ? -errno : r > 0 ? -ESRCH : 0;
}

bool jail_is_empty(void)
{
    return HAS_SANITIZER;
}

int jail_enter(struct err *err)
{
    struct sigaction sa = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};
    int rc;

    launcher_seal();
    if (jail_is_empty()) {
        log_msg(LOG_WARN, "domain", "built with a sanitizer: no jail");
        return 0;
    }
    if (!identity_take(IDENTITY_ALONE))
        return err_set(err, ESRCH, "who started the domain has gone");
    log_msg(LOG_INFO, "domain", "runs as %s", identity_text());
    if (sigaction(SIGSYS, &sa, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, errno, "cannot give up privileges: %s", strerror(errno));
    /* The policy last: it knows no seccomp(). */
    rc = install(build_refusals);
    if (rc == 0)
        rc = install(build_policy);
    return rc < 0 ? err_set(err, -rc, "cannot enter the seccomp jail: %s", strerror(-rc)) : 0;
}
