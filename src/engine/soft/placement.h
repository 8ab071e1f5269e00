/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * placement.h - where the processes of a vCPU run, and how long they have: V, the maker of its
 * stubs and the stubs. The launcher (base/launcher.h) looks and acts for a domain process in its
 * jail, on what it has started itself.
 */
#pragma once

#include <sched.h>

#include "base/launcher.h"

/* Have them run on these CPUs of the host. 0 or -errno. */
int placement_set(int vcpu_pidfd, int zygote_pidfd, const cpu_set_t *cpus);
/* CPU time used so far, ns, and the CPU where V was last, -1: it is not there. */
uint64_t placement_time(int vcpu_pidfd, int zygote_pidfd, int *ret_cpu);

launcher_service placement_set_service, placement_time_service;
