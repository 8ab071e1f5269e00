/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz_domain.h - a domain of memory, event channels and grants, without an engine or a store, for
 * the targets that put a backend in front of a hostile guest.
 */
#pragma once

#include "domain/domain.h"

/* Make *d, of `pages` frames; the console's and the store's page are frames of it. Its log goes
 * nowhere. Once for each process. */
void fuzz_domain_init(struct domain *d, mfn_t pages, mfn_t console, mfn_t store);
