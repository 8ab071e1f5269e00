/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpulist.h - sets of the host's CPUs as administrators write them: "0-3,5,^1", "all".
 */
#pragma once

#include <sched.h>

#include "base/types.h"

#define CPULIST_MAX 512 /* bytes of a set as text, more is cut off */

/* Numbers, ranges, and with ^ what is taken out again, in this order; "all" is every number.
 * 0, or -EINVAL: nonsense, or the set is empty. */
int cpulist_parse(const char *text, cpu_set_t *ret) MUST_CHECK;

/* CPUs of this host that the calling process may use. */
void cpulist_host(cpu_set_t *ret);

/* "0-3,5": what cpulist_parse() reads; "" for an empty set. */
void cpulist_format(const cpu_set_t *cpus, char buf[static CPULIST_MAX]);
/* The same as xm shows it, with the host's CPUs: "any cpu" when all are in the set, "no cpus" when
 * none is. */
void cpulist_describe(const cpu_set_t *cpus, const cpu_set_t *host, char buf[static CPULIST_MAX]);
