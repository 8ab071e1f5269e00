/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * succession.h - rename-restart: a domain has ended, given up its name and uuid and is preserved;
 * another one is started in its place. One that ends again and again soon after its start waits
 * longer each time, and after some times it is left at that.
 */
#pragma once

#include "xend/xend.h"

/* Start the successor of this domain, unless that was done before (by this xend or another: its
 * record says so). What goes wrong is logged, and tried again by the next xend. */
void succession_begin(struct xend *x, domid_t domid);

/* Leave those that wait to the next xend. */
void succession_drop_all(struct xend *x);
