/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * message.h - sendmsg and recvmsg between the zygote and its vCPU process, both without a C
 * library: the structures of the system call, and the one control message, which carries a new
 * stub's descriptors.
 */
#pragma once

#include "engine/soft/stub/stub_layout.h"

#define SOL_SOCKET 1
#define SCM_RIGHTS 1

/* The kernel's struct iovec, msghdr, and cmsghdr with our descriptors. */
struct iovec_raw {
    void *base;
    size_t len;
};

struct msghdr_raw {
    void *name;
    uint32_t namelen, pad0;
    struct iovec_raw *iov;
    size_t iovlen;
    void *control;
    size_t controllen;
    uint32_t flags, pad1;
};

struct fds_message {
    size_t len;
    uint32_t level, type;
    int32_t fds[STUB_HELLO_FDS];
};
