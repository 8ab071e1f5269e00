/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * identity.c - see identity.h. A process in a user namespace of its own sees all users but its
 * own as one, so the launcher, which stays outside, says who a peer is.
 */
#define _GNU_SOURCE
#include "base/identity.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/launcher.h"
#include "base/proc.h"

/* Users that nobody has, behind those of containers: one for each number of a process, so that who
 * has taken over one cannot reach into another. */
#define FIRST_USER 0x70000000u
#define NOBODY 65534u       /* where a user namespace has no such number */
#define EMPTY_PLACE "/proc" /* any directory that every host has */
#define NAMESPACES (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWNS)

/* Fixed before the launcher is made. */
static pid_t number; /* of our own user, 0: none but now */
static uid_t owner = (uid_t)-1;

static bool is_other, is_isolated; /* what came of it */

void identity_choose(void)
{
    owner = geteuid();
    number = owner == 0 ? getpid() : 0;
}

/* System calls: the C library's functions want to tell other threads. */
static bool become(uid_t id)
{
    return syscall(SYS_setresgid, id, id, id) == 0 && syscall(SYS_setresuid, id, id, id) == 0;
}

bool identity_leave_root(pid_t process, gid_t group)
{
    return syscall(SYS_setgroups, group ? 1 : 0, &group) == 0 &&
           (become(FIRST_USER + (uid_t)process) || become(NOBODY));
}

/* The root directory is an empty one; where the host does not let us, it stays. */
static bool leave_files(void)
{
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", EMPTY_PLACE, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 "size=4k,nr_inodes=1") == 0 &&
           chroot(EMPTY_PLACE) == 0 && chdir("/") == 0;
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};

    (void)syscall(SYS_capset, &head, none);
}

bool identity_take(enum identity_depth depth)
{
    const pid_t parent = getppid();
    int death = 0;

    (void)prctl(PR_GET_PDEATHSIG, &death);
    if (number && depth >= IDENTITY_SPACES)
        is_isolated = unshare(NAMESPACES) == 0;
    if (is_isolated && depth >= IDENTITY_ALONE)
        is_isolated = leave_files();
    is_other = number && identity_leave_root(number, 0);
    if (!is_other && depth >= IDENTITY_SPACES && !is_isolated) {
        is_isolated = unshare(NAMESPACES | CLONE_NEWUSER) == 0;
        if (is_isolated && depth >= IDENTITY_ALONE)
            is_isolated = leave_files();
    }
    if (owner == 0 || is_isolated)
        drop_capabilities();
    /* A process that becomes another user's forgets this. */
    return !death || (prctl(PR_SET_PDEATHSIG, death) == 0 && getppid() == parent);
}

const char *identity_text(void)
{
    static char text[96];

    if (is_other)
        snprintf(text, sizeof(text), "user %u", (unsigned int)geteuid());
    else
        snprintf(text, sizeof(text), "the user who started it");
    strncat(text, is_isolated ? ", alone in its namespaces" : ", in the host's namespaces",
            sizeof(text) - strlen(text) - 1);
    return text;
}

int identity_peer_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    struct ucred cred = {.uid = (uid_t)-1};
    socklen_t len = sizeof(cred);

    if (request->nr_fds != 1)
        return -EINVAL;
    if (getsockopt(request->fds[0], SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -errno;
    launcher_answer(reply, &cred.uid, sizeof(cred.uid));
    return 0;
}

int identity_user_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    uid_t uid;
    pid_t pid;
    int rc;

    if (request->size != sizeof(pid))
        return -EINVAL;
    memcpy(&pid, request->data, sizeof(pid));
    rc = proc_user(pid, &uid);
    if (rc < 0)
        return rc;
    launcher_answer(reply, &uid, sizeof(uid));
    return 0;
}

uid_t identity_user(pid_t pid, uid_t seen)
{
    const struct launcher_request request = {&pid, sizeof(pid), NULL, 0};
    struct launcher_reply reply;

    if (is_other || !is_isolated || launcher_ask(identity_user_service, &request, &reply) < 0)
        return seen;
    memcpy(&seen, reply.data, sizeof(seen));
    return seen;
}

int identity_peer(int fd, uid_t *ret_uid)
{
    struct launcher_reply reply;
    int rc =
        launcher_ask(identity_peer_service, &(struct launcher_request){NULL, 0, &fd, 1}, &reply);

    if (rc < 0)
        return rc;
    memcpy(ret_uid, reply.data, sizeof(*ret_uid));
    return *ret_uid == 0 || *ret_uid == (owner == (uid_t)-1 ? geteuid() : owner) ? 0 : -EPERM;
}
