/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fdpass.h - descriptors over a unix stream socket, one with each byte.
 */
#pragma once

#include "base/types.h"

bool fdpass_send(int sock, int fd);
/* A new descriptor, close-on-exec; -1: none came, or the other side is gone. */
int fdpass_receive(int sock);
