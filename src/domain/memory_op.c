/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory_op.c - XENMEM_*: ballooning, sizes, the memory map, the place of the M2P (ABI
 * section 3.6).
 *
 * The reservation calls return how many extents were done, never an error: a guest that
 * names nonsense is told 0. Each loop ends at the first extent that fails, so its length is
 * bounded by the domain's frames whatever nr_extents says.
 */
#include "domain/hypercall.h"

#include <errno.h>

#include "engine/soft/layout.h"

#include <xen/xen.h>
#include <xen/memory.h>

/* The command in the low bits, the extent to start at above them. */
#define CMD_BITS 6
/* Largest extent for a domain without devices: 2 MiB. */
#define MAX_ORDER 9
#define E820_RAM 1

/* Not shown by the public headers to guests. */
#define XENMEM_CLAIM_PAGES 24
#define XENMEM_RESERVED_DEVICE_MEMORY_MAP 27

struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

static void free_range(struct domain *d, mfn_t first, uint64_t count)
{
    for (mfn_t mfn = first; mfn < first + count; mfn++) {
        if (ram_free(&d->ram, mfn) == 0)
            d->ram.m2p[mfn] = INVALID_MFN;
    }
}

/* --- reservations ----------------------------------------------------------------------- */

static bool increase_one(const struct hypercall *h, gva_t slot, unsigned int order)
{
    mfn_t mfn = ram_alloc_order(&h->d->ram, order);

    if (mfn == INVALID_MFN)
        return false;
    return !slot || hypercall_write(h, slot, &mfn, sizeof(mfn)) == 0;
}

static bool decrease_one(const struct hypercall *h, gva_t slot, unsigned int order)
{
    struct ram *ram = &h->d->ram;
    uint64_t count = 1ull << order;
    mfn_t mfn;

    if (hypercall_read(h, &mfn, slot, sizeof(mfn)) < 0 || mfn >= ram->max_pages)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!ram_is_allocated(ram, mfn + i))
            return false;
    }
    free_range(h->d, mfn, count);
    return true;
}

static bool populate_one(const struct hypercall *h, gva_t slot, unsigned int order)
{
    pfn_t pfn;
    mfn_t mfn;

    if (hypercall_read(h, &pfn, slot, sizeof(pfn)) < 0)
        return false;
    mfn = ram_alloc_order(&h->d->ram, order);
    if (mfn == INVALID_MFN)
        return false;
    for (uint64_t i = 0; i < 1ull << order; i++)
        h->d->ram.m2p[mfn + i] = pfn + i;
    return hypercall_write(h, slot, &mfn, sizeof(mfn)) == 0;
}

static int64_t reservation(const struct hypercall *h, unsigned int cmd, uint64_t start)
{
    struct xen_memory_reservation r;
    gva_t list;

    if (hypercall_read(h, &r, h->args[1], sizeof(r)) < 0)
        return (int64_t)start;
    if (r.nr_extents > UINT64_MAX >> CMD_BITS || start >= r.nr_extents ||
        r.extent_order > MAX_ORDER || hypercall_check_self(h, r.domid) < 0)
        return (int64_t)start;
    list = (gva_t)r.extent_start.p;
    for (uint64_t i = start; i < r.nr_extents; i++) {
        gva_t slot = list ? list + i * sizeof(mfn_t) : 0;
        bool done;

        if (cmd == XENMEM_increase_reservation)
            done = increase_one(h, slot, r.extent_order);
        else if (cmd == XENMEM_decrease_reservation)
            done = decrease_one(h, slot, r.extent_order);
        else
            done = populate_one(h, slot, r.extent_order);
        if (!done)
            return (int64_t)i;
    }
    return (int64_t)r.nr_extents;
}

/* --- exchange --------------------------------------------------------------------------- */

/* One page for another. 0 or -errno. */
static int exchange_one(const struct hypercall *h, gva_t in, gva_t out)
{
    struct ram *ram = &h->d->ram;
    mfn_t old, new;
    pfn_t pfn;

    if (hypercall_read(h, &old, in, sizeof(old)) < 0 ||
        hypercall_read(h, &pfn, out, sizeof(pfn)) < 0)
        return -EFAULT;
    new = ram_exchange(ram, old);
    if (new == INVALID_MFN)
        return -EINVAL;
    ram->m2p[old] = INVALID_MFN;
    ram->m2p[new] = pfn;
    return hypercall_write(h, out, &new, sizeof(new));
}

static int64_t exchange(const struct hypercall *h)
{
    struct xen_memory_exchange x;
    gva_t done_at = h->args[1] + offsetof(struct xen_memory_exchange, nr_exchanged);
    uint64_t done;
    int rc = 0;

    if (hypercall_read(h, &x, h->args[1], sizeof(x)) < 0)
        return -EFAULT;
    done = x.nr_exchanged;
    if (done > x.in.nr_extents || x.in.nr_extents != x.out.nr_extents ||
        x.in.nr_extents > h->d->ram.max_pages)
        return -EINVAL;
    rc = hypercall_check_self(h, x.in.domid);
    if (rc == 0 && x.in.domid != x.out.domid)
        rc = -EINVAL;
    /* Contiguous memory is for those who drive devices. */
    if (rc == 0 && (x.in.extent_order || x.out.extent_order))
        rc = -EPERM;
    for (; rc == 0 && done < x.in.nr_extents; done++) {
        rc = exchange_one(h, (gva_t)x.in.extent_start.p + done * sizeof(mfn_t),
                          (gva_t)x.out.extent_start.p + done * sizeof(mfn_t));
        if (rc < 0)
            break;
    }
    if (hypercall_write(h, done_at, &done, sizeof(done)) < 0)
        return -EFAULT;
    return rc;
}

/* --- questions -------------------------------------------------------------------------- */

static int64_t domain_size(const struct hypercall *h, unsigned int cmd)
{
    const struct ram *ram = &h->d->ram;
    const struct shared_info *si;
    domid_t domid;
    uint64_t max_pfn;
    int rc;

    if (hypercall_read(h, &domid, h->args[1], sizeof(domid)) < 0)
        return -EFAULT;
    rc = hypercall_check_self(h, domid);
    if (rc < 0)
        return rc;
    if (cmd == XENMEM_current_reservation)
        return (int64_t)ram->nr_allocated;
    if (cmd == XENMEM_maximum_reservation)
        return (int64_t)ram->limit;
    /* maximum_gpfn: what the guest itself says about its p2m. */
    si = ram_frame(ram, ram->shared_info);
    max_pfn = __atomic_load_n(&si->arch.max_pfn, __ATOMIC_RELAXED);
    return (int64_t)(max_pfn ? max_pfn : ram->max_pages) - 1;
}

static int64_t memory_map(const struct hypercall *h)
{
    const struct e820_entry ram = {.size = h->d->ram.max_pages << PAGE_SHIFT, .type = E820_RAM};
    struct xen_memory_map map;

    if (hypercall_read(h, &map, h->args[1], sizeof(map)) < 0)
        return -EFAULT;
    if (map.nr_entries > 1)
        map.nr_entries = 1;
    if (hypercall_write(h, (gva_t)map.buffer.p, &ram, map.nr_entries * sizeof(ram)) < 0 ||
        hypercall_write(h, h->args[1], &map, sizeof(map)) < 0)
        return -EFAULT;
    return 0;
}

static int64_t machphys_mapping(const struct hypercall *h)
{
    const struct ram *ram = &h->d->ram;
    struct xen_machphys_mapping m = {.v_start = (uint64_t)M2P_GUEST, .max_mfn = ram->nr_frames - 1};

    m.v_end = m.v_start + ((ram->nr_frames * sizeof(ram->m2p[0]) + PAGE_SIZE - 1) & PAGE_MASK);
    return hypercall_write(h, h->args[1], &m, sizeof(m));
}

int64_t do_memory_op(const struct hypercall *h)
{
    unsigned int cmd = h->args[0] & ((1u << CMD_BITS) - 1);

    switch (cmd) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return reservation(h, cmd, h->args[0] >> CMD_BITS);
    case XENMEM_exchange:
        return exchange(h);
    case XENMEM_maximum_ram_page:
        return (int64_t)h->d->ram.nr_frames;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return domain_size(h, cmd);
    case XENMEM_memory_map:
        return memory_map(h);
    case XENMEM_machphys_mapping:
        return machphys_mapping(h);
    case XENMEM_add_to_physmap:
    case XENMEM_add_to_physmap_batch:
    case XENMEM_remove_from_physmap:
        return -EACCES; /* only for guests whose p2m is the hypervisor's */
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
        return -EINVAL;
    case XENMEM_get_vnumainfo:
        return -EOPNOTSUPP;
    case XENMEM_machphys_mfn_list:
    case XENMEM_machine_memory_map:
    case XENMEM_set_memory_map:
    case XENMEM_CLAIM_PAGES:
    case XENMEM_RESERVED_DEVICE_MEMORY_MAP:
    case XENMEM_acquire_resource:
        return -EPERM;
    default:
        return -ENOSYS;
    }
}
