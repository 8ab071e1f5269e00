/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail_policy.h - what xenstored may ask of the host's kernel once it listens. Each line is a right
 * that a guest gains with a bug in the store. What is missing gets EPERM: one call that fails is
 * better than all domains without a store.
 *
 * Left out on purpose: opening files, sockets but those that are accepted, processes, threads,
 * signals, memory that can be executed.
 */
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/bpf.h"

static const struct bpf_rule xenstored_jail_policy[] = {
    {"wait for clients", SYS_epoll_wait, {{0}}},
    {"same, where the C library prefers it", SYS_epoll_pwait, {{0}}},
    {"what to wait for", SYS_epoll_ctl, {{0}}},
    {"the main loop, at the start", SYS_epoll_create1, {{0}}},
    {"requests", SYS_recvfrom, {{0}}},
    {"answers and events", SYS_sendto, {{0}}},
    {"a client comes", SYS_accept4, {{0}}},
    {"whose is it?", SYS_getsockopt, {BPF_ARG_EQ(1, SOL_SOCKET), BPF_ARG_EQ(2, SO_PEERCRED)}},
    {"is it ours?", SYS_geteuid, {{0}}},
    {"it goes", SYS_close, {{0}}},
    {"the log", SYS_write, {{0}}},
    {"time", SYS_clock_gettime, {{0}}},
    {"memory", SYS_mmap, {BPF_ARG_LE(2, PROT_READ | PROT_WRITE)}},
    {"same", SYS_munmap, {{0}}},
    {"same", SYS_mremap, {{0}}},
    {"same", SYS_madvise, {{0}}},
    {"same", SYS_brk, {{0}}},
    {"locks of the C library", SYS_futex, {{0}}},
    {"a signal came while a call slept", SYS_restart_syscall, {{0}}},
    {"the socket's name, at the end", SYS_unlinkat, {BPF_ARG_EQ(2, 0)}},
    {"the end", SYS_exit_group, {{0}}},
};
