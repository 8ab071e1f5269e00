/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * m2p_layout.h - what is where in the memfd of the machine-to-phys table: the table itself,
 * then, on a page of its own, the bitmap of the RAM frames that are the guest's. Freestanding:
 * the domain process writes the file, vCPU processes map it.
 */
#pragma once

#include "base/types.h"

/* Where the copy of the bitmap starts in the m2p memfd: behind the table, page-aligned. */
static inline uint64_t ram_bitmap_offset(uint64_t nr_frames)
{
    return (nr_frames * sizeof(uint64_t) + PAGE_SIZE - 1) & PAGE_MASK;
}
