/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * passt.h - the network that needs no privilege: passt, a process that translates between a
 * guest's frames and ordinary sockets of the host. It is started by a domain process that is not
 * in its jail yet, by tools for a domain that runs, and in the jail for those interfaces only that
 * were known before (passt_permit()).
 */
#pragma once

#include "backend/net/vif_config.h"
#include "base/err.h"

#define PASST_MAX_PERMITTED 16
/* What *local of passt_start() is about. */
#define PASST_LOCAL_SENTENCE                                                                       \
    "passt finds no route from this host to any network: the guest's network ends at this host"

/* Start passt for an interface and wait until it is ready. It ends by itself when our end of its
 * socket is closed. On a host that has no route the guest's network ends at the host: *local.
 * Returns our end, a connected stream socket for link_stream_create() or a device model (the
 * caller's); or -errno with passt's own words where it refuses (a port that is taken). */
int passt_start(const struct vif_config *config, bool *local, struct err *err) MUST_CHECK;

/* Before the launcher is made: passt may be started for this interface at any time, in the jail,
 * too. 0, or -E2BIG. */
int passt_permit(const struct vif_config *config, struct err *err) MUST_CHECK;

/* launcher_fn (base/launcher.h): becomes passt. Refuses (exit code 126) what is no valid request
 * (passt_request.h), and in the jail one for which there is no permission. */
void passt_exec(const int *fds, unsigned int nr_fds);
