/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * shared_info.c - first content and wallclock of the shared_info page.
 */
#include "domain/shared_info.h"

#include <string.h>
#include <time.h>

#include <xen/xen.h>

#define NS_PER_S 1000000000ull

static struct shared_info *page_of(struct domain *d)
{
    return ram_frame(&d->ram, d->ram.shared_info);
}

void shared_info_init(struct domain *d)
{
    struct shared_info *si = page_of(d);

    memset(si, 0, PAGE_SIZE);
    for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        si->vcpu_info[i].evtchn_upcall_mask = 1;
    shared_info_set_wallclock(d);
}

void shared_info_set_wallclock(struct domain *d)
{
    struct shared_info *si = page_of(d);
    struct timespec now;
    uint64_t utc;
    uint32_t version = si->wc_version | 1;

    clock_gettime(CLOCK_REALTIME, &now);
    utc = (uint64_t)(now.tv_sec + d->wallclock_offset) * NS_PER_S + (uint64_t)now.tv_nsec -
          domain_now(d);

    __atomic_store_n(&si->wc_version, version, __ATOMIC_SEQ_CST);
    si->wc_sec = (uint32_t)(utc / NS_PER_S);
    si->wc_sec_hi = (uint32_t)(utc / NS_PER_S >> 32);
    si->wc_nsec = (uint32_t)(utc % NS_PER_S);
    __atomic_store_n(&si->wc_version, version + 1, __ATOMIC_SEQ_CST);
}
