/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall.c - dispatch of the hypercalls that leave the vCPU process, and those that are
 * refused whatever they say. The list is cpu/pv/hypercalls.def.
 */
#include "domain/hypercall.h"

#include <errno.h>
#include <string.h>

#include "domain/evtchn.h"
#include "domain/gnttab.h"
#include "domain/shared_info.h"

#include <xen/xen.h>

/* Told by the vCPU process after it has switched an assist. */
static int64_t note_vm_assist(const struct hypercall *h)
{
    uint32_t type = (uint32_t)h->args[1];

    if (type > 31)
        return 0;
    if ((uint32_t)h->args[0] == VMASST_CMD_enable)
        h->d->vm_assist |= 1u << type;
    else
        h->d->vm_assist &= ~(1u << type);
    return 0;
}

#define VCPU(nr, name)
#define BOTH(nr, name) [nr] = do_##name,
#define DOMAIN(nr, name) BOTH(nr, name)
#define HYPERCALL(nr, name, where, text) where(nr, name)

static int64_t (*const handlers[])(const struct hypercall *h) = {
    [__HYPERVISOR_vm_assist] = note_vm_assist,
#include "cpu/pv/hypercalls.def"
};

#undef HYPERCALL
#undef DOMAIN
#undef BOTH
#undef VCPU

int64_t domain_hypercall(struct domain *d, unsigned int vcpu, uint64_t nr, const uint64_t args[5],
                         mfn_t cr3)
{
    struct hypercall h = {.d = d, .vcpu = vcpu, .cr3 = cr3, .nr = nr};

    if (nr >= ARRAY_SIZE(handlers) || !handlers[nr] || vcpu >= d->nr_vcpus)
        return -ENOSYS;
    for (unsigned int i = 0; i < ARRAY_SIZE(h.args); i++)
        h.args[i] = args[i];
    return handlers[nr](&h);
}

int hypercall_read(const struct hypercall *h, void *to, gva_t from, size_t size)
{
    return ram_copy_from_guest(&h->d->ram, h->cr3, to, from, size);
}

int hypercall_write(const struct hypercall *h, gva_t to, const void *from, size_t size)
{
    return ram_copy_to_guest(&h->d->ram, h->cr3, to, from, size);
}

int hypercall_check_self(const struct hypercall *h, domid_t domid)
{
    if (domid == DOMID_SELF || domid == h->d->domid)
        return 0;
    return domid == 0 ? -EPERM : -ESRCH;
}

int domain_abi_init(struct domain *d, struct err *err)
{
    int rc;

    for (unsigned int i = 0; i < d->nr_vcpus; i++)
        d->vcpus[i] = (struct domain_vcpu){
            .initialised = i == 0,
            .up = i == 0,
            .info = (d->ram.shared_info << PAGE_SHIFT) + i * sizeof(struct vcpu_info),
        };
    memset(d->watchdog, 0, sizeof(d->watchdog));
    d->shutdown_code = -1;
    d->vm_assist = 0;
    shared_info_init(d);
    rc = evtchn_init(d, err);
    if (rc == 0)
        rc = gnttab_init(d, err);
    if (rc < 0)
        domain_abi_done(d);
    return rc;
}

void domain_abi_done(struct domain *d)
{
    gnttab_done(d);
    evtchn_done(d);
}

/* --- calls that no domain of ours may make ---------------------------------------------- */

#define REFUSE(name, code)                                                                         \
    int64_t do_##name(const struct hypercall *h)                                                   \
    {                                                                                              \
        return -(code);                                                                            \
    }

REFUSE(platform_op, EPERM)
REFUSE(sysctl, EPERM)
REFUSE(domctl, EPERM)
REFUSE(physdev_op_compat, ENOSYS)
REFUSE(xsm_op, ENOSYS)
REFUSE(xenoprof_op, ENOSYS)
REFUSE(kexec_op, ENOSYS)
REFUSE(tmem_op, ENOSYS)
REFUSE(argo_op, ENOSYS)
REFUSE(xenpmu_op, ENOSYS)
REFUSE(dm_op, ENOSYS)
REFUSE(hypfs_op, ENOSYS)
REFUSE(mca, ENOSYS)
