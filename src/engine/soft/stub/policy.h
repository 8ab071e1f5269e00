/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * policy.h - what the zygote Z, a stub S and a mapper M may ask of the host kernel. A table
 * each, with the reason. Everything else kills M, and traps in S, whose program means its own
 * kernel; Z's table traps too, because S inherits it and the stricter action wins: Z has no
 * handler, so that for Z itself a trap is the end as well.
 */
#pragma once

#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/mman.h>

#include "engine/soft/bpf.h"
#include "engine/soft/stub/stub_layout.h"

#define POLICY_MAP (MAP_SHARED | MAP_FIXED)

static const struct bpf_rule policy_stub[] = {
    {"wait until V says go; without timeout, only there, so that a wait proves a stop",
     __NR_futex,
     {BPF_ARG_EQ(0, STUB_Q + Q_GO), BPF_ARG_EQ(1, FUTEX_WAIT), BPF_ARG_EQ(3, 0)}},
    {"tell a sleeping V that we stopped",
     __NR_futex,
     {BPF_ARG_EQ(0, STUB_X + X_TURN), BPF_ARG_EQ(1, FUTEX_WAKE)}},
};

static const struct bpf_rule policy_mapper[] = {
    {"the guest's memory into the stub's address space, nothing else, never private",
     __NR_mmap,
     {BPF_ARG_EQ(3, POLICY_MAP), BPF_ARG_EQ(4, STUB_FD_RAM), BPF_ARG_LE(2, 7)}},
    {"and out again", __NR_munmap, {{0}}},
    {"acknowledge a batch",
     __NR_pwrite64,
     {BPF_ARG_EQ(0, STUB_FD_R), BPF_ARG_EQ(1, STUB_Q + Q_SEQ), BPF_ARG_EQ(2, 4), BPF_ARG_EQ(3, 0)}},
    {"say that it failed",
     __NR_pwrite64,
     {BPF_ARG_EQ(0, STUB_FD_R), BPF_ARG_EQ(1, STUB_Q + Q_ERR), BPF_ARG_EQ(2, 4), BPF_ARG_EQ(3, 0)}},
    {"wait for a batch", __NR_futex, {BPF_ARG_EQ(0, STUB_Q + Q_SEQ), BPF_ARG_EQ(1, FUTEX_WAIT)}},
    {"wake the stub, for V", __NR_futex, {BPF_ARG_EQ(0, STUB_Q + Q_GO), BPF_ARG_EQ(1, FUTEX_WAKE)}},
    {"wake V from its wait on R", __NR_futex, {BPF_ARG_EQ(0, STUB_R), BPF_ARG_EQ(1, FUTEX_WAKE)}},
};

/* In force from before the first request; children inherit it and put their own on top. */
static const struct bpf_rule policy_zygote[] = {
    {"requests from V", __NR_recvmsg, {BPF_ARG_EQ(0, STUB_FD_SOCK)}},
    {"a new stub's descriptors to V", __NR_sendmsg, {BPF_ARG_EQ(0, STUB_FD_SOCK)}},
    {"stub and mapper processes", __NR_clone, {{0}}},
    {"number of stubs still alive", __NR_kill, {BPF_ARG_EQ(1, 0)}},
    {"pages Q, R, X", __NR_memfd_create, {{0}}},
    {"their size", __NR_ftruncate, {{0}}},
    {"seal them", __NR_fcntl, {BPF_ARG_EQ(1, 1033 /* F_ADD_SEALS */)}},
    {"close them", __NR_close, {{0}}},
    {"stub: close all", __NR_close_range, {{0}}},
    {"stub and mapper: shared mappings at given places only",
     __NR_mmap,
     {BPF_ARG_EQ(3, POLICY_MAP)}},
    {"stub: drop what is left of the zygote; mapper", __NR_munmap, {{0}}},
    {"stub: handlers", __NR_rt_sigaction, {{0}}},
    {"stub: signal stack", __NR_sigaltstack, {{0}}},
    {"stub: no signal is blocked; mapper: all are", __NR_rt_sigprocmask, {{0}}},
    {"stub: die with the zygote, system call user dispatch", __NR_prctl, {{0}}},
    {"stub: CPUID faulting", __NR_arch_prctl, {{0}}},
    {"stub: descriptor of itself for V", __NR_pidfd_open, {{0}}},
    {"zygote and stub: their own numbers", __NR_getpid, {{0}}},
    {"stub and mapper: is the zygote alive?", __NR_getppid, {{0}}},
    {"stub and mapper: their filters", __NR_seccomp, {{0}}},
    {"stub and mapper: hand-over", __NR_futex, {{0}}},
    {"mapper: acknowledgement", __NR_pwrite64, {{0}}},
    {"end", __NR_exit_group, {{0}}},
};
