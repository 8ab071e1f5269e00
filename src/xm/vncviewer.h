/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vncviewer.h - start a viewer program on a domain's display.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

/* Start one in the background; it outlives us. 0 or -errno: the domain has no display, or this host
 * no viewer. */
int vncviewer_start(domid_t domid, struct err *err) MUST_CHECK;
