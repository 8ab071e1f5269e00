/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * abi.h - Xen's public headers for freestanding code, at one interface version, and the few
 * constants of the PV ABI that those headers leave to prose.
 */
#pragma once

#include "base/types.h"

#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif
#include <xen/xen.h>
#include <xen/errno.h>

/* What xen_version(0) and CPUID report. */
#define PV_XEN_VERSION (4u << 16 | 17)

/* The hypervisor's part of every guest address space: L4 slots 256-271. */
#define PV_HOLE_START 0xffff800000000000ull
#define PV_HOLE_END 0xffff880000000000ull
#define PV_HOLE_FIRST_SLOT 256
#define PV_HOLE_LAST_SLOT 271

/* GDT entries from here on are Xen's own. */
#define PV_FIRST_RESERVED_GDT_ENTRY 7168
#define PV_MAX_LDT_ENTRIES 8192

/* Periods of VCPUOP_set_periodic_timer, ns. */
#define PV_PERIOD_MIN 1000000ull
#define PV_PERIOD_MAX (1ull << 50)

/* Newer than the installed headers. */
#define PV_VCPUOP_register_runstate_phys_area 14
#define PV_VCPUOP_register_vcpu_time_phys_area 15

/* Bits of pv_vcpu.vm_assist. Type 32 does not fit and lives in bit 31. */
#define PV_ASSIST_BIT(type) ((type) == 32 ? 1u << 31 : 1u << (type))

static inline bool pv_canonical(gva_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static inline bool pv_in_hole(gva_t va)
{
    return va >= PV_HOLE_START && va < PV_HOLE_END;
}
