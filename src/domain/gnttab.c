/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnttab.c - the grant table: set-up, versions, use of granted frames (ABI section 10). Mappings
 * of grants are gnttab_map.c's.
 *
 * The table is guest memory that the guest rewrites at any time. An entry is copied once and
 * judged on the copy; it is taken into use by one compare-and-exchange that fails if the
 * guest was faster. How often each entry is in use is counted here, and the guest's
 * "reading" and "writing" bits only show whether the count is zero.
 */
#include "domain/gnttab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "domain/gnttab_map.h"
#include "domain/hypercall.h"

#include <xen/xen.h>
#include <xen/grant_table.h>

#define V1_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define V2_PER_FRAME (PAGE_SIZE / sizeof(grant_entry_v2_t))
#define STATUS_PER_FRAME (PAGE_SIZE / sizeof(grant_status_t))
#define NR_REFS (RAM_GRANT_FRAMES * V1_PER_FRAME)
#define NR_RESERVED 8 /* entries that survive a change of version */
#define GRANT_TRIES 4

/* Operations of an array that one hypercall does at most; more is refused. */
#define MAX_COUNT 65536

struct gnttab {
    unsigned int version;
    unsigned int nr_frames; /* that the guest has set up */
    struct maptrack *maps;  /* the guest's mappings of its own grants; NULL = never had any */

    struct {
        uint16_t readers, writers;
        mfn_t written; /* frame of the last writer */
    } use[NR_REFS];
};

/* One entry, as read. */
struct grant {
    uint16_t flags;
    domid_t domid;
    mfn_t frame;
    unsigned int offset, length; /* the part of the frame that is granted */
};

/* --- access to entries ------------------------------------------------------------------ */

static void *table_frame(const struct domain *d, unsigned int i)
{
    return d->ram.base + ((d->ram.grant_first + i) << PAGE_SHIFT);
}

static grant_entry_v1_t *entry_v1(const struct domain *d, uint32_t ref)
{
    return (grant_entry_v1_t *)table_frame(d, ref / V1_PER_FRAME) + ref % V1_PER_FRAME;
}

static grant_entry_v2_t *entry_v2(const struct domain *d, uint32_t ref)
{
    return (grant_entry_v2_t *)table_frame(d, ref / V2_PER_FRAME) + ref % V2_PER_FRAME;
}

static grant_status_t *status_v2(const struct domain *d, uint32_t ref)
{
    mfn_t mfn = d->ram.status_first + ref / STATUS_PER_FRAME;

    return (grant_status_t *)(d->ram.base + (mfn << PAGE_SHIFT)) + ref % STATUS_PER_FRAME;
}

static uint32_t nr_refs(const struct gnttab *t)
{
    return t->nr_frames * (uint32_t)(t->version == 1 ? V1_PER_FRAME : V2_PER_FRAME);
}

/* flags and domid as one word, as they are compared and exchanged. */
static uint32_t *header(const struct domain *d, uint32_t ref)
{
    return d->gnttab->version == 1 ? (uint32_t *)entry_v1(d, ref) : (uint32_t *)entry_v2(d, ref);
}

static void read_body(const struct domain *d, uint32_t ref, struct grant *g)
{
    g->offset = 0;
    g->length = PAGE_SIZE;
    if (d->gnttab->version == 1) {
        g->frame = __atomic_load_n(&entry_v1(d, ref)->frame, __ATOMIC_RELAXED);
        return;
    }
    g->frame = __atomic_load_n(&entry_v2(d, ref)->full_page.frame, __ATOMIC_RELAXED);
    if (g->flags & GTF_sub_page) {
        g->offset = __atomic_load_n(&entry_v2(d, ref)->sub_page.page_off, __ATOMIC_RELAXED);
        g->length = __atomic_load_n(&entry_v2(d, ref)->sub_page.length, __ATOMIC_RELAXED);
    }
}

/* The word that shows the guest what is in use: flags in version 1, status in version 2. */
static uint16_t *use_bits(const struct domain *d, uint32_t ref)
{
    return d->gnttab->version == 1 ? &entry_v1(d, ref)->flags : status_v2(d, ref);
}

/* May `remote` use an entry that reads like this? What an entry says is never more than a
 * "general error" to who tries to use it, as with Xen. */
static bool permits(const struct grant *g, domid_t remote, bool write)
{
    return (g->flags & GTF_type_mask) == GTF_permit_access && g->domid == remote &&
           !(write && (g->flags & GTF_readonly));
}

/* Set the use bits on an entry that still reads as judged. Version 2: the bits are elsewhere,
 * so they are set first and the entry is looked at again. */
static bool set_use_bits(struct domain *d, uint32_t ref, uint32_t seen, uint16_t bits)
{
    if (d->gnttab->version == 1)
        return __atomic_compare_exchange_n(header(d, ref), &seen, seen | bits, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    __atomic_fetch_or(use_bits(d, ref), bits, __ATOMIC_SEQ_CST);
    return __atomic_load_n(header(d, ref), __ATOMIC_SEQ_CST) == seen;
}

static void clear_unused_bits(struct domain *d, uint32_t ref)
{
    uint16_t unused = 0;

    if (!d->gnttab->use[ref].writers)
        unused |= GTF_writing;
    if (!d->gnttab->use[ref].readers && !d->gnttab->use[ref].writers)
        unused |= GTF_reading;
    if (unused)
        __atomic_fetch_and(use_bits(d, ref), (uint16_t)~unused, __ATOMIC_SEQ_CST);
}

/* Take an entry into use and fill *ret. GNTST_*. */
static int grant_get(struct domain *d, domid_t remote, uint32_t ref, bool write, struct grant *ret)
{
    struct gnttab *t = d->gnttab;
    uint16_t bits = write ? GTF_reading | GTF_writing : GTF_reading;
    bool taken = false;

    if (ref >= nr_refs(t) || t->use[ref].readers == UINT16_MAX || t->use[ref].writers == UINT16_MAX)
        return GNTST_bad_gntref;
    for (int i = 0; i < GRANT_TRIES && !taken; i++) {
        uint32_t seen = __atomic_load_n(header(d, ref), __ATOMIC_SEQ_CST);

        ret->flags = (uint16_t)seen;
        ret->domid = (domid_t)(seen >> 16);
        if (!permits(ret, remote, write))
            break;
        taken = set_use_bits(d, ref, seen, bits);
    }
    if (!taken) {
        clear_unused_bits(d, ref);
        return GNTST_general_error;
    }
    read_body(d, ref, ret);
    if (write) {
        t->use[ref].writers++;
        t->use[ref].written = ret->frame;
    } else {
        t->use[ref].readers++;
    }
    return GNTST_okay;
}

int gnttab_get_frame(struct domain *d, domid_t remote, uint32_t ref, bool write, mfn_t *ret)
{
    struct grant g;
    int status = grant_get(d, remote, ref, write, &g);

    if (status != GNTST_okay)
        return status;
    if (g.length != PAGE_SIZE || !ram_is_allocated(&d->ram, g.frame)) {
        gnttab_put(d, ref, write);
        return GNTST_bad_page;
    }
    *ret = g.frame;
    return GNTST_okay;
}

int gnttab_get(struct domain *d, domid_t remote, uint32_t ref, bool write, void **ret)
{
    mfn_t frame;
    int status = gnttab_get_frame(d, remote, ref, write, &frame);

    if (status == GNTST_okay)
        *ret = ram_frame(&d->ram, frame);
    return status;
}

void gnttab_put(struct domain *d, uint32_t ref, bool write)
{
    struct gnttab *t = d->gnttab;

    if (ref >= NR_REFS)
        return;
    if (write && t->use[ref].writers) {
        t->use[ref].writers--;
        ram_written(&d->ram, t->use[ref].written);
    } else if (!write && t->use[ref].readers) {
        t->use[ref].readers--;
    }
    if (ref < nr_refs(t))
        clear_unused_bits(d, ref);
}

/* --- life ------------------------------------------------------------------------------- */

int gnttab_init(struct domain *d, struct err *err)
{
    d->gnttab = calloc(1, sizeof(*d->gnttab));
    if (!d->gnttab)
        return err_set(err, ENOMEM, "grant table: out of memory");
    d->gnttab->version = 1;
    d->gnttab->nr_frames = 1;
    *entry_v1(d, GNTTAB_RESERVED_CONSOLE) = (grant_entry_v1_t){
        .flags = GTF_permit_access, .domid = 0, .frame = (uint32_t)d->console_mfn};
    *entry_v1(d, GNTTAB_RESERVED_XENSTORE) =
        (grant_entry_v1_t){.flags = GTF_permit_access, .domid = 0, .frame = (uint32_t)d->store_mfn};
    return 0;
}

void gnttab_done(struct domain *d)
{
    if (d->gnttab)
        free(d->gnttab->maps);
    free(d->gnttab);
    d->gnttab = NULL;
}

/* --- GNTTABOP_* with one argument ------------------------------------------------------- */

int16_t gnttab_check_self(const struct hypercall *h, domid_t domid)
{
    int rc = hypercall_check_self(h, domid);

    return rc == -EPERM ? GNTST_permission_denied : rc < 0 ? GNTST_bad_domain : GNTST_okay;
}

static int64_t setup_table(const struct hypercall *h, gva_t arg)
{
    struct gnttab *t = h->d->gnttab;
    struct gnttab_setup_table op;

    if (hypercall_read(h, &op, arg, sizeof(op)) < 0)
        return -EFAULT;
    op.status = gnttab_check_self(h, op.dom);
    if (op.status == GNTST_okay && op.nr_frames > RAM_GRANT_FRAMES)
        op.status = GNTST_general_error;
    if (op.status == GNTST_okay) {
        if (op.nr_frames > t->nr_frames)
            t->nr_frames = op.nr_frames;
        for (unsigned int i = 0; i < op.nr_frames; i++) {
            xen_pfn_t mfn = h->d->ram.grant_first + i;

            if (hypercall_write(h, (gva_t)op.frame_list.p + i * sizeof(mfn), &mfn, sizeof(mfn)) < 0)
                return -EFAULT;
        }
    }
    return hypercall_write(h, arg, &op, sizeof(op));
}

static unsigned int nr_status_frames(const struct gnttab *t)
{
    uint32_t refs = t->nr_frames * (uint32_t)V2_PER_FRAME;

    return (refs + STATUS_PER_FRAME - 1) / STATUS_PER_FRAME;
}

static int64_t get_status_frames(const struct hypercall *h, gva_t arg)
{
    struct gnttab *t = h->d->gnttab;
    struct gnttab_get_status_frames op;

    if (hypercall_read(h, &op, arg, sizeof(op)) < 0)
        return -EFAULT;
    op.status = gnttab_check_self(h, op.dom);
    if (op.status == GNTST_okay && (t->version != 2 || op.nr_frames > nr_status_frames(t)))
        op.status = GNTST_general_error;
    for (unsigned int i = 0; op.status == GNTST_okay && i < op.nr_frames; i++) {
        uint64_t mfn = h->d->ram.status_first + i;

        if (hypercall_write(h, (gva_t)op.frame_list.p + i * sizeof(mfn), &mfn, sizeof(mfn)) < 0)
            return -EFAULT;
    }
    return hypercall_write(h, arg, &op, sizeof(op));
}

static int64_t query_size(const struct hypercall *h, gva_t arg)
{
    struct gnttab_query_size op;

    if (hypercall_read(h, &op, arg, sizeof(op)) < 0)
        return -EFAULT;
    op.status = gnttab_check_self(h, op.dom);
    if (op.status == GNTST_okay) {
        op.nr_frames = h->d->gnttab->nr_frames;
        op.max_nr_frames = RAM_GRANT_FRAMES;
    }
    return hypercall_write(h, arg, &op, sizeof(op));
}

static int64_t get_version(const struct hypercall *h, gva_t arg)
{
    struct gnttab_get_version op;
    int rc;

    if (hypercall_read(h, &op, arg, sizeof(op)) < 0)
        return -EFAULT;
    rc = hypercall_check_self(h, op.dom);
    if (rc < 0)
        return rc;
    op.version = h->d->gnttab->version;
    return hypercall_write(h, arg, &op, sizeof(op));
}

/* Keep the reserved entries, in the other format; everything else is forgotten. */
static void convert(struct domain *d, unsigned int version)
{
    struct gnttab *t = d->gnttab;
    struct grant keep[NR_RESERVED];

    for (uint32_t ref = 0; ref < NR_RESERVED; ref++) {
        uint32_t seen = __atomic_load_n(header(d, ref), __ATOMIC_RELAXED);

        keep[ref] = (struct grant){.flags = (uint16_t)seen, .domid = (domid_t)(seen >> 16)};
        read_body(d, ref, &keep[ref]);
        if ((seen & GTF_type_mask) != GTF_permit_access || keep[ref].length != PAGE_SIZE ||
            (version == 1 && keep[ref].frame > UINT32_MAX))
            keep[ref] = (struct grant){0};
        keep[ref].flags &= GTF_type_mask | GTF_readonly;
    }
    for (unsigned int i = 0; i < RAM_GRANT_FRAMES && i < t->nr_frames; i++)
        memset(table_frame(d, i), 0, PAGE_SIZE);
    for (unsigned int i = 0; i < nr_status_frames(t); i++)
        memset(status_v2(d, (uint32_t)(i * STATUS_PER_FRAME)), 0, PAGE_SIZE);
    t->version = version;
    for (uint32_t ref = 0; ref < NR_RESERVED; ref++) {
        if (version == 1) {
            *entry_v1(d, ref) = (grant_entry_v1_t){.flags = keep[ref].flags,
                                                   .domid = keep[ref].domid,
                                                   .frame = (uint32_t)keep[ref].frame};
        } else {
            entry_v2(d, ref)->full_page.frame = keep[ref].frame;
            entry_v2(d, ref)->hdr.domid = keep[ref].domid;
            entry_v2(d, ref)->hdr.flags = keep[ref].flags;
        }
        if (t->use[ref].writers)
            __atomic_fetch_or(use_bits(d, ref), GTF_reading | GTF_writing, __ATOMIC_SEQ_CST);
        else if (t->use[ref].readers)
            __atomic_fetch_or(use_bits(d, ref), GTF_reading, __ATOMIC_SEQ_CST);
    }
}

static int64_t set_version(const struct hypercall *h, gva_t arg)
{
    struct gnttab *t = h->d->gnttab;
    struct gnttab_set_version op;
    int rc = 0;

    if (hypercall_read(h, &op, arg, sizeof(op)) < 0)
        return -EFAULT;
    if (op.version != 1 && op.version != 2)
        rc = -EINVAL;
    if (rc == 0 && op.version != t->version && t->version == 2 &&
        is_any_mapped(h, h->d->ram.status_first, RAM_STATUS_FRAMES))
        rc = -EBUSY;
    for (uint32_t ref = NR_RESERVED; rc == 0 && op.version != t->version && ref < nr_refs(t);
         ref++) {
        if (t->use[ref].readers || t->use[ref].writers)
            rc = -EBUSY;
    }
    if (rc == 0 && op.version != t->version)
        convert(h->d, op.version);
    op.version = t->version;
    return hypercall_write(h, arg, &op, sizeof(op)) < 0 ? -EFAULT : rc;
}

/* --- GNTTABOP_* on arrays, one element -------------------------------------------------- */

static int16_t map_one(const struct hypercall *h, void *arg)
{
    return gnttab_map(h, &h->d->gnttab->maps, arg);
}

static int16_t unmap_one(const struct hypercall *h, void *arg)
{
    return gnttab_unmap(h, h->d->gnttab->maps, arg);
}

static int16_t unmap_replace_one(const struct hypercall *h, void *arg)
{
    return gnttab_unmap_and_replace(h, h->d->gnttab->maps, arg);
}

static int16_t transfer_one(const struct hypercall *h, void *arg)
{
    struct gnttab_transfer *op = arg;

    if (!ram_is_allocated(&h->d->ram, op->mfn))
        return op->status = GNTST_bad_page;
    return op->status = GNTST_bad_domain;
}

static int16_t swap_one(const struct hypercall *h, void *arg)
{
    struct gnttab_swap_grant_ref *op = arg;
    struct gnttab *t = h->d->gnttab;
    size_t size = t->version == 1 ? sizeof(grant_entry_v1_t) : sizeof(grant_entry_v2_t);
    uint8_t tmp[sizeof(grant_entry_v2_t)];

    op->status = GNTST_okay;
    if (op->ref_a >= nr_refs(t) || op->ref_b >= nr_refs(t))
        return op->status = GNTST_bad_gntref;
    if (op->ref_a == op->ref_b)
        return op->status;
    if (t->use[op->ref_a].readers || t->use[op->ref_a].writers || t->use[op->ref_b].readers ||
        t->use[op->ref_b].writers)
        return op->status = GNTST_eagain;
    memcpy(tmp, header(h->d, op->ref_a), size);
    memcpy(header(h->d, op->ref_a), header(h->d, op->ref_b), size);
    memcpy(header(h->d, op->ref_b), tmp, size);
    return op->status;
}

/* One side of a copy. */
struct copy_end {
    uint8_t *page;
    bool is_grant;
    uint32_t ref;
};

static int16_t copy_get(const struct hypercall *h, const struct gnttab_copy_ptr *ptr, bool is_grant,
                        unsigned int len, bool write, struct copy_end *ret)
{
    struct domain *d = h->d;
    int16_t status = gnttab_check_self(h, ptr->domid);
    struct grant g;

    *ret = (struct copy_end){0};
    if (status != GNTST_okay)
        return status;
    if (ptr->offset + len > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    if (!is_grant) {
        if (ptr->domid != DOMID_SELF)
            return GNTST_permission_denied;
        if (ram_is_allocated(&d->ram, ptr->u.gmfn))
            ret->page = ram_frame(&d->ram, ptr->u.gmfn);
        return ret->page ? GNTST_okay : GNTST_bad_page;
    }
    status = (int16_t)grant_get(d, d->domid, ptr->u.ref, write, &g);
    if (status != GNTST_okay)
        return status;
    if (ptr->offset < g.offset || ptr->offset + len > g.offset + g.length)
        status = GNTST_bad_copy_arg;
    else if (!ram_is_allocated(&d->ram, g.frame))
        status = GNTST_bad_page;
    if (status != GNTST_okay) {
        gnttab_put(d, ptr->u.ref, write);
        return status;
    }
    *ret =
        (struct copy_end){.page = ram_frame(&d->ram, g.frame), .is_grant = true, .ref = ptr->u.ref};
    return GNTST_okay;
}

static void copy_put(const struct hypercall *h, const struct copy_end *end, bool write)
{
    if (end->is_grant)
        gnttab_put(h->d, end->ref, write);
    else if (write)
        ram_written(&h->d->ram, (mfn_t)(end->page - h->d->ram.base) >> PAGE_SHIFT);
}

static int16_t copy_one(const struct hypercall *h, void *arg)
{
    struct gnttab_copy *op = arg;
    struct copy_end from, to;

    op->status = copy_get(h, &op->source, op->flags & GNTCOPY_source_gref, op->len, false, &from);
    if (op->status != GNTST_okay)
        return op->status;
    op->status = copy_get(h, &op->dest, op->flags & GNTCOPY_dest_gref, op->len, true, &to);
    if (op->status == GNTST_okay) {
        memmove(to.page + op->dest.offset, from.page + op->source.offset, op->len);
        copy_put(h, &to, true);
    }
    copy_put(h, &from, false);
    return op->status;
}

/* --- dispatch --------------------------------------------------------------------------- */

union array_op {
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_grant_ref unmap;
    struct gnttab_unmap_and_replace unmap_replace;
    struct gnttab_transfer transfer;
    struct gnttab_copy copy;
    struct gnttab_swap_grant_ref swap;
};

/* Indexed by GNTTABOP_*: either of the two forms. */
static const struct {
    int64_t (*single)(const struct hypercall *h, gva_t arg); /* one operation */
    int16_t (*element)(const struct hypercall *h, void *op);
    size_t size;
} gnttab_ops[] = {
    [GNTTABOP_map_grant_ref] = {NULL, map_one, sizeof(struct gnttab_map_grant_ref)},
    [GNTTABOP_unmap_grant_ref] = {NULL, unmap_one, sizeof(struct gnttab_unmap_grant_ref)},
    [GNTTABOP_setup_table] = {setup_table, NULL, 0},
    [GNTTABOP_transfer] = {NULL, transfer_one, sizeof(struct gnttab_transfer)},
    [GNTTABOP_copy] = {NULL, copy_one, sizeof(struct gnttab_copy)},
    [GNTTABOP_query_size] = {query_size, NULL, 0},
    [GNTTABOP_unmap_and_replace] = {NULL, unmap_replace_one,
                                    sizeof(struct gnttab_unmap_and_replace)},
    [GNTTABOP_set_version] = {set_version, NULL, 0},
    [GNTTABOP_get_status_frames] = {get_status_frames, NULL, 0},
    [GNTTABOP_get_version] = {get_version, NULL, 0},
    [GNTTABOP_swap_grant_ref] = {NULL, swap_one, sizeof(struct gnttab_swap_grant_ref)},
};

int64_t do_grant_table_op(const struct hypercall *h)
{
    uint32_t cmd = (uint32_t)h->args[0], count = (uint32_t)h->args[2];
    gva_t arg = h->args[1];
    union array_op op;

    if ((int32_t)count < 0)
        return -EINVAL;
    if (cmd == GNTTABOP_dump_table)
        return -EPERM;
    if (cmd == GNTTABOP_cache_flush)
        return -EOPNOTSUPP;
    if (cmd >= ARRAY_SIZE(gnttab_ops) || (!gnttab_ops[cmd].single && !gnttab_ops[cmd].element))
        return -ENOSYS;
    if (gnttab_ops[cmd].single) {
        /* The version calls never looked at count. */
        if (count != 1 && cmd != GNTTABOP_set_version && cmd != GNTTABOP_get_version)
            return -EINVAL;
        return gnttab_ops[cmd].single(h, arg);
    }
    if (count > MAX_COUNT)
        return -EINVAL;
    for (uint32_t i = 0; i < count; i++, arg += gnttab_ops[cmd].size) {
        if (hypercall_read(h, &op, arg, gnttab_ops[cmd].size) < 0)
            return -EFAULT;
        (void)gnttab_ops[cmd].element(h, &op);
        if (hypercall_write(h, arg, &op, gnttab_ops[cmd].size) < 0)
            return -EFAULT;
    }
    return 0;
}
