/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * zygote.h - the domain process's end of a zygote: the process that makes stubs for one vCPU
 * process. The zygote lives until it is killed, or until V's end of the socket is closed, and
 * its stubs die with it.
 */
#pragma once

#include "base/err.h"
#include "engine/ram.h"

struct zygote {
    bool running;
    int pidfd;
};

/* Start a zygote for one vCPU process. *ret_v_socket: V's end (V_FD_ZYGOTE), close-on-exec,
 * the caller's to pass on and close. Started by the launcher if there is one, else killed when
 * the calling *thread* ends.
 * 0 or -errno; -ENOTSUP if this host lacks something that stubs need. */
int zygote_start(struct zygote *z, const struct ram *ram, int *ret_v_socket, struct err *err);

/* launcher_fn: becomes a zygote. Descriptors: guest memory, its end of the socket. */
void zygote_exec(const int *fds, unsigned int nr_fds);

/* Kill it, stubs included; does not wait. Zeroed struct is fine. */
void zygote_kill(struct zygote *z);
/* Kill and reap; z is zeroed. Zeroed struct is fine. */
void zygote_done(struct zygote *z);
