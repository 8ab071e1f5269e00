/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start.h - have a xenstored: the one that runs for this run directory, or a new one.
 */
#pragma once

#include "xenstore/client.h"

/* Connect to it; start one on demand if there is none. As long as the connection is open, it
 * does not end for idleness. 0 or -errno. */
int xs_connect_or_start(struct xs_client **ret, struct err *err) MUST_CHECK;
