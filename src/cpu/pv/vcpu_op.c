/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_op.c - what a vCPU asks about itself: timers, runstate, registered areas (ABI 3.10).
 * Other vCPUs, and bringing vCPUs up and down, belong to the domain process.
 */
#include "cpu/pv/hypercall.h"

#include <xen/vcpu.h>

#include "cpu/env.h"
#include "cpu/pv/evtchn.h"
#include "cpu/pv/pv.h"
#include "cpu/pv/time.h"

/* An area by machine address: within one page that exists, aligned. ~0 = none. */
static int check_area(maddr_t pa, size_t size)
{
    if (pa == ~0ull)
        return 0;
    if ((pa & ~PAGE_MASK) > PAGE_SIZE - size || (pa & 7))
        return -XEN_ENXIO;
    return env_frame(pa >> PAGE_SHIFT) ? 0 : -XEN_EINVAL;
}

static int64_t get_runstate(struct vcpu *v, gva_t arg)
{
    struct vcpu_runstate_info r;

    time_get_runstate(v, &r);
    return hypercall_copy_to(v, arg, &r, sizeof(r));
}

static int64_t register_runstate(struct vcpu *v, gva_t arg, bool physical)
{
    struct vcpu_register_runstate_memory_area area;
    int rc;

    if (hypercall_copy_from(v, &area, arg, sizeof(area)))
        return -XEN_EFAULT;
    if (physical) {
        rc = check_area(area.addr.p, sizeof(struct vcpu_runstate_info));
        if (rc)
            return rc;
        v->pv.runstate_pa = area.addr.p;
    } else {
        v->pv.runstate_va = area.addr.p;
    }
    time_publish_runstate(v);
    return 0;
}

static int64_t register_time(struct vcpu *v, gva_t arg, bool physical)
{
    struct vcpu_register_time_memory_area area;
    int rc;

    if (hypercall_copy_from(v, &area, arg, sizeof(area)))
        return -XEN_EFAULT;
    if (physical) {
        rc = check_area(area.addr.p, sizeof(struct vcpu_time_info));
        if (rc)
            return rc;
        v->pv.time_pa = area.addr.p;
    } else {
        v->pv.time_va = area.addr.p;
    }
    pv_time_update(v);
    return 0;
}

static int64_t set_periodic(struct vcpu *v, gva_t arg)
{
    struct vcpu_set_periodic_timer set;

    if (hypercall_copy_from(v, &set, arg, sizeof(set)))
        return -XEN_EFAULT;
    if (set.period_ns < PV_PERIOD_MIN || set.period_ns > PV_PERIOD_MAX)
        return -XEN_EINVAL;
    pv_set_periodic(v, set.period_ns);
    return 0;
}

static int64_t set_singleshot(struct vcpu *v, gva_t arg)
{
    struct vcpu_set_singleshot_timer set;

    if (hypercall_copy_from(v, &set, arg, sizeof(set)))
        return -XEN_EFAULT;
    /* 0 is the distant past here, not "stop". */
    time_set_singleshot(v, set.timeout_abs_ns ? set.timeout_abs_ns : 1);
    return 0;
}

/* The domain process moves the record and raises the spurious upcall; the clock follows. */
static int64_t register_info(struct vcpu *v, uint64_t args[5])
{
    int64_t ret = env_domain_hypercall(v, __HYPERVISOR_vcpu_op, args);

    if (ret == 0)
        pv_time_update(v);
    return ret;
}

/* The domain process lets this vCPU go on when another one has brought it up again. */
static int64_t go_down(struct vcpu *v, uint64_t args[5])
{
    int64_t ret;

    pv_runstate_change(v, RUNSTATE_offline);
    ret = env_domain_hypercall(v, __HYPERVISOR_vcpu_op, args);
    pv_runstate_change(v, RUNSTATE_running);
    return ret;
}

static int64_t own_vcpu_op(struct vcpu *v, uint64_t args[5])
{
    switch (args[0]) {
    case VCPUOP_down:
        return go_down(v, args);
    case VCPUOP_is_up:
        return 1;
    case VCPUOP_get_runstate_info:
        return get_runstate(v, args[2]);
    case VCPUOP_register_runstate_memory_area:
        return register_runstate(v, args[2], false);
    case VCPUOP_set_periodic_timer:
        return set_periodic(v, args[2]);
    case VCPUOP_stop_periodic_timer:
        pv_set_periodic(v, 0);
        return 0;
    case VCPUOP_set_singleshot_timer:
        return set_singleshot(v, args[2]);
    case VCPUOP_stop_singleshot_timer:
        time_set_singleshot(v, 0);
        return 0;
    case VCPUOP_register_vcpu_info:
        return register_info(v, args);
    case VCPUOP_send_nmi:
        if (args[2])
            return -XEN_EINVAL;
        v->pv.nmi_pending = true;
        return 0;
    case VCPUOP_register_vcpu_time_memory_area:
        return register_time(v, args[2], false);
    case PV_VCPUOP_register_runstate_phys_area:
        return register_runstate(v, args[2], true);
    case PV_VCPUOP_register_vcpu_time_phys_area:
        return register_time(v, args[2], true);
    default:
        return env_domain_hypercall(v, __HYPERVISOR_vcpu_op, args);
    }
}

int64_t pv_do_vcpu_op(struct vcpu *v, uint64_t args[5])
{
    const struct evtchn_ctx *c = env_evtchn();

    /* Both are ints in the ABI. */
    args[0] = (uint32_t)args[0];
    args[1] = (uint32_t)args[1];
    if (args[1] == v->id)
        return own_vcpu_op(v, args);
    /* Linux asks for each of the 8192 that it could have. */
    if (c && args[1] >= c->nr_vcpus)
        return -XEN_ENOENT;
    return env_domain_hypercall(v, __HYPERVISOR_vcpu_op, args);
}
