/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fdpass.h - descriptors over unix stream sockets, one beside the first byte of a message.
 */
#pragma once

#include "base/types.h"

/* Send `len` bytes, and `fd` with them if it is not negative. `flags` as for sendmsg(), SIGPIPE
 * never comes. false: not all of it went (errno). */
bool fdpass_send(int sock, const void *bytes, size_t len, int fd, int flags);
/* Take one byte and what it brings: a new descriptor, close-on-exec. -1: none came, or the other
 * side is gone. */
int fdpass_receive(int sock);
