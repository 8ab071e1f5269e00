/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * shared_info.h - the page that hypervisor and guest share (ABI section 4.4).
 */
#pragma once

#include "domain/domain.h"

/* All zero, event delivery masked for every vCPU, wallclock set. Before the domain runs. */
void shared_info_init(struct domain *d);
/* Write UTC of system time 0 (plus the domain's offset) under the seqlock. Again when the
 * host's clock was stepped. */
void shared_info_set_wallclock(struct domain *d);
