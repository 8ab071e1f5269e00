/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * elfnote.h - what a kernel says about itself to a Xen domain builder.
 *
 * Three spellings are understood, the first that is present wins: "Xen" notes in PT_NOTE
 * segments, "Xen" notes in SHT_NOTE sections, and the comma separated string of the section
 * __xen_guest that kernels before 2.6.19 carry. Everything is copied and bounded; numbers are
 * as the kernel gave them and still have to be checked against the layout.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"
#include "builder/elf_image.h"

struct xen_notes {
    gva_t entry;           /* ENTRY, or the ELF entry point */
    gva_t virt_base;       /* VIRT_BASE: va of pfn 0 */
    uint64_t paddr_offset; /* PADDR_OFFSET: subtract from p_paddr */
    bool has_hypercall_page;
    gva_t hypercall_page;
    bool has_init_p2m;
    gva_t init_p2m;
    bool mod_start_pfn; /* the initrd may lie outside the mapping */
    bool suspend_cancel;
    bool bsd_symtab;
    uint32_t features_required; /* bit numbers of xen/features.h, submap 0 */
    uint32_t features_supported;
    char unknown_required[64]; /* first "!name" in FEATURES that has no known bit, or "" */
    char guest_os[64];
    char guest_version[64];
    char xen_version[32];
    char loader[32];
};

/* Fill *notes from a kernel and refuse what is no PV kernel or asks for what a PV domU cannot
 * have. 0 or -ENOEXEC with a sentence without file name. */
int elfnote_parse(struct xen_notes *notes, const struct elf_image *image,
                  struct err *err) MUST_CHECK;
