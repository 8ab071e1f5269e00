/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * restore.c - see restore.h. The image is hostile input: frame numbers are compared with what the
 * image itself says the guest has, that with what its config allows; records of one kind come in
 * ascending order, so that the work has an end. What is in the pages is the guest's affair.
 */
#define _GNU_SOURCE
#include "domain/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "domain/image.h"
#include "domain/image_vcpu.h"
#include "domain/shared_info.h"

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>
#include <xen/io/xs_wire.h>

#define MAX_SYSTEM_TIME (1ull << 58) /* ns: nine years */
#define MAX_PAGES (256ull << 18)     /* 256 GiB, as the options have it */
#define START_MAGIC "xen-3.0-x86_64"

struct restore {
    struct image_domain domain;
    uint8_t shared_info[PAGE_SIZE] __attribute__((aligned(8)));
    struct image_vcpu vcpu[DOMAIN_MAX_VCPUS];
    uint32_t up; /* bit per vCPU that is in the image */
    bool has_shared_info;
    uint64_t next_word, next_m2p, next_page, next_pin; /* what was read up to */
    uint8_t *pins;                                     /* a byte for each of max_pages frames */
};

static int damaged(const char *what, struct err *err)
{
    return err_set(err, EINVAL, "the saved domain is damaged: %s", what);
}

/* --- memory ------------------------------------------------------------------------------- */

static int take_domain(struct restore *r, const struct image_record *rec,
                       const struct domain_options *o, struct err *err)
{
    struct image_domain *i = &r->domain;

    if (rec->type != IMAGE_DOMAIN || rec->size != sizeof(*i))
        return damaged("it does not begin with what it is", err);
    memcpy(i, rec->data, sizeof(*i));
    if (i->version != IMAGE_VERSION)
        return err_set(err, EINVAL, "the saved domain has format %u, this program reads %u",
                       i->version, IMAGE_VERSION);
    if (i->nr_vcpus != o->vcpus)
        return err_set(err, EINVAL, "the saved domain has %u vCPUs, its config says %u",
                       i->nr_vcpus, o->vcpus);
    if (i->max_pages == 0 || i->max_pages > MAX_PAGES || i->system_time > MAX_SYSTEM_TIME)
        return damaged("impossible numbers", err);
    if (!image_cpu_suffices(i->cpu))
        return err_set(err, EINVAL,
                       "this host's CPU lacks features that the saved domain's had; it can only "
                       "go on where they are");
    return 0;
}

/* A run of `count` things from `first` on, all below `limit` and behind the one before. */
static bool in_order(uint64_t *next, uint64_t first, uint64_t count, uint64_t limit)
{
    if (count == 0 || first < *next || first > limit || count > limit - first)
        return false;
    *next = first + count;
    return true;
}

static int take_frames(struct restore *r, struct ram *ram, const struct image_record *rec,
                       struct err *err)
{
    uint64_t words = (ram->max_pages + 63) / 64, n = rec->size / sizeof(uint64_t);

    if (!in_order(&r->next_word, rec->first, n, words) ||
        ram_take_frames(ram, rec->first, rec->data, n) < 0)
        return damaged("frames that are not there", err);
    return 0;
}

static int take_m2p(struct restore *r, const struct ram *ram, const struct image_record *rec,
                    struct err *err)
{
    uint64_t n = rec->size / sizeof(uint64_t);

    if (!in_order(&r->next_m2p, rec->first, n, ram->max_pages))
        return damaged("frames that are not there", err);
    memcpy(&ram->m2p[rec->first], rec->data, n * sizeof(uint64_t));
    return 0;
}

static int take_pages(struct restore *r, const struct ram *ram, const struct image_record *rec,
                      struct err *err)
{
    uint64_t n = rec->size >> PAGE_SHIFT;
    size_t size = n << PAGE_SHIFT;

    if (!in_order(&r->next_page, rec->first, n, ram->max_pages))
        return damaged("frames that are not there", err);
    for (uint64_t i = 0; i < n; i++)
        if (!ram_is_allocated(ram, rec->first + i))
            return damaged("memory that the domain has not", err);
    if (pwrite(ram->fd, rec->data, size, (off_t)(rec->first << PAGE_SHIFT)) != (ssize_t)size)
        return err_set(err, ENOMEM, "cannot fill the domain's memory: %s", strerror(errno));
    return 0;
}

static int take_pins(struct restore *r, const struct image_record *rec, struct err *err)
{
    if (!in_order(&r->next_pin, rec->first, rec->size, r->domain.max_pages))
        return damaged("frames that are not there", err);
    memcpy(r->pins + rec->first, rec->data, rec->size);
    return 0;
}

static int take_vcpu(struct restore *r, const struct image_record *rec, struct err *err)
{
    if (rec->first >= r->domain.nr_vcpus || rec->size != sizeof(r->vcpu[0]) ||
        (r->up >> rec->first & 1))
        return damaged("a vCPU that it has not", err);
    memcpy(&r->vcpu[rec->first], rec->data, sizeof(r->vcpu[0]));
    r->up |= 1u << rec->first;
    return 0;
}

static int take_record(struct restore *r, struct ram *ram, const struct image_record *rec,
                       struct err *err)
{
    switch (rec->type) {
    case IMAGE_FRAMES:
        return take_frames(r, ram, rec, err);
    case IMAGE_M2P:
        return take_m2p(r, ram, rec, err);
    case IMAGE_PAGES:
        return take_pages(r, ram, rec, err);
    case IMAGE_PINS:
        return take_pins(r, rec, err);
    case IMAGE_VCPU:
        return take_vcpu(r, rec, err);
    case IMAGE_SHARED_INFO:
        if (rec->size != sizeof(r->shared_info))
            return damaged("a page of another size", err);
        memcpy(r->shared_info, rec->data, sizeof(r->shared_info));
        r->has_shared_info = true;
        return 0;
    case IMAGE_END:
        return 0;
    default:
        return damaged("a record of an unknown kind", err);
    }
}

/* All records are there: do they make a domain? */
static int check(const struct restore *r, const struct ram *ram, const struct domain_options *o,
                 struct err *err)
{
    const struct image_domain *i = &r->domain;
    uint64_t allowed = o->maxmem_pages > o->memory_pages ? o->maxmem_pages : o->memory_pages;
    const struct start_info *info =
        ram_is_allocated(ram, i->start_info) ? ram_frame(ram, i->start_info) : NULL;

    if (!r->up || !r->has_shared_info || !ram_is_allocated(ram, i->console) ||
        !ram_is_allocated(ram, i->store) || !info)
        return damaged("something is missing", err);
    if (memcmp(info->magic, START_MAGIC, sizeof(START_MAGIC)) != 0)
        return damaged("the guest's start_info is not where it says", err);
    if (ram->nr_allocated > allowed)
        return err_set(err, EINVAL, "the saved domain has %llu MiB of memory, its config says %llu",
                       (unsigned long long)(ram->nr_allocated / 256),
                       (unsigned long long)(allowed / 256));
    return 0;
}

static int read_image(struct restore *r, struct domain *d, const struct domain_options *o,
                      struct image_reader *reader, struct err *err)
{
    struct image_record rec;
    int rc = image_next(reader, &rec, err);

    if (rc == 0)
        rc = take_domain(r, &rec, o, err);
    if (rc == 0)
        rc = ram_init(&d->ram, 1, r->domain.max_pages, err);
    if (rc == 0) {
        r->pins = calloc(r->domain.max_pages, 1);
        rc = r->pins ? 0 : err_set(err, ENOMEM, "out of memory");
    }
    while (rc == 0) {
        rc = image_next(reader, &rec, err);
        if (rc == 0)
            rc = take_record(r, &d->ram, &rec, err);
        if (rc == 0 && rec.type == IMAGE_END)
            break;
    }
    return rc < 0 ? rc : check(r, &d->ram, o, err);
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int restore_memory(struct restore **ret, struct domain *d, const struct domain_options *o, int fd,
                   struct err *err)
{
    struct restore *r = calloc(1, sizeof(*r));
    struct image_reader *reader = image_reader_new(fd);
    int rc = r && reader ? read_image(r, d, o, reader, err) : err_set(err, ENOMEM, "out of memory");

    image_reader_free(reader);
    if (rc < 0) {
        restore_free(r);
        return rc;
    }
    d->ram.nr_pages = lesser(o->memory_pages, d->ram.max_pages); /* the balloon's target */
    d->ram.limit = lesser(o->maxmem_pages, d->ram.max_pages);
    d->console_mfn = r->domain.console;
    d->store_mfn = r->domain.store;
    d->vcpu_avail = r->up;
    *ret = r;
    return 0;
}

void restore_free(struct restore *r)
{
    if (r)
        free(r->pins);
    free(r);
}

uint64_t restore_system_time(const struct restore *r)
{
    return r->domain.system_time;
}

/* --- state -------------------------------------------------------------------------------- */

/* What the guest said there stays, what was said to it is new: no event is pending, all are
 * masked. */
static void give_shared_info(const struct restore *r, struct domain *d)
{
    struct shared_info *si = ram_frame(&d->ram, d->ram.shared_info);
    const struct shared_info *old = (const void *)r->shared_info;

    si->arch = old->arch;
    si->arch.pfn_to_mfn_frame_list_list = 0;
    memset(si->evtchn_mask, 0xff, sizeof(si->evtchn_mask));
    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        si->vcpu_info[i].evtchn_upcall_mask = old->vcpu_info[i].evtchn_upcall_mask;
        si->vcpu_info[i].arch.cr2 = old->vcpu_info[i].arch.cr2;
    }
    shared_info_set_wallclock(d);
}

/* The guest had turned its frame numbers into pfns. */
static void give_start_info(const struct restore *r, struct domain *d)
{
    struct start_info *info = ram_frame(&d->ram, r->domain.start_info);

    info->shared_info = d->ram.shared_info << PAGE_SHIFT;
    info->flags = SIF_VIRT_P2M_4TOOLS;
    info->store_mfn = d->store_mfn;
    info->store_evtchn = d->store_port;
    info->console.domU.mfn = d->console_mfn;
    info->console.domU.evtchn = d->console_port;
}

/* A new connection to xenstored: what was on its way on the old one is lost. */
static void empty_store_ring(struct domain *d)
{
    struct xenstore_domain_interface *ring = ram_frame(&d->ram, d->store_mfn);

    ring->req_cons = ring->req_prod;
    ring->rsp_prod = ring->rsp_cons;
}

int restore_state(const struct restore *r, struct domain *d, struct err *err)
{
    for (unsigned int i = 0; i < d->nr_vcpus; i++) {
        struct run *run = engine_run_page(d->engine, i);

        d->vcpus[i].up = d->vcpus[i].initialised = r->up >> i & 1;
        if (!d->vcpus[i].up)
            continue;
        if (image_vcpu_give(run, &r->vcpu[i], &d->ram) < 0)
            return damaged("a vCPU's registers cannot be", err);
        run->state.id = i;
        run->state.pv.vcpu_info = run->vcpu_info = d->vcpus[i].info;
        d->vm_assist = run->state.pv.vm_assist & ~(1u << 31);
    }
    engine_pins_write(d->engine, 0, r->pins, r->domain.max_pages);
    give_shared_info(r, d);
    give_start_info(r, d);
    empty_store_ring(d);
    return 0;
}
