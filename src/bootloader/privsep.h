/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * privsep.h - two processes where root runs pygrub: the work (menus, configs, the person at the
 * terminal) is done by one of user nobody, which gets what it needs open; ours stays, opens the
 * disk again when it is asked to, and does nothing else.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

/* The disk, opened again for reading. A new descriptor, or -1. */
int privsep_open_again(int fd);
/* The same, asked of the other process. */
int privsep_ask(int broker);

/* Run `work` and return what it returns, its exit status. `broker` is -1 when it is run here,
 * because there is no root whose rights are to be given up. */
int privsep_run(int (*work)(void *arg, int broker), void *arg, int disk_fd, struct err *err);
