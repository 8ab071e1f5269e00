/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * passt.h - the network that needs no privilege: passt, a process that translates between a
 * guest's frames and ordinary sockets of the host.
 */
#pragma once

#include "backend/net/link.h"
#include "backend/net/vif_config.h"

/* Start passt for an interface and wait until it is ready. It ends by itself when the link is
 * destroyed, or this process ends. On a host that has no route the guest's network ends at the
 * host. 0, or -errno with passt's own words where it refuses (a port that is taken). */
int passt_start(struct net_link **ret, const struct vif_config *config, struct err *err) MUST_CHECK;

/* launcher_fn (base/launcher.h): becomes passt. */
void passt_exec(const int *fds, unsigned int nr_fds);
