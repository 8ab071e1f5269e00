/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hvm_op.c - HVMOP_* as a PV domain sees them: parameters exist, but not for it.
 */
#include "domain/hypercall.h"

#include <errno.h>

#include <xen/xen.h>
#include <xen/hvm/hvm_op.h>

int64_t do_hvm_op(const struct hypercall *h)
{
    struct xen_hvm_param p;
    int rc;

    switch ((uint32_t)h->args[0]) {
    case HVMOP_set_param:
    case HVMOP_get_param:
        if (hypercall_read(h, &p, h->args[1], sizeof(p)) < 0)
            return -EFAULT;
        rc = hypercall_check_self(h, p.domid);
        return rc < 0 ? rc : -EINVAL;
    case HVMOP_set_evtchn_upcall_vector:
    case HVMOP_pagetable_dying:
        return -EINVAL;
    default:
        return -ENOSYS;
    }
}
