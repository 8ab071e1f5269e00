/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * threads.h - the device model's threads, of which each CPU of a machine is one: what they used,
 * where they run. They are another user's, so the launcher does it, and believes of a request
 * only that the thread is one of the process that the descriptor stands for, after it has looked,
 * if that is a process that it has started.
 */
#pragma once

#include <sched.h>
#include <sys/types.h>

#include "base/launcher.h"
#include "base/proc.h"

/* 0 or -errno; -ESRCH: `thread` is not one of the process behind pidfd (borrowed), or that is none
 * of ours. Any thread. */
int threads_usage(int pidfd, pid_t thread, struct proc_usage *ret) MUST_CHECK;
/* -EINVAL: the host has none of these CPUs. */
int threads_place(int pidfd, pid_t thread, const cpu_set_t *cpus) MUST_CHECK;

/* One of the launcher's services. */
launcher_service threads_service;
