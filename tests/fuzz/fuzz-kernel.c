/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-kernel.c - whatever a kernel file holds: it may come out of a guest's disk. The first byte
 * of an input is the domain's memory in 256 KiB, the rest is the file.
 *
 * Whatever it is: it is refused with a sentence, or the first vCPU's instruction, stack and
 * start_info are mapped, and nothing lies outside of the domain's memory.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "builder/elf_image.h"
#include "builder/elfnote.h"
#include "builder/ksyms.h"
#include "builder/pv_build.h"
#include "builder/pv_load.h"
#include "fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_symbols(const struct ksyms *k)
{
    uint64_t offset;

    if (!k)
        return;
    must(ksyms_count(k) > 0, "symbols are some");
    (void)ksyms_lookup(k, ~0ull, &offset);
    (void)ksyms_lookup(k, 0, &offset);
}

/* What takes the file apart, on a copy of its exact size, so that a sanitizer sees its end. */
static void check_parts(const uint8_t *file, size_t size)
{
    struct elf_image elf;
    struct xen_notes notes;
    struct ksyms *symbols;
    struct err err = {0};
    uint64_t start, end;

    if (elf_image_open(&elf, file, size, &err) == 0) {
        if (elfnote_parse(&notes, &elf, &err) == 0 &&
            pv_load_extent(&start, &end, &elf, notes.paddr_offset, &err) == 0)
            must(start < end, "a kernel has a size");
        symbols = ksyms_from_image(&elf);
        check_symbols(symbols);
        ksyms_free(symbols);
    }
    must(err.code == 0 || err.msg[0], "a reason");
}

static void check_mapped(const struct ram *ram, mfn_t cr3, gva_t va)
{
    const uint64_t *entry = ram_l1_entry(ram, cr3, va);

    must(entry && (*entry & 1), "an address is mapped");
    must((*entry & 0x000ffffffffff000ull) >> PAGE_SHIFT < ram->nr_pages, "to memory");
}

static void check_built(const struct ram *ram, const struct builder_result *r)
{
    must(r->cr3 < ram->nr_pages, "the tables are in memory");
    must(r->console_mfn < ram->nr_pages && r->store_mfn < ram->nr_pages, "so are the rings");
    check_mapped(ram, r->cr3, r->rip);
    check_mapped(ram, r->cr3, r->rsi);
    check_mapped(ram, r->cr3, r->rsp - 8);
    for (const char *p = r->kernel_name; *p; p++)
        must(*p >= ' ' && *p < 0x7f, "its name can be printed");
    check_symbols(r->symbols);
}

static void build(const char *path, uint64_t pages)
{
    const struct builder_config config = {.kernel_path = path,
                                          .cmdline = "root=/dev/xvda",
                                          .console_port = 2,
                                          .store_port = 1,
                                          .domid = 1,
                                          .nr_vcpus = 2,
                                          .wallclock_ns = 1,
                                          .no_cache = true,
                                          .want_symbols = true};
    struct builder_result result;
    struct ram ram = {0};
    struct err err = {0};

    must(ram_init(&ram, pages, pages, &err) == 0, "memory");
    if (builder_build_pv(&result, &config, &ram, &err) == 0)
        check_built(&ram, &result);
    else
        must(err.msg[0], "a reason");
    ksyms_free(result.symbols);
    ram_done(&ram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint64_t pages = (take_number(&in, 1) + 1) * 64;
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    char path[64];

    must(fd >= 0 && write(fd, in.at, in.left) == (ssize_t)in.left, "a file");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    check_parts(in.at, in.left);
    build(path, pages);
    close(fd);
    return 0;
}
