/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-image.c - what somebody can write into the file of a saved guest, with checksums that are
 * right. Records, each of them one of a good image that is changed:
 *
 *   u8 type, u8 size (% 8: pages of content; else bytes less than there should be),
 *   u32 first, u8 n, n times: u16 where, u8 % 9, so many bytes
 *
 * What is restored must be a domain: frames that are there, registers that a hypercall would
 * accept, no event pending.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/pv/abi.h"
#include "domain/hypercall.h"
#include "domain/image.h"
#include "domain/image_vcpu.h"
#include "domain/restore.h"
#include "fuzz_domain.h"
#include "fuzz_input.h"

#include <xen/xen.h>

#define PAGES 96u /* the saved guest's */
#define VCPUS 2u
#define START_INFO 5u
#define CONSOLE 6u
#define STORE 7u
#define RECORDS 64 /* of an input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct domain dom;
static uint8_t content[IMAGE_RECORD_MAX] __attribute__((aligned(8)));

/* The content that a record of this type has in a good image. Returns its size. */
static size_t good(uint32_t type, uint32_t first, unsigned int pages)
{
    struct image_domain *d = (void *)content;
    struct image_vcpu *v = (void *)content;
    uint64_t *words = (void *)content;

    memset(content, 0, 8 * PAGE_SIZE);
    switch (type) {
    case IMAGE_DOMAIN:
        *d = (struct image_domain){.version = IMAGE_VERSION,
                                   .nr_vcpus = VCPUS,
                                   .max_pages = PAGES,
                                   .start_info = START_INFO,
                                   .console = CONSOLE,
                                   .store = STORE};
        image_cpu(d->cpu);
        return sizeof(*d);
    case IMAGE_VCPU:
        v->cr3_kernel = 1;
        v->cr3_user = INVALID_MFN;
        return sizeof(*v);
    case IMAGE_FRAMES:
        words[0] = ~0ull;
        words[1] = 0xffffffff;
        return 2 * sizeof(*words);
    case IMAGE_M2P:
        for (unsigned int i = 0; i < PAGES; i++)
            words[i] = i;
        return PAGES * sizeof(*words);
    case IMAGE_PAGES:
        if (first <= START_INFO && START_INFO < first + pages)
            memcpy(content + (START_INFO - first) * PAGE_SIZE, "xen-3.0-x86_64", 15);
        return pages * PAGE_SIZE;
    default:
        return type == IMAGE_SHARED_INFO ? PAGE_SIZE : 0;
    }
}

static void put_record(struct image_writer *w, struct input *in)
{
    uint32_t type = take_number(in, 1), how = take_number(in, 1), first = take_number(in, 4);
    uint32_t patches = take_number(in, 1);
    size_t size = good(type, first, how % 8);

    for (uint32_t i = 0; i < patches; i++) {
        uint32_t where = take_number(in, 2);

        take(in, content + where, take_number(in, 1) % 9);
    }
    if (type != IMAGE_PAGES)
        size -= how < size ? how : size;
    must(image_put(w, type, first, content, size) == 0, "a record");
}

static void check_vcpu(const struct run *run)
{
    const struct vcpu *v = &run->state;

    must(v->resumed && v->id < VCPUS, "a vCPU");
    must(ram_is_allocated(&dom.ram, v->cr3_kernel), "its root");
    must(v->cr3_user == INVALID_MFN || ram_is_allocated(&dom.ram, v->cr3_user), "its other root");
    must(pv_canonical(v->fs_base) && pv_canonical(v->gs_base), "its bases");
    must((v->rflags & ~(uint64_t)(EFLAGS_USER | EFLAGS_IF | 2)) == 0, "its flags");
    must(v->pv.gdt_entries <= PV_MAX_GDT_FRAMES * 512, "its GDT");
}

static void check_domain(void)
{
    const struct shared_info *si = ram_frame(&dom.ram, dom.ram.shared_info);
    uint64_t frames = 0;

    for (mfn_t mfn = 0; mfn < dom.ram.max_pages; mfn++)
        frames += ram_is_allocated(&dom.ram, mfn);
    must(frames == dom.ram.nr_allocated && frames <= PAGES, "the frames are counted");
    for (unsigned int i = 0; i < ARRAY_SIZE(si->evtchn_mask); i++)
        must(si->evtchn_pending[i] == 0 && si->evtchn_mask[i] == ~0ul, "no event");
    must(ram_is_allocated(&dom.ram, dom.console_mfn), "a console");
    must(ram_is_allocated(&dom.ram, dom.store_mfn), "a store");
    check_vcpu(engine_run_page(dom.engine, 0));
}

static void restore(int fd, const struct domain_options *o)
{
    struct restore *r = NULL;
    struct err err = {0};

    domain_abi_done(&dom);
    ram_done(&dom.ram);
    if (restore_memory(&r, &dom, o, fd, &err) == 0) {
        must(domain_abi_init(&dom, &err) == 0, "a domain");
        if (restore_state(r, &dom, &err) == 0)
            check_domain();
        restore_free(r);
    }
    must(err.code == 0 || err.msg[0], "a reason");
    if (dom.gnttab)
        return;
    ram_done(&dom.ram);
    must(ram_init(&dom.ram, 16, 16, &err) == 0, "memory");
    must(domain_abi_init(&dom, &err) == 0, "a domain");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct domain_options options = {
        .vcpus = VCPUS, .memory_pages = 64, .maxmem_pages = PAGES};
    static const bool go_on = false;
    struct input in = {data, size};
    int fd = memfd_create("image", MFD_CLOEXEC);
    struct image_writer *w = image_writer_new(fd, &go_on);

    must(fd >= 0 && w, "a file");
    if (!dom.ram.base)
        fuzz_domain_init(&dom, 16, CONSOLE, STORE);
    dom.nr_vcpus = VCPUS;
    for (unsigned int i = 0; in.left > 0 && i < RECORDS; i++)
        put_record(w, &in);
    image_writer_free(w);
    lseek(fd, 0, SEEK_SET);
    restore(fd, &options);
    close(fd);
    return 0;
}
