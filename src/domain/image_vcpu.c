/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * image_vcpu.c - see image_vcpu.h. What a vCPU may be given is what its guest could have set by
 * hypercalls; the rest is refused or masked as there.
 */
#include "domain/image_vcpu.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "cpu/pv/abi.h"

#define MAX_GDT_ENTRIES (PV_MAX_GDT_FRAMES * 512u)
#define GDT_ENTRIES_PER_FRAME 512u
#define OSXSAVE (1u << 27) /* of the first word: what the kernel made of it, not the CPU */

void image_cpu(uint32_t words[IMAGE_CPU_WORDS])
{
    uint32_t a = 0, b = 0, c = 0, d = 0;

    memset(words, 0, IMAGE_CPU_WORDS * sizeof(words[0]));
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        words[0] = c & ~OSXSAVE;
        words[1] = d;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        words[2] = b;
        words[3] = c;
        words[4] = d;
    }
    if (__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
        words[5] = a;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        words[6] = c;
        words[7] = d;
    }
}

bool image_cpu_suffices(const uint32_t words[IMAGE_CPU_WORDS])
{
    uint32_t here[IMAGE_CPU_WORDS];

    image_cpu(here);
    for (unsigned int i = 0; i < IMAGE_CPU_WORDS; i++)
        if (words[i] & ~here[i])
            return false;
    return true;
}

static const struct pv_callback *callback(const struct pv_vcpu *pv, unsigned int i)
{
    const struct pv_callback *const all[] = {&pv->cb_event, &pv->cb_failsafe, &pv->cb_syscall,
                                             &pv->cb_syscall32, &pv->cb_sysenter};

    return all[i];
}

static void take_pv(struct image_vcpu *to, const struct pv_vcpu *pv)
{
    for (unsigned int i = 0; i < PV_VECTORS; i++) {
        to->traps[i].address = pv->traps[i].address;
        to->traps[i].cs = pv->traps[i].cs;
        to->traps[i].flags = pv->traps[i].flags;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(to->callbacks); i++) {
        to->callbacks[i].address = callback(pv, i)->address;
        to->callbacks[i].mask_events = callback(pv, i)->mask_events;
    }
    memcpy(to->gdt_frames, pv->gdt_frames, sizeof(to->gdt_frames));
    to->gdt_entries = pv->gdt_entries;
    to->ldt_entries = pv->ldt_entries;
    to->ldt_base = pv->ldt_base;
    to->iopl = pv->iopl;
    to->iobitmap = pv->iobitmap;
    to->iobitmap_ports = pv->iobitmap_ports;
    to->vm_assist = pv->vm_assist;
    to->kernel_sp = pv->kernel_sp;
    to->kernel_ss = pv->kernel_ss;
    to->nmi_pending = pv->nmi_pending;
    to->nmi_masked = pv->nmi_masked;
}

void image_vcpu_take(struct image_vcpu *to, const struct run *run)
{
    const struct vcpu *v = &run->state;

    memset(to, 0, sizeof(*to));
    memcpy(to->gpr, v->gpr, sizeof(to->gpr));
    to->rip = v->rip;
    if (v->pv.waiting) { /* block or poll: over, as what it waited for may be gone by then */
        to->rip += 2;
        to->gpr[RAX] = 0;
    }
    to->rflags = v->rflags;
    to->fs_base = v->fs_base;
    to->gs_base = v->gs_base;
    to->gs_base_other = v->gs_base_other;
    to->cs = v->cs;
    to->ss = v->ss;
    to->ds = v->ds;
    to->es = v->es;
    to->fs = v->fs;
    to->gs = v->gs;
    to->user_mode = v->user_mode;
    to->cr0_ts = v->cr0_ts;
    to->automatic_ibrs = v->automatic_ibrs;
    to->cr3_kernel = v->cr3_kernel;
    to->cr3_user = v->cr3_user;
    to->cr2 = v->cr2;
    to->cr4 = v->cr4;
    to->xcr0 = v->xcr0;
    memcpy(to->dr, v->dr, sizeof(to->dr));
    to->tsc_aux = v->tsc_aux;
    take_pv(to, &v->pv);
    memcpy(to->fpu, run->fpu, sizeof(to->fpu));
}

static bool root_is_good(const struct ram *ram, uint64_t mfn, bool needed)
{
    return ram_is_allocated(ram, mfn) || (!needed && mfn == INVALID_MFN);
}

static bool tables_are_good(const struct image_vcpu *v, const struct ram *ram)
{
    if (v->gdt_entries > MAX_GDT_ENTRIES || v->ldt_entries > PV_MAX_LDT_ENTRIES ||
        !pv_canonical(v->ldt_base) || (v->ldt_base & ~PAGE_MASK) || v->iobitmap_ports > 65536)
        return false;
    for (unsigned int i = 0; i * GDT_ENTRIES_PER_FRAME < v->gdt_entries; i++)
        if (!ram_is_allocated(ram, v->gdt_frames[i]))
            return false;
    return true;
}

static bool addresses_are_good(const struct image_vcpu *v)
{
    for (unsigned int i = 0; i < PV_VECTORS; i++)
        if (!pv_canonical(v->traps[i].address))
            return false;
    for (unsigned int i = 0; i < ARRAY_SIZE(v->callbacks); i++)
        if (!pv_canonical(v->callbacks[i].address))
            return false;
    return pv_canonical(v->fs_base) && pv_canonical(v->gs_base) && pv_canonical(v->gs_base_other) &&
           pv_canonical(v->rip);
}

static void give_pv(struct pv_vcpu *pv, const struct image_vcpu *from)
{
    struct pv_callback *const callbacks[] = {&pv->cb_event, &pv->cb_failsafe, &pv->cb_syscall,
                                             &pv->cb_syscall32, &pv->cb_sysenter};

    for (unsigned int i = 0; i < PV_VECTORS; i++)
        pv->traps[i] = (struct pv_trap){.address = from->traps[i].address,
                                        .cs = from->traps[i].cs,
                                        .flags = from->traps[i].flags & 7};
    for (unsigned int i = 0; i < ARRAY_SIZE(callbacks); i++)
        *callbacks[i] = (struct pv_callback){.address = from->callbacks[i].address,
                                             .mask_events = from->callbacks[i].mask_events != 0};
    for (unsigned int i = 0; i < PV_MAX_GDT_FRAMES; i++)
        pv->gdt_frames[i] =
            i * GDT_ENTRIES_PER_FRAME < from->gdt_entries ? from->gdt_frames[i] : INVALID_MFN;
    pv->gdt_entries = from->gdt_entries;
    pv->ldt_base = from->ldt_base;
    pv->ldt_entries = from->ldt_entries;
    pv->iopl = from->iopl & 3;
    pv->iobitmap = from->iobitmap;
    pv->iobitmap_ports = from->iobitmap_ports;
    pv->vm_assist = from->vm_assist;
    pv->kernel_sp = from->kernel_sp;
    pv->kernel_ss = (uint16_t)from->kernel_ss;
    pv->nmi_pending = from->nmi_pending != 0;
    pv->nmi_masked = from->nmi_masked != 0;
    pv->runstate_pa = pv->time_pa = ~0ull;
}

int image_vcpu_give(struct run *run, const struct image_vcpu *from, const struct ram *ram)
{
    struct vcpu v = {.resumed = true};

    if (!root_is_good(ram, from->cr3_kernel, true) || !root_is_good(ram, from->cr3_user, false) ||
        !tables_are_good(from, ram) || !addresses_are_good(from))
        return -EINVAL;
    memcpy(v.gpr, from->gpr, sizeof(v.gpr));
    v.rip = from->rip;
    v.rflags = (from->rflags & EFLAGS_USER) | EFLAGS_IF | 2;
    v.fs_base = from->fs_base;
    v.gs_base = from->gs_base;
    v.gs_base_other = from->gs_base_other;
    v.cs = from->cs | 3;
    v.ss = from->ss | 3;
    v.ds = from->ds;
    v.es = from->es;
    v.fs = from->fs;
    v.gs = from->gs;
    v.user_mode = from->user_mode != 0;
    v.cr0_ts = from->cr0_ts != 0;
    v.automatic_ibrs = from->automatic_ibrs != 0;
    v.cr3_kernel = from->cr3_kernel;
    v.cr3_user = from->cr3_user;
    v.cr2 = from->cr2;
    v.cr4 = from->cr4;
    v.xcr0 = from->xcr0 | 1;
    memcpy(v.dr, from->dr, sizeof(v.dr));
    v.tsc_aux = from->tsc_aux;
    give_pv(&v.pv, from);
    run->state = v;
    memcpy(run->fpu, from->fpu, sizeof(run->fpu));
    return 0;
}
