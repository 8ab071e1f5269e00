/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * placement.c - see placement.h. Stubs are children of their maker: those that are just being made
 * follow it.
 */
#define _GNU_SOURCE
#include "engine/soft/placement.h"

#include <errno.h>
#include <string.h>

#include "base/proc.h"

#define MAX_STUBS 128 /* of a vCPU: more than its maker makes */

enum { FD_VCPU, FD_ZYGOTE, NR_FDS };

struct times {
    uint64_t ns;
    int cpu;
};

/* Only what the launcher has started is looked at. */
static bool are_ours(const struct launcher_request *request)
{
    return request->nr_fds == NR_FDS && launcher_started(request->fds[FD_VCPU]) &&
           launcher_started(request->fds[FD_ZYGOTE]);
}

int placement_set_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    pid_t v, maker, stubs[MAX_STUBS];
    unsigned int n;
    cpu_set_t cpus;

    if (request->size != sizeof(cpus) || !are_ours(request))
        return -ESRCH;
    memcpy(&cpus, request->data, sizeof(cpus));
    v = proc_pid(request->fds[FD_VCPU]);
    maker = proc_pid(request->fds[FD_ZYGOTE]);
    if (v < 0 || maker < 0)
        return -ESRCH;
    if (sched_setaffinity(v, sizeof(cpus), &cpus) < 0 ||
        sched_setaffinity(maker, sizeof(cpus), &cpus) < 0)
        return -errno;
    n = proc_children(maker, stubs, MAX_STUBS);
    for (unsigned int i = 0; i < n && i < MAX_STUBS; i++)
        if (sched_setaffinity(stubs[i], sizeof(cpus), &cpus) < 0 && errno != ESRCH)
            return -errno;
    return 0;
}

int placement_set(int vcpu_pidfd, int zygote_pidfd, const cpu_set_t *cpus)
{
    const int fds[NR_FDS] = {vcpu_pidfd, zygote_pidfd};
    struct launcher_reply reply;

    return launcher_ask(placement_set_service,
                        &(struct launcher_request){cpus, sizeof(*cpus), fds, NR_FDS}, &reply);
}

int placement_time_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct proc_usage usage = {.cpu = -1}, more;
    pid_t stubs[MAX_STUBS];
    struct times times;
    unsigned int n;

    if (!are_ours(request))
        return -ESRCH;
    n = proc_children(proc_pid(request->fds[FD_ZYGOTE]), stubs, MAX_STUBS);
    if (proc_usage(proc_pid(request->fds[FD_VCPU]), &usage) < 0)
        usage = (struct proc_usage){.cpu = -1};
    for (unsigned int i = 0; i < n && i < MAX_STUBS; i++)
        if (proc_usage(stubs[i], &more) == 0)
            usage.ns += more.ns;
    memset(&times, 0, sizeof(times));
    times.ns = usage.ns;
    times.cpu = usage.cpu;
    launcher_answer(reply, &times, sizeof(times));
    return 0;
}

uint64_t placement_time(int vcpu_pidfd, int zygote_pidfd, int *ret_cpu)
{
    const int fds[NR_FDS] = {vcpu_pidfd, zygote_pidfd};
    struct times times = {.cpu = -1};
    struct launcher_reply reply;

    if (launcher_ask(placement_time_service, &(struct launcher_request){NULL, 0, fds, NR_FDS},
                     &reply) == 0)
        memcpy(&times, reply.data, sizeof(times));
    *ret_cpu = times.cpu;
    return times.ns;
}
