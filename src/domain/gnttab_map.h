/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnttab_map.h - a guest's mappings of granted frames (ABI section 10). No other domain grants
 * anything to ours, so these are always its own grants. All functions are called with the
 * domain's lock held; the vCPU's process drops stale translations (cpu/pv/grant.c).
 */
#pragma once

#include "domain/hypercall.h"

struct gnttab_map_grant_ref;
struct gnttab_unmap_grant_ref;
struct gnttab_unmap_and_replace;
struct maptrack; /* freed with free(), with which all handles end */

/* One element of a GNTTABOP_* array: sets its outputs, returns its status (GNTST_*). *maps is
 * made at the first mapping. */
int16_t gnttab_map(const struct hypercall *h, struct maptrack **maps,
                   struct gnttab_map_grant_ref *op);
int16_t gnttab_unmap(const struct hypercall *h, struct maptrack *maps,
                     struct gnttab_unmap_grant_ref *op);
int16_t gnttab_unmap_and_replace(const struct hypercall *h, struct maptrack *maps,
                                 struct gnttab_unmap_and_replace *op);

/* Whether a domid argument names this domain, as GNTST_*. (gnttab.c) */
int16_t gnttab_check_self(const struct hypercall *h, domid_t domid);

/* Do the caller's page tables map one of `count` frames from `first` on? Looks at a few thousand
 * tables at most: for a guest that has more the answer may be a wrong "no". */
bool is_any_mapped(const struct hypercall *h, mfn_t first, uint64_t count);
