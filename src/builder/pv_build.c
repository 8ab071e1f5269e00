/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_build.c - see pv_build.h. Order of work: everything that can be refused is refused before
 * the first byte is written, apart from a ramdisk that cannot be read.
 */
#define _GNU_SOURCE
#include "builder/pv_build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>

#include "builder/elf_image.h"
#include "builder/elfnote.h"
#include "builder/kernel.h"
#include "builder/ksyms.h"
#include "builder/pv_layout.h"
#include "builder/pv_load.h"
#include "builder/pv_pages.h"
#include "builder/pv_tables.h"

struct build {
    const struct builder_config *config;
    struct ram *ram;
    struct kernel kernel;
    struct initrd initrd;
    struct elf_image elf;
    struct xen_notes notes;
    uint64_t kernel_start, kernel_end;
    struct pv_layout layout;
};

static unsigned long long mib(uint64_t pages)
{
    return (pages + 255) / 256;
}

static int check_config(const struct builder_config *config, const struct ram *ram, struct err *err)
{
    size_t len = config->cmdline ? strlen(config->cmdline) : 0;

    if (!config->kernel_path)
        return err_set(err, EINVAL, "no kernel was given; set kernel = \"PATH\"");
    if (len > BUILDER_CMDLINE_MAX)
        return err_set(err, E2BIG,
                       "the kernel command line has %zu characters, a PV guest can take %u; "
                       "shorten root or extra",
                       len, BUILDER_CMDLINE_MAX);
    if (config->nr_vcpus > XEN_LEGACY_MAX_VCPUS)
        return err_set(err, EINVAL, "%u vCPUs, at most %u are possible", config->nr_vcpus,
                       XEN_LEGACY_MAX_VCPUS);
    if (!ram->nr_pages || ram->nr_pages > UINT32_MAX)
        return err_set(err, EINVAL, "%llu pages of memory are out of range",
                       (unsigned long long)ram->nr_pages);
    return 0;
}

/* Addresses that the kernel names must lie in the kernel. */
static int check_addresses(const struct build *b, struct err *err)
{
    const struct xen_notes *n = &b->notes;
    uint64_t entry = n->entry - n->virt_base;
    uint64_t page = n->hypercall_page - n->virt_base;

    if (entry < b->kernel_start || entry >= b->kernel_end)
        return err_set(err, ENOEXEC, "damaged: entry point 0x%llx is outside of the kernel",
                       (unsigned long long)n->entry);
    if (n->has_hypercall_page &&
        (page % PAGE_SIZE || page < (b->kernel_start & PAGE_MASK) || page >= b->kernel_end))
        return err_set(err, ENOEXEC, "damaged: hypercall page 0x%llx is not a page of the kernel",
                       (unsigned long long)n->hypercall_page);
    return 0;
}

static int examine_kernel(struct build *b, struct err *err)
{
    int rc = elf_image_open(&b->elf, b->kernel.elf, b->kernel.elf_size, err);

    if (!rc)
        rc = elfnote_parse(&b->notes, &b->elf, err);
    if (!rc)
        rc = pv_load_extent(&b->kernel_start, &b->kernel_end, &b->elf, b->notes.paddr_offset, err);
    if (!rc)
        rc = check_addresses(b, err);
    /* BSD kernels look behind their end for a symbol table; its size word stays 0. */
    if (b->notes.bsd_symtab)
        b->kernel_end = ((b->kernel_end + 7) & ~7ull) + 8;
    return rc;
}

static int too_small(const struct build *b, const struct pv_layout_input *input, struct err *err)
{
    struct pv_layout_input without = *input;
    unsigned long long have = mib(b->ram->nr_pages);
    uint64_t need = pv_layout_minimum(input);

    without.initrd_size = 0;
    if (pv_layout_minimum(&without) <= b->ram->nr_pages)
        return err_set(err, ENOMEM,
                       "ramdisk image %s (%llu MiB) does not fit into the domain's %llu MiB of "
                       "memory; set memory to more than %llu",
                       b->initrd.path, mib((b->initrd.size + PAGE_SIZE - 1) >> PAGE_SHIFT), have,
                       mib(need));
    return err_set(err, ENOMEM,
                   "kernel image %s needs at least %llu MiB to be loaded%s%s, the domain has %llu "
                   "MiB; set memory to more than that",
                   b->config->kernel_path, mib(need), b->initrd.path ? " with ramdisk " : "",
                   b->initrd.path ? b->initrd.path : "", have);
}

static int make_layout(struct build *b, struct err *err)
{
    struct pv_layout_input input = {
        .notes = &b->notes,
        .kernel_start = b->kernel_start,
        .kernel_end = b->kernel_end,
        .initrd_size = b->initrd.size,
        .nr_pages = b->ram->nr_pages,
    };
    int rc = pv_layout_compute(&b->layout, &input, err);

    if (rc) {
        err_wrap(err, "kernel image %s", b->config->kernel_path);
        return rc;
    }
    if (b->layout.used_pages > b->ram->nr_pages)
        return too_small(b, &input, err);
    return 0;
}

static int prepare(struct build *b, struct err *err)
{
    int rc = check_config(b->config, b->ram, err);

    if (!rc)
        rc = pv_load_initrd_open(&b->initrd, b->config->ramdisk_path, err);
    if (!rc)
        rc = kernel_load(&b->kernel, b->config->kernel_path, !b->config->no_cache, err);
    if (rc)
        return rc;
    rc = examine_kernel(b, err);
    if (rc) {
        err_wrap(err, "kernel image %s", b->config->kernel_path);
        return rc;
    }
    return make_layout(b, err);
}

static uint64_t utc_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int write_memory(struct build *b, struct err *err)
{
    const struct builder_config *config = b->config;
    const struct pv_layout *l = &b->layout;
    int rc;

    if (b->initrd.size) {
        rc = pv_load_initrd_read(b->ram, l->initrd, &b->initrd, err);
        if (rc)
            return rc;
    }
    pv_load_kernel(b->ram, &b->elf, b->notes.paddr_offset);
    if (b->notes.has_hypercall_page)
        pv_pages_write_hypercalls(b->ram, (b->notes.hypercall_page - l->virt_base) >> PAGE_SHIFT);
    pv_pages_write_p2m(b->ram, l);
    pv_tables_build(b->ram, l);
    pv_pages_write_start_info(b->ram, l, config, b->initrd.size);
    pv_pages_write_shared_info(b->ram, config->wallclock_ns ? config->wallclock_ns : utc_now_ns());
    pv_pages_write_rings(b->ram, l, config->backend_domid);
    return 0;
}

/* For people: a bzImage's own version, else what the notes say. */
static void name_kernel(struct builder_result *ret, const struct build *b)
{
    const char *version = b->kernel.version;

    if (version[0])
        snprintf(ret->kernel_name, sizeof(ret->kernel_name), "Linux %.*s",
                 (int)strcspn(version, " "), version);
    else
        snprintf(ret->kernel_name, sizeof(ret->kernel_name), "%s%s%s", b->notes.guest_os,
                 b->notes.guest_version[0] ? " " : "", b->notes.guest_version);
}

static void fill_result(struct builder_result *ret, const struct build *b)
{
    const struct pv_layout *l = &b->layout;

    ret->rip = b->notes.entry;
    ret->rsp = pv_layout_va(l, l->stack + 1);
    ret->rsi = pv_layout_va(l, l->start_info);
    ret->cr3 = pv_mfn(l->tables);
    ret->console_mfn = pv_mfn(l->console);
    ret->store_mfn = pv_mfn(l->store);
    ret->kernel_from_cache = b->kernel.from_cache;
    name_kernel(ret, b);
    if (b->config->want_symbols)
        ret->symbols = ksyms_find(b->config->kernel_path, b->kernel.version, &b->elf);
}

int builder_build_pv(struct builder_result *ret, const struct builder_config *config,
                     struct ram *ram, struct err *err)
{
    struct build b = {.config = config, .ram = ram, .initrd.fd = -1};
    int rc;

    *ret = (struct builder_result){0};
    rc = prepare(&b, err);
    if (!rc)
        rc = write_memory(&b, err);
    if (!rc)
        fill_result(ret, &b);
    pv_load_initrd_done(&b.initrd);
    kernel_done(&b.kernel);
    return rc;
}
