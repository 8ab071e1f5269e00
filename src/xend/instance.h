/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * instance.h - one xend for a run directory: xend.lock (locked as long as it lives, holds its
 * pid and when that process began) and xend.sock.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

/* Become the instance's xend. The locked descriptor; -EBUSY if there is one already. */
int instance_claim(struct err *err) MUST_CHECK;
/* The listening socket: the one that systemd passed, or a new one. With the lock. */
int instance_listen(struct err *err) MUST_CHECK;
/* Before the lock goes. */
void instance_remove_socket(void);

/* Its pid, 0 if none runs; or -errno. */
int instance_pid(struct err *err) MUST_CHECK;
/* Send it a signal: never another process that has its number by now. Its pid; 0 if none runs; or
 * -errno. */
int instance_signal(int number, struct err *err) MUST_CHECK;
