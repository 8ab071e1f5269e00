/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * listen.h - the sockets on which viewers come.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define LISTEN_MAX 4 /* addresses of a name */
#define VNC_BASE_PORT 5900

/* All addresses of `name` ("" = all of the host) on port 5900 + display; `unused`: if that is
 * taken, on the next one that is free. fds: the sockets, *count of them. The port or -errno. */
int listen_open(int fds[static LISTEN_MAX], unsigned int *count, const char *name,
                unsigned int display, bool unused, struct err *err) MUST_CHECK;
