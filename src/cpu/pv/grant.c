/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * grant.c - grant_table_op: the domain process does all of it (ABI section 10). What is left to
 * do here is to tell the engine of page tables that it changed.
 */
#include "cpu/pv/hypercall.h"

#include <xen/grant_table.h>

#include "cpu/env.h"
#include "cpu/pv/tlb.h"

/* An address that an operation may have changed the page-table entry of: a linear address, or
 * that of the entry itself. What was not changed may be called changed. */
static void entry_written(struct vcpu *v, uint64_t host_addr)
{
    mfn_t table;

    if (env_frame(host_addr >> PAGE_SHIFT))
        env_frame_written(host_addr >> PAGE_SHIFT);
    if (pv_canonical(host_addr) && !pv_in_hole(host_addr) && env_l1_entry(v, host_addr, &table))
        env_frame_written(table);
}

/* The operations begin with their addresses, one or two. */
static void entries_written(struct vcpu *v, gva_t arg, uint64_t count, size_t size, size_t addrs)
{
    uint64_t addr[2];

    for (uint64_t i = 0; i < count; i++, arg += size) {
        if (hypercall_copy_from(v, addr, arg, addrs * sizeof(addr[0])))
            return;
        for (size_t j = 0; j < addrs; j++)
            entry_written(v, addr[j]);
    }
}

int64_t pv_do_grant_table_op(struct vcpu *v, uint64_t args[5])
{
    uint32_t cmd = (uint32_t)args[0], count = (uint32_t)args[2];
    int64_t rc = env_domain_hypercall(v, __HYPERVISOR_grant_table_op, args);

    if (rc != 0 && rc != -XEN_EFAULT) /* a bad address may come after good ones */
        return rc;
    if (cmd == GNTTABOP_map_grant_ref)
        entries_written(v, args[1], count, sizeof(struct gnttab_map_grant_ref), 1);
    else if (cmd == GNTTABOP_unmap_grant_ref)
        entries_written(v, args[1], count, sizeof(struct gnttab_unmap_grant_ref), 1);
    else if (cmd == GNTTABOP_unmap_and_replace)
        entries_written(v, args[1], count, sizeof(struct gnttab_unmap_and_replace), 2);
    else
        return rc;
    tlb_flush_vcpus(v, TLB_ALL_VCPUS);
    return rc;
}
