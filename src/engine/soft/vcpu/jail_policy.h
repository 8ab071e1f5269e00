/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail_policy.h - what a vCPU process V may ask of the host kernel. A hostile guest kernel can
 * make V ask for anything, so each line is a right that the guest has; everything else kills.
 *
 * Left out on purpose: anonymous and private memory (the footprint is fixed at the start),
 * kill and tgkill (any process of the same user), pidfd_open, clone, open, ptrace.
 */
#pragma once

#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/mman.h>

#include "base/bpf.h"
#include "engine/soft/layout.h"

#define JAIL_MAP (MAP_SHARED | MAP_FIXED)
#define JAIL_SIGUSR1 10
#define JAIL_SIGKILL 9

static const struct bpf_rule jail_policy[] = {
    {"hand-over to stubs and the domain process", __NR_futex, {BPF_ARG_EQ(1, FUTEX_WAIT)}},
    {"same", __NR_futex, {BPF_ARG_EQ(1, FUTEX_WAKE)}},
    {"guest memory into the vTLB; pages of new stubs",
     __NR_mmap,
     {BPF_ARG_EQ(3, JAIL_MAP), BPF_ARG_LE(2, 7)}},
    {"vTLB entries out", __NR_munmap, {{0}}},
    {"write protection of code, the code cache", __NR_mprotect, {BPF_ARG_LE(2, 7)}},
    {"return from fault, timer and kick handlers", __NR_rt_sigreturn, {{0}}},
    {"kick a stub or another vCPU of the guest; nobody else has a descriptor here",
     __NR_pidfd_send_signal,
     {BPF_ARG_EQ(1, JAIL_SIGUSR1), BPF_ARG_EQ(2, 0), BPF_ARG_EQ(3, 0)}},
    {"is it alive?",
     __NR_pidfd_send_signal,
     {BPF_ARG_EQ(1, 0), BPF_ARG_EQ(2, 0), BPF_ARG_EQ(3, 0)}},
    {"end a stub that does not obey",
     __NR_pidfd_send_signal,
     {BPF_ARG_EQ(1, JAIL_SIGKILL), BPF_ARG_EQ(2, 0), BPF_ARG_EQ(3, 0)}},
    {"the guest's timer", __NR_timer_settime, {{0}}},
    {"system time; CPU time that a kicked stub has used", __NR_clock_gettime, {{0}}},
    {"SCHEDOP_yield, a lock whose holder does not run", __NR_sched_yield, {{0}}},
    {"which CPU is this? Stubs are put on others", __NR_getcpu, {BPF_ARG_EQ(1, 0)}},
    {"the handlers' signals around a critical section", __NR_rt_sigprocmask, {{0}}},
    {"one more stub", __NR_sendto, {BPF_ARG_EQ(0, V_FD_ZYGOTE), BPF_ARG_EQ(4, 0)}},
    {"a new stub's pages and descriptors", __NR_recvmsg, {BPF_ARG_EQ(0, V_FD_ZYGOTE)}},
    {"its descriptors after mapping, or after its end", __NR_close, {{0}}},
    {"the domain's log", __NR_write, {BPF_ARG_EQ(0, V_FD_LOG)}},
    {"the end", __NR_exit_group, {{0}}},
    {"a signal came while a call with a timeout slept", __NR_restart_syscall, {{0}}},
};
