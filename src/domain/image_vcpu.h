/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * image_vcpu.h - what records IMAGE_DOMAIN and IMAGE_VCPU of a saved guest hold, and a virtual
 * CPU's way into such a record and out of it. Layouts are part of the file format: they change
 * with IMAGE_VERSION only.
 */
#pragma once

#include "cpu/vcpu.h"
#include "engine/ram.h"
#include "engine/soft/run.h"

#define IMAGE_VERSION 1
#define IMAGE_CPU_WORDS 8

struct image_domain {
    uint32_t version; /* IMAGE_VERSION */
    uint32_t nr_vcpus;
    uint64_t max_pages; /* frames [0, max_pages) may be the guest's */
    uint64_t system_time;
    uint64_t start_info, console, store; /* frames */
    uint32_t cpu[IMAGE_CPU_WORDS];       /* the host's CPU features, image_cpu() */
};

struct image_vcpu {
    uint64_t gpr[16], rip, rflags;
    uint64_t fs_base, gs_base, gs_base_other;
    uint16_t cs, ss, ds, es, fs, gs;
    uint8_t user_mode, cr0_ts, automatic_ibrs, iopl;
    uint64_t cr3_kernel, cr3_user, cr2, cr4, xcr0; /* roots are frames, ~0 = none */
    uint64_t dr[8];
    uint32_t tsc_aux, kernel_ss;
    uint64_t kernel_sp;
    struct {
        uint64_t address;
        uint16_t cs, flags;
        uint32_t pad;
    } traps[PV_VECTORS];
    struct {
        uint64_t address, mask_events;
    } callbacks[5]; /* event, failsafe, syscall, syscall32, sysenter */
    uint64_t gdt_frames[PV_MAX_GDT_FRAMES];
    uint32_t gdt_entries, ldt_entries;
    uint64_t ldt_base, iobitmap;
    uint32_t iobitmap_ports, vm_assist;
    uint8_t nmi_pending, nmi_masked, pad[6];
    uint8_t fpu[RUN_FPU_SIZE];
};

_Static_assert(sizeof(struct image_domain) == 80, "file format");
_Static_assert(sizeof(struct image_vcpu) == 7384, "file format");

/* The features of this host's CPU that a guest may have come to rely on. */
void image_cpu(uint32_t words[IMAGE_CPU_WORDS]);
/* Has it all that is named there? */
bool image_cpu_suffices(const uint32_t words[IMAGE_CPU_WORDS]);

/* From the run page of a vCPU that stands still, whose content is hostile. */
void image_vcpu_take(struct image_vcpu *to, const struct run *run);
/* Into the run page of a vCPU that is about to start. -EINVAL if it cannot be: the run page is
 * unchanged then. vcpu_info, id and timers are the caller's to set. */
int image_vcpu_give(struct run *run, const struct image_vcpu *from,
                    const struct ram *ram) MUST_CHECK;
