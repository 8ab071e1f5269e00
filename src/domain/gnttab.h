/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnttab.h - the domain's grant table: GNTTABOP_* (ABI section 10) and access to granted
 * frames for backends. All functions are called with the domain's lock held.
 *
 * The table lies in frames that the guest writes at will: an entry is read once and checked;
 * "in use" bits are kept there for the guest's benefit only, the truth is a private count.
 */
#pragma once

#include "domain/domain.h"

/* Create d->gnttab: version 1, one frame, entries 0 and 1 granting d->console_mfn and
 * d->store_mfn to domain 0. 0 or -errno. */
int gnttab_init(struct domain *d, struct err *err);
void gnttab_done(struct domain *d);

/* Take a granted frame into use for domain `remote` (0 for backends). On success *ret is
 * the host address of the page, and the entry shows "reading" (and "writing") until
 * gnttab_put. Returns a GNTST_* status, 0 = okay. */
int gnttab_get(struct domain *d, domid_t remote, uint32_t ref, bool write, void **ret);
/* The same for a caller that wants the frame's number. */
int gnttab_get_frame(struct domain *d, domid_t remote, uint32_t ref, bool write, mfn_t *ret);
/* End one use. Arguments as given to gnttab_get. */
void gnttab_put(struct domain *d, uint32_t ref, bool write);
