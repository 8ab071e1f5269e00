/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * identity.h - whose a domain is, and who its processes are. Root's domains run as a user of their
 * own each, who owns nothing on the host. All others keep their user, and lose what they see of
 * the host where it lets them.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/types.h"

/* Root becomes a user who owns nothing: its own by that number of a process, or nobody; in one
 * group, 0 = none. One thread; async-signal-safe. False: it stays root, for a user namespace has
 * nobody else. */
bool identity_leave_root(pid_t process, gid_t group) MUST_CHECK;

/* Before the launcher is made (base/launcher.h): choose who this process and its children will be.
 * Nothing changes yet. */
void identity_choose(void);

enum identity_depth {
    IDENTITY_USER,   /* only the user */
    IDENTITY_SPACES, /* empty namespaces of networks, IPC and mounts, too */
    IDENTITY_ALONE,  /* and an empty root directory */
};

/* Become who was chosen, as far as the host lets us: seccomp and descriptors are what a jail is
 * made of, this is behind it. For ever; what is open stays open, and who has root's capabilities
 * loses them. By a process of one thread, before it has looked at anything hostile.
 * Async-signal-safe. False: who started us has gone meanwhile. */
bool identity_take(enum identity_depth depth) MUST_CHECK;
/* What came of it, for the log: static text. */
const char *identity_text(void);

/* Who is at the other end of this socket? 0 and *ret_uid, or -errno; -EPERM: neither the domain's
 * owner nor root. */
int identity_peer(int fd, uid_t *ret_uid) MUST_CHECK;

/* Whose is a process, if it is there still? `seen`: what the kernel says of it, which in a user
 * namespace of our own is the same of all. */
uid_t identity_user(pid_t pid, uid_t seen);

/* launcher_service: the user at a socket's other end, in the host's numbers. */
struct launcher_request;
struct launcher_reply;
int identity_peer_service(const struct launcher_request *request, struct launcher_reply *reply);
/* The same of a process. */
int identity_user_service(const struct launcher_request *request, struct launcher_reply *reply);
