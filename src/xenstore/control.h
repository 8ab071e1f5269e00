/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control.h - CONTROL requests: words for the daemon itself, from domain 0 only.
 */
#pragma once

#include "xenstore/conn.h"

/* args[0] is the command. Queues the answer if it returns 0. */
int control_handle(struct conn *c, char *const *args, unsigned int count);
