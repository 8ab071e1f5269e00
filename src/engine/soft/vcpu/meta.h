/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * meta.h - the vCPU blob's tables. All anonymous memory is mapped here, sparse, before the
 * jail closes; afterwards V cannot create any.
 */
#pragma once

#include "base/types.h"

/* Map zeroed, sparse, private memory at a fixed place; ends the process on failure. */
void meta_map(uint64_t addr, uint64_t size, bool exec);
/* Carve from the V_META region; never fails (a fixed, generous plan), never freed. */
void *meta_alloc(uint64_t size);
