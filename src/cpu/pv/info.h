/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * info.h - the vCPU's struct vcpu_info in guest memory: event mask, pending flag, cr2, time.
 *
 * Other vCPUs and the domain process set evtchn_upcall_pending while guest code runs; the
 * mask is only written by this vCPU (guest or us). Nothing but single loads and stores.
 */
#pragma once

#include "cpu/pv/abi.h"
#include "cpu/vcpu.h"
#include "cpu/env.h"

/* Host pointer to the current vcpu_info, or NULL if its frame is gone. It moves with
 * VCPUOP_register_vcpu_info, so callers fetch it anew (a range check and an addition). */
static inline struct vcpu_info *pv_info_or_null(const struct vcpu *v)
{
    uint8_t *frame = env_frame(v->pv.vcpu_info >> PAGE_SHIFT);

    return frame ? (struct vcpu_info *)(frame + (v->pv.vcpu_info & ~PAGE_MASK)) : NULL;
}

/* As above; a domain without it cannot go on and is ended. */
static inline struct vcpu_info *pv_info(struct vcpu *v)
{
    struct vcpu_info *info = pv_info_or_null(v);

    if (!info)
        env_domain_crash(v, "vcpu_info is at %lx, where there is no memory", v->pv.vcpu_info);
    return info;
}

static inline uint8_t pv_events_masked(const struct vcpu_info *info)
{
    return __atomic_load_n(&info->evtchn_upcall_mask, __ATOMIC_RELAXED);
}

static inline void pv_events_mask(struct vcpu_info *info, bool masked)
{
    __atomic_store_n(&info->evtchn_upcall_mask, masked, __ATOMIC_RELAXED);
}

static inline bool pv_upcall_pending(const struct vcpu_info *info)
{
    return __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_ACQUIRE) != 0;
}
