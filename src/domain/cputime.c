/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cputime.c - see cputime.h. Only the own descendants are looked at: this is asked often, by
 * everybody who lists domains, on hosts with thousands of processes.
 */
#include "domain/cputime.h"

#include <unistd.h>

#include "base/proc.h"

#define MAX_CHILDREN 256 /* of one process; stubs are at most 64 */
#define MAX_DEPTH 4      /* launcher, maker of stubs, stub */

static uint64_t tree_ns(pid_t pid, unsigned int depth)
{
    pid_t children[MAX_CHILDREN];
    struct proc_usage usage;
    unsigned int n;
    uint64_t ns;

    if (proc_usage(pid, &usage) < 0)
        return 0;
    ns = usage.ns + usage.reaped_ns;
    n = depth < MAX_DEPTH ? proc_children(pid, children, MAX_CHILDREN) : 0;
    for (unsigned int i = 0; i < n && i < MAX_CHILDREN; i++)
        ns += tree_ns(children[i], depth + 1);
    return ns;
}

uint64_t cputime_ns(void)
{
    return tree_ns(getpid(), 0);
}
