/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * direct.c - see direct.h. The launcher may have more rights to the file than who asks: nothing is
 * opened for writing that came without that right.
 */
#define _GNU_SOURCE
#include "backend/block/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

int direct_service(const struct launcher_request *request, struct launcher_reply *reply)
{
    int flags = request->nr_fds == 1 ? fcntl(request->fds[0], F_GETFL) : -1;
    const int mode = flags & O_ACCMODE;
    struct stat st;
    char path[32];

    if (flags < 0 || (flags & O_PATH) || (mode != O_RDONLY && mode != O_RDWR))
        return -EINVAL;
    if (fstat(request->fds[0], &st) < 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
        return -EINVAL;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", request->fds[0]);
    reply->fd = open(path, mode | O_DIRECT | O_CLOEXEC);
    return reply->fd < 0 ? -errno : 0;
}

int direct_open(int fd)
{
    const struct launcher_request request = {.fds = &fd, .nr_fds = 1};
    struct launcher_reply reply;
    int rc = launcher_ask(direct_service, &request, &reply);

    return rc < 0 ? rc : reply.fd >= 0 ? reply.fd : -EPROTO;
}
