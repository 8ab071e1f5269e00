/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * physdev.c - PHYSDEVOP_* of a domain without physical devices (ABI section 3.12). I/O
 * privilege and bitmap are the vCPU process's.
 */
#include "domain/hypercall.h"

#include <errno.h>

#include <xen/xen.h>
#include <xen/physdev.h>

int64_t do_physdev_op(const struct hypercall *h)
{
    switch ((uint32_t)h->args[0]) {
    case PHYSDEVOP_apic_read:
    case PHYSDEVOP_apic_write:
    case PHYSDEVOP_alloc_irq_vector:
    case PHYSDEVOP_manage_pci_add:
    case PHYSDEVOP_manage_pci_add_ext:
    case PHYSDEVOP_manage_pci_remove:
    case PHYSDEVOP_pci_mmcfg_reserved:
    case PHYSDEVOP_pci_device_add:
    case PHYSDEVOP_pci_device_remove:
    case PHYSDEVOP_restore_msi:
    case PHYSDEVOP_restore_msi_ext:
        return -EPERM;
    case PHYSDEVOP_eoi:
    case PHYSDEVOP_irq_status_query:
    case PHYSDEVOP_map_pirq:
    case PHYSDEVOP_unmap_pirq:
    case PHYSDEVOP_get_free_pirq:
        return -EINVAL; /* it has no such interrupt */
    default:
        return -ENOSYS;
    }
}
