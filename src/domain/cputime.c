/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cputime.c - see cputime.h. Only the own descendants are looked at: this is asked often, by
 * everybody who lists domains, on hosts with thousands of processes.
 */
#include "domain/cputime.h"

#include <string.h>

#include "base/launcher.h"
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

int cputime_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    const uint64_t ns = tree_ns(launcher_owner(), 0);

    launcher_answer(reply, &ns, sizeof(ns));
    return 0;
}

uint64_t cputime_ns(void)
{
    const struct launcher_request request = {0};
    struct launcher_reply reply;
    uint64_t ns = 0;

    if (launcher_ask(cputime_service, &request, &reply) == 0)
        memcpy(&ns, reply.data, sizeof(ns));
    return ns;
}
