/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * network.h - the network-script of xend-config.sxp, which prepares the host.
 */
#pragma once

#include "base/err.h"

/* Run it with `start`, unless that has been done since the host (its run directory) was started.
 * Nothing if there is none. 0 or -errno with the script's own words. */
int network_start(struct err *err) MUST_CHECK;
/* Run it with `stop`, if it was started. */
int network_stop(struct err *err) MUST_CHECK;
