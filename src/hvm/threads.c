/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * threads.c - see threads.h.
 */
#define _GNU_SOURCE
#include "hvm/threads.h"

#include <errno.h>
#include <string.h>

struct thread_request {
    pid_t thread;
    bool place; /* on these CPUs; else what it used is wanted */
    cpu_set_t cpus;
};

int threads_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct thread_request r;
    struct proc_usage usage;
    int rc;

    if (request->size != sizeof(r) || request->nr_fds != 1)
        return -EINVAL;
    memcpy(&r, request->data, sizeof(r));
    if (r.thread <= 0 || !launcher_started(request->fds[0]) ||
        !proc_has_thread(proc_pid(request->fds[0]), r.thread))
        return -ESRCH;
    if (r.place)
        return sched_setaffinity(r.thread, sizeof(r.cpus), &r.cpus) < 0 ? -errno : 0;
    rc = proc_usage(r.thread, &usage);
    if (rc < 0)
        return rc;
    launcher_answer(reply, &usage, sizeof(usage));
    return 0;
}

static int ask(int pidfd, const struct thread_request *r, struct launcher_reply *reply)
{
    const struct launcher_request request = {
        .data = r, .size = sizeof(*r), .fds = &pidfd, .nr_fds = 1};

    return launcher_ask(threads_service, &request, reply);
}

int threads_usage(int pidfd, pid_t thread, struct proc_usage *ret)
{
    const struct thread_request r = {.thread = thread};
    struct launcher_reply reply;
    int rc = ask(pidfd, &r, &reply);

    if (rc == 0 && reply.size != sizeof(*ret))
        rc = -EPROTO;
    if (rc == 0)
        memcpy(ret, reply.data, sizeof(*ret));
    return rc;
}

int threads_place(int pidfd, pid_t thread, const cpu_set_t *cpus)
{
    const struct thread_request r = {.thread = thread, .place = true, .cpus = *cpus};
    struct launcher_reply reply;

    return ask(pidfd, &r, &reply);
}
