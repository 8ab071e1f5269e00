/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xenstore_seed.h - what a domU finds in its store at the start (ABI section 12.3).
 */
#pragma once

#include "domain/domain.h"

/* Fill d->store. 0 or -ENOMEM. */
int xsmini_seed(struct domain *d);
