/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_build.h - from a kernel file to a 64-bit PV domain that is ready to run its first
 * instruction. The one entry point of this folder for the rest of the project.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"
#include "engine/ram.h"

#define BUILDER_CMDLINE_MAX 1023 /* bytes that start_info can carry */

struct ksyms;

struct builder_config {
    const char *kernel_path;
    const char *ramdisk_path;        /* NULL: none */
    const char *cmdline;             /* NULL: empty */
    port_t console_port, store_port; /* the guest's side, already allocated */
    domid_t domid;
    domid_t backend_domid; /* whom the console and xenstore rings are granted to */
    uint32_t flags;        /* further SIF_ bits of start_info, usually 0 */
    unsigned int nr_vcpus;
    uint64_t wallclock_ns; /* UTC at system time 0, in ns since 1970; 0: now */
    bool no_cache;         /* the kernel is a temporary file: keep it out of the disk cache */
    bool want_symbols;     /* fill builder_result.symbols if possible */
};

/* The state of vCPU 0 at entry, and what others must know of the layout. */
struct builder_result {
    gva_t rip, rsp;
    gva_t rsi; /* start_info */
    mfn_t cr3;
    mfn_t console_mfn, store_mfn;
    char kernel_name[128]; /* printable; "Linux 6.1.0-18-amd64", or "" */
    bool kernel_from_cache;
    struct ksyms *symbols; /* caller's, ksyms_free(); NULL if not wanted or not found */
};

/* Fill the memory of a domain. `ram` must be fresh from ram_init(): all zero, m2p identity.
 * On failure ram's content is undefined and *ret is zeroed; -errno with one sentence that
 * names the file. */
int builder_build_pv(struct builder_result *ret, const struct builder_config *config,
                     struct ram *ram, struct err *err) MUST_CHECK;
