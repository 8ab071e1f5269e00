/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * server.h - xend.sock: one JSON object a line, request and answer
 * (docs/internals/xend.md). Only this process's user and root are served.
 */
#pragma once

#include "xend/xend.h"

/* Serve the listening socket (taken). 0 or -errno. */
int server_create(struct server **ret, struct xend *x, int listen_fd, struct err *err) MUST_CHECK;
void server_destroy(struct server *s); /* NULL is fine */
/* Nobody is connected. */
bool server_is_idle(const struct server *s);
