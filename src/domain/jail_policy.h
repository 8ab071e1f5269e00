/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail_policy.h - what the domain process D may ask of the host's kernel once it has what it
 * was started with, and before it looks at the guest's kernel image. Each line is a right that
 * a guest gains with a bug in D; docs/security.md says what they add up to. A call that is
 * missing ends the domain, and its log names the number.
 *
 * Left out on purpose: execve, new processes, and all calls that take a path (base/launcher.h
 * opens and starts what was agreed on before), ptrace and process_vm_*, kill and tgkill, memory
 * that can be executed, sockets, everything that changes an identity, a namespace or a mount.
 */
#pragma once

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/prctl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/bpf.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* from Linux 6.5 on */
#endif

#define JAIL_READ_WRITE (PROT_READ | PROT_WRITE)
/* How the C library makes a thread. */
#define JAIL_THREAD                                                                                \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static const struct bpf_rule domain_jail_policy[] = {
    /* What a running guest uses all the time. */
    {"hand-over to vCPU processes; locks", SYS_futex, {{0}}},
    {"kick or end a vCPU process: only own children have a pidfd here",
     SYS_pidfd_send_signal,
     {{0}}},
    {"main loop", SYS_epoll_wait, {{0}}},
    {"same", SYS_epoll_pwait, {{0}}},
    {"watches", SYS_epoll_ctl, {{0}}},
    {"sockets, pipes, event counters, files", SYS_read, {{0}}},
    {"same; the log", SYS_write, {{0}}},
    {"frames of the network", SYS_readv, {{0}}},
    {"same", SYS_writev, {{0}}},
    {"disks", SYS_preadv, {{0}}},
    {"same", SYS_pwritev, {{0}}},
    {"disks, what is in the page cache", SYS_preadv2, {{0}}},
    {"same: is it?", SYS_cachestat, {{0}}},
    {"kernel, disks", SYS_pread64, {{0}}},
    {"guest memory and its frame table, at the start", SYS_pwrite64, {{0}}},
    {"FLUSH of a disk", SYS_fdatasync, {{0}}},
    {"same", SYS_fsync, {{0}}},
    {"DISCARD of a disk; ballooned memory", SYS_fallocate, {{0}}},
    {"disks; adds what the ring's operations can: see docs/security.md", SYS_io_uring_enter, {{0}}},
    {"time", SYS_clock_gettime, {{0}}},
    {"same, where the host's vDSO has none", SYS_gettimeofday, {{0}}},
    {"same", SYS_time, {{0}}},
    {"waiting", SYS_clock_nanosleep, {{0}}},
    {"is the process alive?", SYS_poll, {{0}}},
    {"same", SYS_ppoll, {{0}}},
    {"same", SYS_sched_yield, {{0}}},

    /* Control connections, consoles, xenstored, the launcher. */
    {"connections", SYS_accept4, {{0}}},
    {"same", SYS_recvfrom, {{0}}},
    {"same", SYS_sendto, {{0}}},
    {"descriptors from the launcher", SYS_recvmsg, {{0}}},
    {"descriptors to the launcher and the vCPU processes", SYS_sendmsg, {{0}}},
    {"end of a connection", SYS_shutdown, {{0}}},
    {"who is it?", SYS_getsockopt, {BPF_ARG_EQ(1, SOL_SOCKET)}},
    {"vCPU process and its stub maker, passt", SYS_socketpair, {BPF_ARG_EQ(0, AF_UNIX)}},
    {"wake-ups", SYS_eventfd2, {{0}}},
    {"xenstored's client", SYS_epoll_create1, {{0}}},
    /* Not F_SETOWN and F_SETSIG: signals to any process of the user. */
    {"flags of descriptors", SYS_fcntl, {BPF_ARG_EQ(1, F_GETFL)}},
    {"same", SYS_fcntl, {BPF_ARG_EQ(1, F_SETFL)}},
    {"same", SYS_fcntl, {BPF_ARG_EQ(1, F_GETFD)}},
    {"same", SYS_fcntl, {BPF_ARG_EQ(1, F_SETFD)}},
    {"a console's terminal, once more", SYS_fcntl, {BPF_ARG_EQ(1, F_DUPFD_CLOEXEC)}},
    {"locks of disks", SYS_fcntl, {BPF_ARG_EQ(1, F_OFD_SETLK)}},
    {"same: who has it?", SYS_fcntl, {BPF_ARG_EQ(1, F_OFD_GETLK)}},
    {"shared memory of a fixed size", SYS_fcntl, {BPF_ARG_EQ(1, F_ADD_SEALS)}},
    {"descriptors that are done with", SYS_close, {{0}}},
    {"ends of what the launcher started", SYS_waitid, {{0}}},

    /* Memory; nothing that can be executed. */
    {"memory", SYS_mmap, {BPF_ARG_LE(2, JAIL_READ_WRITE)}},
    {"same", SYS_mprotect, {BPF_ARG_LE(2, JAIL_READ_WRITE)}},
    {"same", SYS_munmap, {{0}}},
    {"same", SYS_mremap, {{0}}},
    {"same", SYS_madvise, {{0}}},
    {"same", SYS_brk, {{0}}},
    {"guest memory, exit pages, the programs of V and S", SYS_memfd_create, {{0}}},
    {"their size", SYS_ftruncate, {{0}}},

    /* Threads: vCPUs, disks. New processes are refused in jail.c. */
    {"threads; other flags are refused with an error, jail.c", SYS_clone, {{0}}},
    {"not there, says jail.c, so that the C library takes clone", SYS_clone3, {{0}}},
    {"a thread's start and end", SYS_set_robust_list, {{0}}},
    {"same", SYS_rseq, {{0}}},
    {"same", SYS_rt_sigprocmask, {{0}}},
    {"same", SYS_rt_sigaction, {{0}}},
    {"same", SYS_exit, {{0}}},
    {"its stack", SYS_prlimit64, {BPF_ARG_EQ(2, 0)}},
    {"its name", SYS_prctl, {BPF_ARG_EQ(0, PR_SET_NAME)}},
    {"how much memory is there? asks the C library to sort a table", SYS_sysinfo, {{0}}},
    {"how many CPUs are there?", SYS_sched_getaffinity, {{0}}},

    /* Files that are open; base/hostfile.h opens others, those that were agreed on. */
    {"a file's size and kind", SYS_newfstatat, {BPF_ARG_EQ(3, AT_EMPTY_PATH)}},
    {"same", SYS_fstat, {{0}}},
    {"same", SYS_lseek, {{0}}},
    {"another name for a domain that steps aside", SYS_getrandom, {{0}}},
    {"is that file a terminal? asks the C library", SYS_ioctl, {BPF_ARG_EQ(1, TCGETS)}},
    {"the console's terminal: what its last reader left unread",
     SYS_ioctl,
     {BPF_ARG_EQ(1, TCFLSH)}},
    {"same", SYS_ioctl, {BPF_ARG_EQ(1, TIOCGPTPEER)}},
    {"a disk past the page cache: may it be?", SYS_statx, {BPF_ARG_EQ(2, AT_EMPTY_PATH)}},
    {"a disk: what is not to be in the page cache", SYS_fadvise64, {{0}}},
    {"a disk's geometry", SYS_ioctl, {BPF_ARG_EQ(1, BLKGETSIZE64)}},
    {"same", SYS_ioctl, {BPF_ARG_EQ(1, BLKSSZGET)}},
    {"same", SYS_ioctl, {BPF_ARG_EQ(1, BLKPBSZGET)}},
    {"same", SYS_ioctl, {BPF_ARG_EQ(1, BLKROGET)}},
    {"a tap device: what the guest can", SYS_ioctl, {BPF_ARG_EQ(1, TUNSETOFFLOAD)}},
    {"a disk's ring, when the guest connects", SYS_io_uring_setup, {{0}}},
    {"same, what it can do", SYS_io_uring_register, {{0}}},

    /* Itself. */
    {"who am I?", SYS_getpid, {{0}}},
    {"same", SYS_gettid, {{0}}},
    {"same", SYS_getuid, {{0}}},
    {"same", SYS_geteuid, {{0}}},
    {"return from a handler", SYS_rt_sigreturn, {{0}}},
    {"a signal came while a call slept", SYS_restart_syscall, {{0}}},
    {"the end", SYS_exit_group, {{0}}},
};
