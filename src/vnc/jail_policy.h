/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail_policy.h - what xenolith-vnc may ask of the host's kernel once it listens and before it
 * looks at a viewer. Each line is a right that a viewer gains with a bug in libvncserver. What is
 * missing gets EPERM: the library is to go on without.
 *
 * Left out on purpose: files, sockets but those that are accepted, processes, threads, signals,
 * memory that can be executed.
 */
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/bpf.h"

#define JAIL_READ_WRITE (PROT_READ | PROT_WRITE)

static const struct bpf_rule vnc_jail_policy[] = {
    {"wait for viewers and the domain process", SYS_poll, {{0}}},
    {"same, in the library", SYS_select, {{0}}},
    {"same", SYS_pselect6, {{0}}},
    {"viewers", SYS_read, {{0}}},
    {"same; the log", SYS_write, {{0}}},
    {"messages of the domain process; is it a WebSocket?", SYS_recvfrom, {{0}}},
    {"messages to the domain process", SYS_sendto, {{0}}},
    {"a viewer comes", SYS_accept4, {{0}}},
    {"small packets at once",
     SYS_setsockopt,
     {BPF_ARG_EQ(1, IPPROTO_TCP), BPF_ARG_EQ(2, TCP_NODELAY)}},
    {"who is it? for the log", SYS_getpeername, {{0}}},
    {"do not wait for it", SYS_fcntl, {{0}}},
    {"it goes", SYS_shutdown, {{0}}},
    {"same", SYS_close, {{0}}},
    {"time", SYS_clock_gettime, {{0}}},
    {"same, where the host's vDSO has none", SYS_gettimeofday, {{0}}},
    {"challenges for passwords", SYS_getrandom, {{0}}},
    {"memory", SYS_mmap, {BPF_ARG_LE(2, JAIL_READ_WRITE)}},
    {"same", SYS_munmap, {{0}}},
    {"same", SYS_mremap, {{0}}},
    {"same", SYS_madvise, {{0}}},
    {"same", SYS_brk, {{0}}},
    {"locks of the C library", SYS_futex, {{0}}},
    {"a signal came while a call slept", SYS_restart_syscall, {{0}}},
    {"the end", SYS_exit_group, {{0}}},
};
