/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_socket.h - the console as a unix stream socket: who connects is a client, without a
 * word of protocol (`socat - UNIX-CONNECT:PATH`). For the domain process's user and root.
 *
 * Bound before the domain process goes to jail. Internal to the console.
 */
#pragma once

#include "backend/console.h"
#include "backend/console_out.h"

struct console_socket;

/* Clients are given to `out`, which must outlive the socket. 0 or -errno. */
int console_socket_create(struct console_socket **ret, const struct console_config *config,
                          struct console_out *out, struct err *err) MUST_CHECK;
/* Also removes the file. NULL is fine; main thread. */
void console_socket_destroy(struct console_socket *s);
