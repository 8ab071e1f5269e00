/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_open.h - what a network interface is connected to on the host, opened: a tap device or a
 * passt. For who may open paths and start processes: a domain process that is not in its jail yet,
 * for the interfaces of its document, and the tools, for one that is plugged in later and of which
 * the domain process gets the descriptor.
 */
#pragma once

#include "backend/net/vif_config.h"
#include "base/err.h"

#define VIF_NAME_MAX 32

/* The tap device's name: what the configuration says, or vifDOMID.DEVID. */
void vif_tap_name(const struct vif_config *c, domid_t domid, char to[static VIF_NAME_MAX]);

/* Returns a descriptor for vif_create() (vif.h), the caller's, or -errno with a sentence. *local:
 * see passt_start(). */
int vif_open(const struct vif_config *c, domid_t domid, bool *local, struct err *err) MUST_CHECK;
