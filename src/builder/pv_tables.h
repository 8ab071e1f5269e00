/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_tables.h - the first page tables of a PV domain: the kernel mapping and, where the kernel
 * asked for it, the mapping of the p2m list.
 */
#pragma once

#include "builder/pv_layout.h"
#include "engine/ram.h"

/* Write the tables of `layout` into ram, whose pages there must be zero. Cannot fail: layout
 * has counted the pages and the caller has checked that ram has them. */
void pv_tables_build(struct ram *ram, const struct pv_layout *layout);
