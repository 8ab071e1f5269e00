/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_pages.h - the pages of a new PV domain that have a structure: p2m list, start_info,
 * shared_info, console page, grant entries of the two rings, hypercall page.
 *
 * None of these can fail; ranges have been checked by the caller. All pages are zero before
 * (ram_init), so that only what is not zero is written and the rest stays unpopulated.
 */
#pragma once

#include "builder/pv_build.h"
#include "builder/pv_layout.h"
#include "engine/ram.h"

/* pfn and mfn are the same at the start of a domain. The builder's only places that know. */
static inline mfn_t pv_mfn(pfn_t pfn)
{
    return pfn;
}

static inline pfn_t pv_pfn(mfn_t mfn)
{
    return mfn;
}

/* Host address of a page of the domain. */
static inline void *pv_page(const struct ram *ram, pfn_t pfn)
{
    return ram->base + (pv_mfn(pfn) << PAGE_SHIFT);
}

void pv_pages_write_p2m(struct ram *ram, const struct pv_layout *layout);

/* initrd_size in bytes, exact; config->cmdline shorter than 1024. */
void pv_pages_write_start_info(struct ram *ram, const struct pv_layout *layout,
                               const struct builder_config *config, uint64_t initrd_size);

/* Every vCPU slot masked; wall clock of system time 0. */
void pv_pages_write_shared_info(struct ram *ram, uint64_t wallclock_ns);

/* The console page's "nobody is connected", and grant entries 0 and 1 for the backend. */
void pv_pages_write_rings(struct ram *ram, const struct pv_layout *layout, domid_t backend);

/* The 128 stubs of 32 bytes. */
void pv_pages_write_hypercalls(struct ram *ram, pfn_t pfn);
