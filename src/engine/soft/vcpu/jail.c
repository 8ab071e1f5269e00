/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.c - see jail.h and jail_policy.h.
 */
#include "engine/soft/vcpu/jail.h"

#include <linux/prctl.h>

#include "engine/soft/vcpu/jail_policy.h"
#include "engine/soft/vcpu/rt.h"

#define SIGKILL 9

int jail_enter(void)
{
    static struct sock_filter insns[BPF_MAX_INSNS];
    struct sock_fprog prog = {0, insns};
    long r;

    prog.len = (unsigned short)bpf_build(insns, BPF_MAX_INSNS, jail_policy, ARRAY_SIZE(jail_policy),
                                         SECCOMP_RET_KILL_PROCESS);
    if (!prog.len)
        return -22;
    r = sys_call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    if (!r)
        r = sys_call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0);
    if (!r)
        r = sys_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
    if (!r)
        r = sys_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog, 0);
    return (int)r;
}
