/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail_policy.h - what a program that reads a guest's disk may ask of the host's kernel. Each
 * line is a right of whoever makes a disk image that overruns GRUB's filesystem drivers. What is
 * missing gets an error. openat is answered by jail.c, not by the kernel.
 */
#pragma once

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/bpf.h"

static const struct bpf_rule bootloader_jail_policy[] = {
    {"the image", SYS_read, {{0}}},
    {"same", SYS_lseek, {{0}}},
    {"same", SYS_pread64, {{0}}},
    {"what it found; its words", SYS_write, {{0}}},
    {"files, all opened by jail.c", SYS_openat, {{0}}},
    {"end of a file", SYS_close, {{0}}},
    {"size of a file that is open", SYS_newfstatat, {BPF_ARG_EQ(3, AT_EMPTY_PATH)}},
    {"same", SYS_fstat, {{0}}},
    {"size of a block device", SYS_ioctl, {BPF_ARG_EQ(1, BLKGETSIZE64)}},
    {"size of its sectors", SYS_ioctl, {BPF_ARG_EQ(1, BLKSSZGET)}},
    {"entries of the empty root directory", SYS_getdents64, {{0}}},
    {"path of the image; jail.c says that it is no link", SYS_readlink, {{0}}},
    {"where am I?", SYS_getcwd, {{0}}},

    {"memory; libraries", SYS_mmap, {{0}}},
    {"same", SYS_mprotect, {{0}}},
    {"same", SYS_munmap, {{0}}},
    {"same", SYS_mremap, {{0}}},
    {"same", SYS_brk, {{0}}},

    {"how it begins; a second time gives no other rights", SYS_execve, {{0}}},
    {"start of the C library", SYS_arch_prctl, {{0}}},
    {"same", SYS_set_tid_address, {{0}}},
    {"same", SYS_set_robust_list, {{0}}},
    {"same", SYS_rseq, {{0}}},
    {"size of the stack, asks the C library", SYS_prlimit64, {BPF_ARG_EQ(2, 0)}},
    {"names and hashes in the C library", SYS_getrandom, {{0}}},
    {"its locks", SYS_futex, {{0}}},
    {"time", SYS_clock_gettime, {{0}}},
    {"the end", SYS_exit_group, {{0}}},
};
