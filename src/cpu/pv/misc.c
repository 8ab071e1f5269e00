/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * misc.c - small hypercalls that only touch the vCPU's own state: vm_assist, fpu_taskswitch,
 * I/O privilege, and the version query that guests use as "give me my pending event".
 */
#include "cpu/pv/hypercall.h"

#include <xen/physdev.h>
#include <xen/version.h>

#include "cpu/env.h"

#define IO_PORTS 65536

int64_t pv_do_vm_assist(struct vcpu *v, uint64_t args[5])
{
    uint32_t type = (uint32_t)args[1];

    if (type > VMASST_TYPE_runstate_update_flag && type != VMASST_TYPE_m2p_strict)
        return -XEN_EINVAL;
    switch ((uint32_t)args[0]) {
    case VMASST_CMD_enable:
        v->pv.vm_assist |= PV_ASSIST_BIT(type);
        break;
    case VMASST_CMD_disable:
        v->pv.vm_assist &= ~PV_ASSIST_BIT(type);
        break;
    default:
        return -XEN_ENOSYS;
    }
    /* Assists are the domain's: its process shows them in xen_version and hands them to
     * vCPUs that start later. */
    (void)env_domain_hypercall(v, __HYPERVISOR_vm_assist, args);
    return 0;
}

int64_t pv_do_fpu_taskswitch(struct vcpu *v, uint64_t args[5])
{
    v->cr0_ts = (uint32_t)args[0] != 0;
    return 0;
}

static int64_t set_iopl(struct vcpu *v, gva_t arg)
{
    struct physdev_set_iopl set;

    if (hypercall_copy_from(v, &set, arg, sizeof(set)))
        return -XEN_EFAULT;
    if (set.iopl > 3)
        return -XEN_EINVAL;
    v->pv.iopl = (uint8_t)set.iopl;
    return 0;
}

static int64_t set_iobitmap(struct vcpu *v, gva_t arg)
{
    struct physdev_set_iobitmap set;

    if (hypercall_copy_from(v, &set, arg, sizeof(set)))
        return -XEN_EFAULT;
    if (set.nr_ports > IO_PORTS)
        return -XEN_EINVAL;
    v->pv.iobitmap = (gva_t)set.bitmap.p;
    v->pv.iobitmap_ports = set.nr_ports;
    return 0;
}

int64_t pv_do_physdev_op(struct vcpu *v, uint64_t args[5])
{
    switch ((uint32_t)args[0]) {
    case PHYSDEVOP_set_iopl:
        return set_iopl(v, args[1]);
    case PHYSDEVOP_set_iobitmap:
        return set_iobitmap(v, args[1]);
    default:
        return env_domain_hypercall(v, __HYPERVISOR_physdev_op, args);
    }
}

int64_t pv_do_xen_version(struct vcpu *v, uint64_t args[5])
{
    if ((uint32_t)args[0] == XENVER_version)
        return PV_XEN_VERSION;
    return env_domain_hypercall(v, __HYPERVISOR_xen_version, args);
}

int64_t pv_do_nmi_op(struct vcpu *v, uint64_t args[5])
{
    return -XEN_EINVAL;
}
