/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * proc.h - what /proc tells of other processes: whose they are, what they used, where they run.
 */
#pragma once

#include <sys/types.h>

#include "base/types.h"

struct proc_usage {
    uint64_t ns;        /* CPU time that it used */
    uint64_t reaped_ns; /* and that of children that it has waited for */
    int cpu;            /* of the host, that it was on last */
    int nice;
};

/* The number of the process behind a pidfd; -1: it has ended. */
pid_t proc_pid(int pidfd);
/* Its children: up to `max` numbers. Returns how many there are, which may be more. */
unsigned int proc_children(pid_t pid, pid_t *ret, unsigned int max);
/* Is `thread` one of the process's threads? */
bool proc_has_thread(pid_t pid, pid_t thread);
/* Its real user. 0 or -errno. */
int proc_user(pid_t pid, uid_t *ret);
/* When it began, in ticks since the host did: with the number it names one process for good. 0: it
 * has gone. */
uint64_t proc_start_time(pid_t pid);
/* Of a process or a thread. 0 or -errno. */
int proc_usage(pid_t pid, struct proc_usage *ret) MUST_CHECK;
