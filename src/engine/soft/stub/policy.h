/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * policy.h - what the zygote Z and a stub S may ask of the host kernel. A table each, with the
 * reason. Everything else traps in S, whose program means its own kernel; Z's table traps too,
 * because S inherits it and the stricter action wins: Z has no handler, so that for Z itself a
 * trap is the end as well.
 */
#pragma once

#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#include "base/bpf.h"
#include "engine/soft/stub/stub_layout.h"

#define POLICY_MAP (MAP_SHARED | MAP_FIXED)

/* The 64-bit call of that name is not there. */
#define __NR_ia32_set_thread_area (BPF_IA32 | STUB_IA32_SET_THREAD_AREA)
#define POLICY_TLS(by)                                                                             \
    BPF_ARG_GE(0, STUB_Q + Q_OPS + (by)), BPF_ARG_LE(0, STUB_R - STUB_USER_DESC_SIZE + (by))

#define POLICY_AT(gate) BPF_ARG_EQ(BPF_IP, (gate) + STUB_GATE_LEN)

static const struct bpf_rule policy_stub[] = {
    {"tell a sleeping V that we stopped",
     __NR_futex,
     {BPF_ARG_EQ(0, STUB_X + X_TURN), BPF_ARG_EQ(1, FUTEX_WAKE)}},
    {"prove to V that we wait, by a store that only the host kernel can make",
     __NR_pwrite64,
     {POLICY_AT(STUB_GATE_PROVE), BPF_ARG_EQ(0, STUB_FD_R), BPF_ARG_EQ(1, STUB_Q + Q_GO),
      BPF_ARG_EQ(2, 8), BPF_ARG_EQ(3, 0)}},
    {"wait until V says go; without timeout",
     __NR_futex,
     {POLICY_AT(STUB_GATE_WAIT), BPF_ARG_EQ(0, STUB_Q + Q_GO), BPF_ARG_EQ(1, FUTEX_WAIT),
      BPF_ARG_EQ(3, 0)}},
    {"the guest's memory above the stub, never private; what comes behind the gate checks it",
     __NR_mmap,
     {POLICY_AT(STUB_GATE_MAP), BPF_ARG_EQ(3, POLICY_MAP), BPF_ARG_EQ(4, STUB_FD_RAM),
      BPF_ARG_LE(2, 7), BPF_ARG_GE(0, STUB_END)}},
    {"and out again", __NR_munmap, {POLICY_AT(STUB_GATE_UNMAP), BPF_ARG_GE(0, STUB_END)}},
    {"the end of a program that did what is not to be done",
     __NR_exit_group,
     {POLICY_AT(STUB_GATE_DIE)}},
    {"run beside V, not in its place",
     __NR_sched_setaffinity,
     {BPF_ARG_EQ(0, 0), BPF_ARG_EQ(1, Q_CPUS_SIZE), BPF_ARG_EQ(2, STUB_Q + Q_CPUS)}},
    {"a thread-local segment, as V describes it", __NR_ia32_set_thread_area, {POLICY_TLS(0)}},
    {"an entry of its LDT, as V describes it; what comes behind the gate checks it",
     __NR_modify_ldt,
     {POLICY_AT(STUB_GATE_LDT), BPF_ARG_EQ(0, STUB_LDT_WRITE), BPF_ARG_GE(1, STUB_Q + Q_OPS),
      BPF_ARG_LE(1, STUB_R - STUB_USER_DESC_SIZE), BPF_ARG_EQ(2, STUB_USER_DESC_SIZE)}},
    {"whether rdtsc traps; what comes behind the gate checks it",
     __NR_prctl,
     {POLICY_AT(STUB_GATE_TSC), BPF_ARG_EQ(0, PR_SET_TSC), BPF_ARG_LE(1, PR_TSC_SIGSEGV)}},
    {"tell a sleeping V that it is proven",
     __NR_futex,
     {BPF_ARG_EQ(0, STUB_R), BPF_ARG_EQ(1, FUTEX_WAKE)}},
};

/* And beside these, for stubs that are aside: below the guard, from where nothing reaches them. */
#define POLICY_AT_ASIDE(gate) POLICY_AT((gate) + STUB_ASIDE_BY)
static const struct bpf_rule policy_stub_aside[] = {
    {"below a stub that is aside",
     __NR_mmap,
     {POLICY_AT_ASIDE(STUB_GATE_MAP), BPF_ARG_EQ(3, POLICY_MAP), BPF_ARG_EQ(4, STUB_FD_RAM),
      BPF_ARG_LE(2, 7), BPF_ARG_GE(0, STUB_LOW), BPF_ARG_LE(0, STUB_GUARD),
      BPF_ARG_LE(1, STUB_GUARD_SIZE)}},
    {"and out again",
     __NR_munmap,
     {POLICY_AT_ASIDE(STUB_GATE_UNMAP), BPF_ARG_LE(0, STUB_GUARD), BPF_ARG_LE(1, STUB_GUARD_SIZE)}},
    {"all of it",
     __NR_munmap,
     {POLICY_AT_ASIDE(STUB_GATE_UNMAP), BPF_ARG_EQ(0, 0), BPF_ARG_LE(1, STUB_GUARD)}},
};

/* The rules of such a stub: those that name an address in a low one name it in this one, and these.
 * Returns their number. */
#define POLICY_STUB_MAX (ARRAY_SIZE(policy_stub) + ARRAY_SIZE(policy_stub_aside))
static inline size_t policy_for_aside(struct bpf_rule ret[POLICY_STUB_MAX])
{
    size_t n = ARRAY_SIZE(policy_stub);

    for (size_t i = 0; i < n; i++) {
        ret[i] = policy_stub[i];
        for (size_t j = 0; j < BPF_MAX_CONDS; j++)
            if (ret[i].conds[j].value >= STUB_LOW && ret[i].conds[j].value <= STUB_END)
                ret[i].conds[j].value += STUB_ASIDE_BY;
    }
    for (size_t i = 0; i < ARRAY_SIZE(policy_stub_aside); i++)
        ret[n++] = policy_stub_aside[i];
    return n;
}

/* In force from before the first request; children inherit it and put their own on top. */
static const struct bpf_rule policy_zygote[] = {
    {"requests from V", __NR_recvmsg, {BPF_ARG_EQ(0, STUB_FD_SOCK)}},
    {"a new stub's descriptors to V", __NR_sendmsg, {BPF_ARG_EQ(0, STUB_FD_SOCK)}},
    {"stub processes", __NR_clone, {{0}}},
    {"number of stubs still alive", __NR_kill, {BPF_ARG_EQ(1, 0)}},
    {"pages Q, R, X", __NR_memfd_create, {{0}}},
    {"their size", __NR_ftruncate, {{0}}},
    {"seal them", __NR_fcntl, {BPF_ARG_EQ(1, 1033 /* F_ADD_SEALS */)}},
    {"close them", __NR_close, {{0}}},
    {"stub: close all", __NR_close_range, {{0}}},
    {"stub: shared mappings at given places only", __NR_mmap, {BPF_ARG_EQ(3, POLICY_MAP)}},
    {"stub: drop what is left of the zygote; guest memory", __NR_munmap, {{0}}},
    {"stub: handlers", __NR_rt_sigaction, {{0}}},
    {"stub: signal stack", __NR_sigaltstack, {{0}}},
    {"stub: no signal is blocked", __NR_rt_sigprocmask, {{0}}},
    {"stub: die with the zygote, system call user dispatch", __NR_prctl, {{0}}},
    {"stub: CPUID faulting", __NR_arch_prctl, {{0}}},
    {"stub: descriptor of itself for V", __NR_pidfd_open, {{0}}},
    {"zygote and stub: their own numbers", __NR_getpid, {{0}}},
    {"stub: is the zygote alive?", __NR_getppid, {{0}}},
    {"stub: its filter", __NR_seccomp, {{0}}},
    {"stub: hand-over", __NR_futex, {{0}}},
    {"stub: where to run", __NR_sched_setaffinity, {BPF_ARG_EQ(0, 0)}},
    {"stub: thread-local segments", __NR_ia32_set_thread_area, {POLICY_TLS(0)}},
    {"same, aside", __NR_ia32_set_thread_area, {POLICY_TLS(STUB_ASIDE_BY)}},
    {"stub: its LDT", __NR_modify_ldt, {BPF_ARG_EQ(0, STUB_LDT_WRITE)}},
    {"number of the first run; stub: proof", __NR_pwrite64, {{0}}},
    {"end", __NR_exit_group, {{0}}},
};
