/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_vcpu.h - the part of a virtual CPU that exists only because the guest is a Xen PV
 * kernel: its virtual IDT, callbacks, timers and registered areas. Freestanding.
 */
#pragma once

#include "base/types.h"

#define PV_MAX_GDT_FRAMES 14
#define PV_VECTORS 256

struct pv_trap {
    uint64_t address; /* 0 = no handler */
    uint16_t cs;
    uint8_t flags; /* bits 0-1 DPL, bit 2 mask events on entry */
};

struct pv_callback {
    uint64_t address;
    bool mask_events;
};

struct pv_vcpu {
    struct pv_trap traps[PV_VECTORS];
    struct pv_callback cb_event, cb_failsafe, cb_syscall, cb_syscall32, cb_sysenter;
    uint64_t kernel_sp; /* stack for entries from user mode (stack_switch) */
    uint16_t kernel_ss;
    mfn_t gdt_frames[PV_MAX_GDT_FRAMES];
    uint32_t gdt_entries;
    gva_t ldt_base;
    uint32_t ldt_entries;
    uint8_t iopl;
    gva_t iobitmap;
    uint32_t iobitmap_ports;
    uint32_t vm_assist; /* bit per type; 32 (m2p_strict) kept as bit 31 */
    bool nmi_pending, nmi_masked;
    bool waiting; /* in block or poll, with rip at the hypercall: it is executed again until
                     there is something to return for */

    maddr_t vcpu_info; /* where struct vcpu_info is now; always valid and 8-aligned */

    uint64_t singleshot_ns; /* absolute system time, 0 = none */
    uint64_t periodic_ns;   /* period, 0 = none */
    uint64_t periodic_next;

    gva_t runstate_va;   /* 0 = none */
    maddr_t runstate_pa; /* ~0 = none */
    gva_t time_va;
    maddr_t time_pa;
    bool time_va_stale; /* time_va was not mapped at the last update */
    uint32_t runstate;  /* RUNSTATE_* */
    uint64_t runstate_entry;
    uint64_t runstate_time[4];
};
