/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_pages.c - see pv_pages.h. Structures are those of Xen's public headers; the offsets that
 * guests have compiled in are asserted.
 */
#include "builder/pv_pages.h"

#include <stdio.h>
#include <string.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>
#include <xen/grant_table.h>

#define CONSOLE_CONNECTION 0xc10u /* of struct xencons_interface, newer than our headers */
#define CONSOLE_DISCONNECTED 1
#define HYPERCALL_SLOT 32u
#define NS_PER_S 1000000000ull

_Static_assert(sizeof(struct start_info) == 1168, "start_info");
_Static_assert(offsetof(struct start_info, pt_base) == 0x58, "start_info");
_Static_assert(offsetof(struct start_info, cmd_line) == 0x80, "start_info");
_Static_assert(offsetof(struct shared_info, wc_version) == 0xc00, "shared_info");
_Static_assert(sizeof(((struct start_info *)0)->cmd_line) == BUILDER_CMDLINE_MAX + 1, "cmd_line");

void pv_pages_write_p2m(struct ram *ram, const struct pv_layout *layout)
{
    uint64_t *list = pv_page(ram, layout->p2m);
    pfn_t pfn;

    for (pfn = 0; pfn < ram->nr_pages; pfn++)
        list[pfn] = pv_mfn(pfn);
}

static void set_initrd(struct start_info *si, const struct pv_layout *layout, uint64_t size)
{
    if (!size)
        return;
    si->mod_len = size;
    if (layout->initrd_mapped) {
        si->mod_start = pv_layout_va(layout, layout->initrd);
    } else {
        si->mod_start = layout->initrd;
        si->flags |= SIF_MOD_START_PFN;
    }
}

void pv_pages_write_start_info(struct ram *ram, const struct pv_layout *layout,
                               const struct builder_config *config, uint64_t initrd_size)
{
    struct start_info *si = pv_page(ram, layout->start_info);

    snprintf(si->magic, sizeof(si->magic), "xen-3.0-x86_64");
    si->nr_pages = ram->nr_pages;
    si->shared_info = ram->shared_info << PAGE_SHIFT; /* an address, not a frame number */
    /* The tools need no 3-level p2m tree, so Linux does not have to build one. */
    si->flags = config->flags | SIF_VIRT_P2M_4TOOLS;
    si->store_mfn = pv_mfn(layout->store);
    si->store_evtchn = config->store_port;
    si->console.domU.mfn = pv_mfn(layout->console);
    si->console.domU.evtchn = config->console_port;
    si->pt_base = pv_layout_va(layout, layout->tables);
    si->nr_pt_frames = layout->nr_tables;
    si->mfn_list = layout->p2m_va;
    if (!layout->p2m_mapped) {
        si->first_p2m_pfn = layout->p2m;
        si->nr_p2m_frames = layout->p2m_pages + layout->nr_p2m_tables;
    }
    set_initrd(si, layout, initrd_size);
    snprintf((char *)si->cmd_line, sizeof(si->cmd_line), "%s",
             config->cmdline ? config->cmdline : "");
}

void pv_pages_write_shared_info(struct ram *ram, uint64_t wallclock_ns)
{
    struct shared_info *s = (void *)(ram->base + (ram->shared_info << PAGE_SHIFT));
    uint64_t seconds = wallclock_ns / NS_PER_S;
    unsigned int i;

    for (i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        s->vcpu_info[i].evtchn_upcall_mask = 1;
    s->wc_version = 2; /* even: complete */
    s->wc_sec = (uint32_t)seconds;
    s->wc_sec_hi = (uint32_t)(seconds >> 32);
    s->wc_nsec = (uint32_t)(wallclock_ns % NS_PER_S);
}

void pv_pages_write_rings(struct ram *ram, const struct pv_layout *layout, domid_t backend)
{
    grant_entry_v1_t *grants = (void *)(ram->base + (ram->grant_first << PAGE_SHIFT));
    uint8_t *console = pv_page(ram, layout->console);

    console[CONSOLE_CONNECTION] = CONSOLE_DISCONNECTED;
    grants[GNTTAB_RESERVED_CONSOLE] = (grant_entry_v1_t){
        .flags = GTF_permit_access, .domid = backend, .frame = (uint32_t)pv_mfn(layout->console)};
    grants[GNTTAB_RESERVED_XENSTORE] = (grant_entry_v1_t){
        .flags = GTF_permit_access, .domid = backend, .frame = (uint32_t)pv_mfn(layout->store)};
}

void pv_pages_write_hypercalls(struct ram *ram, pfn_t pfn)
{
    /* push rcx; push r11; mov eax, NR; syscall; pop r11; pop rcx; ret */
    static const uint8_t call[] = {0x51, 0x41, 0x53, 0xb8, 0,    0,    0,
                                   0,    0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
    /* push rcx; push r11; push rax; mov eax, NR; syscall: iret does not come back */
    static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret,
                                   0,    0,    0,    0x0f, 0x05};
    uint8_t *page = pv_page(ram, pfn);
    uint8_t nr;

    memset(page, 0xcc, PAGE_SIZE);
    for (nr = 0; nr < PAGE_SIZE / HYPERCALL_SLOT; nr++) {
        memcpy(page + nr * HYPERCALL_SLOT, call, sizeof(call));
        memset(page + nr * HYPERCALL_SLOT + 4, 0, 4);
        page[nr * HYPERCALL_SLOT + 4] = nr;
    }
    memset(page + __HYPERVISOR_iret * HYPERCALL_SLOT, 0xcc, HYPERCALL_SLOT);
    memcpy(page + __HYPERVISOR_iret * HYPERCALL_SLOT, iret, sizeof(iret));
}
