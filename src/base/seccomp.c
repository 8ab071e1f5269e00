/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * seccomp.c - see seccomp.h.
 */
#define _GNU_SOURCE
#include "base/seccomp.h"

#include <errno.h>
#include <sys/prctl.h>

int seccomp_enter(const struct bpf_rule *rules, size_t nr_rules, uint32_t otherwise)
{
    struct sock_filter insns[BPF_MAX_INSNS];
    struct sock_fprog prog = {.filter = insns};

    prog.len = (unsigned short)bpf_build(insns, BPF_MAX_INSNS, rules, nr_rules, otherwise);
    if (prog.len == 0)
        return -E2BIG;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0 ? -errno : 0;
}
