/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * shares.c - see shares.h. Processes inherit both group and nice value from who makes them: D's
 * launcher makes all of a domain's processes but the stubs, which their makers make.
 *
 * Linux may group processes by session before it looks at nice values (autogroup): a domain is a
 * session, so the session's own value is set, too.
 */
#define _GNU_SOURCE
#include "domain/shares.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/launcher.h"
#include "base/log.h"
#include "base/proc.h"

#define MAX_CHILDREN 256
#define MAX_DEPTH 4
#define ROUNDS 2 /* somebody may have been made during the first */

/* For every process of the domain; the first error ends it, but who has gone. */
static int for_tree(pid_t pid, unsigned int depth, int (*fn)(pid_t, const struct shares *),
                    const struct shares *s)
{
    pid_t children[MAX_CHILDREN];
    unsigned int n = depth < MAX_DEPTH ? proc_children(pid, children, MAX_CHILDREN) : 0;
    int rc = fn(pid, s);

    if (rc == -ESRCH && depth > 0)
        rc = 0;
    for (unsigned int i = 0; i < n && i < MAX_CHILDREN && rc == 0; i++)
        rc = for_tree(children[i], depth + 1, fn, s);
    return rc;
}

static int for_all(int (*fn)(pid_t, const struct shares *), const struct shares *s)
{
    int rc = 0;

    for (unsigned int i = 0; i < ROUNDS && rc == 0; i++)
        rc = for_tree(launcher_owner(), 0, fn, s);
    return rc;
}

static int join_group(pid_t pid, const struct shares *s)
{
    return cgroup_add(&s->group, pid);
}

/* All threads of a process. */
static int renice(pid_t pid, const struct shares *s)
{
    char path[64];
    const struct dirent *de;
    int rc = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    if (!dir)
        return -ESRCH;
    while (rc == 0 && (de = readdir(dir)))
        if (isdigit((unsigned char)de->d_name[0]) &&
            setpriority(PRIO_PROCESS, (id_t)strtoul(de->d_name, NULL, 10), s->first + s->nice) <
                0 &&
            errno != ESRCH)
            rc = -errno;
    closedir(dir);
    return rc;
}

static void set_autogroup(int nice)
{
    CLEANUP_CLOSE int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", nice);

    if (fd >= 0 && write(fd, text, (size_t)n) != n)
        log_msg(LOG_DEBUG, "domain", "autogroup: %s", strerror(errno));
}

int shares_nice(unsigned int weight)
{
    unsigned int heavy = SHARES_WEIGHT * 1024, light = heavy;
    int nice = 0;

    /* One step is a quarter more or less; half a step is where it is nearer to the next. */
    while (nice > -20 && weight * 1024 > heavy + heavy / 8) {
        heavy += heavy / 4;
        nice--;
    }
    while (nice < 19 && nice >= 0 && weight * 1024 < light - light / 10) {
        light -= light / 5;
        nice++;
    }
    return nice;
}

static int set_by_group(struct shares *s, const char *name, unsigned int weight, unsigned int cap,
                        struct err *err)
{
    char own[PATHS_MAX];
    bool is_new = !s->group.path[0];
    int rc = 0;

    if (is_new) {
        cgroup_own(own);
        rc = cgroup_make(&s->group, CGROUP_MOUNT, own, name, err);
        if (rc < 0)
            return rc;
    }
    rc = cgroup_set(&s->group, weight, cap);
    if (rc == 0 && is_new)
        rc = for_all(join_group, s);
    if (rc < 0 && is_new)
        s->group.path[0] = '\0';
    return rc < 0 ? err_set(err, -rc, "the control group cannot be used: %s", strerror(-rc)) : 0;
}

static int set_by_nice(struct shares *s, unsigned int weight, unsigned int cap,
                       const struct err *why, struct err *err)
{
    int before = s->nice, rc;

    if (cap)
        return err_set(err, ENOTSUP, "a cap needs a control group: %.300s", why->msg);
    s->nice = shares_nice(weight);
    rc = for_all(renice, s);
    if (rc == 0) {
        set_autogroup(s->nice);
        return 0;
    }
    rc =
        err_set(err, -rc, "nice value %d cannot be set (%s), and there is no control group: %.300s",
                s->nice, strerror(-rc), why->msg);
    s->nice = before;
    return rc;
}

int shares_set(struct shares *s, const char *name, unsigned int weight, unsigned int cap,
               struct err *err)
{
    struct proc_usage usage;
    struct err why = {0};
    int rc;

    if (!s->weight) {
        s->weight = SHARES_WEIGHT;
        s->first = proc_usage(launcher_owner(), &usage) == 0 ? usage.nice : 0;
    }
    if (weight == s->weight && cap == s->cap)
        return 0;
    rc = set_by_group(s, name, weight, cap, &why);
    if (rc < 0)
        rc = set_by_nice(s, weight, cap, &why, err);
    if (rc < 0)
        return rc;
    s->weight = weight;
    s->cap = cap;
    return 0;
}

struct shares_request {
    domid_t domid;
    unsigned int weight, cap;
};

int shares_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    static struct shares shares; /* what is, in the launcher */
    struct shares_request r;
    struct err err = {0};
    char name[32];
    int rc;

    if (request->size != sizeof(r))
        return -EINVAL;
    memcpy(&r, request->data, sizeof(r));
    snprintf(name, sizeof(name), "%u-%d", r.domid, (int)launcher_owner());
    rc = shares_set(&shares, name, r.weight, r.cap, &err);
    if (rc < 0) {
        launcher_answer(reply, err.msg, strlen(err.msg) + 1);
    } else {
        launcher_answer(reply, &shares, sizeof(shares));
    }
    return rc;
}

int shares_ask(struct shares *s, domid_t domid, unsigned int weight, unsigned int cap,
               struct err *err)
{
    const struct shares_request r = {domid, weight, cap};
    struct launcher_reply reply;
    int rc =
        launcher_ask(shares_service, &(struct launcher_request){&r, sizeof(r), NULL, 0}, &reply);

    if (rc == 0)
        memcpy(s, reply.data, sizeof(*s));
    else if (rc < 0)
        return err_set(err, -rc, "%.*s", (int)reply.size,
                       reply.size ? reply.data : "the launcher does not answer");
    return rc;
}

const char *shares_how(const struct shares *s, char *buf, size_t size)
{
    if (s->group.path[0])
        snprintf(buf, size, "control group %s", s->group.path);
    else if (s->weight)
        snprintf(buf, size, "nice value %d", s->first + s->nice);
    else
        buf[0] = '\0';
    return buf;
}
