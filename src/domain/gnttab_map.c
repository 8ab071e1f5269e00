/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * gnttab_map.c - see gnttab_map.h.
 *
 * A mapping is a use of the grant, an entry in a page table of the guest's, and a handle. The
 * guest can overwrite the page-table entry at any time, which ends neither of the others: it has
 * to give the handle back, and can do so only while the entry is as it was made. Nothing here
 * relies on the entry: it names a frame that the guest may map anyway.
 */
#include "domain/gnttab_map.h"

#include <stdlib.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "domain/gnttab.h"

#define MAX_MAPPINGS 16384
#define MAX_TABLES 4096 /* that is_any_mapped() looks at */

#define PTE_PRESENT 1ull
#define PTE_RW 2ull
#define PTE_ALWAYS 0x65ull /* P, U, A, D: Xen forces U, and saves the walker the rest */
#define PTE_AVAIL_SHIFT 9
#define PTE_AVAIL_MASK 7u
#define PTE_FRAME(e) (((e)&0x000ffffffffff000ull) >> PAGE_SHIFT)

#define MAP_KINDS ((unsigned int)(GNTMAP_device_map | GNTMAP_host_map))

struct mapping {
    mfn_t frame;
    uint32_t ref;
    uint32_t flags; /* GNTMAP_*; no MAP_KINDS = free */
};

struct maptrack {
    uint32_t first_free; /* none below it */
    struct mapping map[MAX_MAPPINGS];
};

static bool is_writable(const struct mapping *m)
{
    return !(m->flags & GNTMAP_readonly);
}

static struct mapping *new_mapping(struct maptrack **maps)
{
    struct maptrack *t = *maps;

    if (!t)
        t = *maps = calloc(1, sizeof(*t));
    while (t && t->first_free < MAX_MAPPINGS && (t->map[t->first_free].flags & MAP_KINDS))
        t->first_free++;
    return t && t->first_free < MAX_MAPPINGS ? &t->map[t->first_free] : NULL;
}

static struct mapping *find_mapping(struct maptrack *t, grant_handle_t handle)
{
    if (!t || handle >= MAX_MAPPINGS || !(t->map[handle].flags & MAP_KINDS))
        return NULL;
    return &t->map[handle];
}

/* Tell the vCPUs that a frame is mapped writable by a grant, or is so once less: it cannot become a
 * page table. They may have changed the list; that is their own loss. */
static void note_writable(struct domain *d, const struct mapping *m, bool is_new)
{
    mfn_t from = is_new ? 0 : m->frame + 1, to = is_new ? m->frame + 1 : 0;

    for (unsigned int i = 0; is_writable(m) && i < MAX_GRANTED; i++)
        if (d->shared->granted[i] == from) {
            __atomic_store_n(&d->shared->granted[i], to, __ATOMIC_RELEASE);
            return;
        }
}

/* These kinds of the mapping are over; with the last the grant is given back. */
static void end_mapping(struct domain *d, struct maptrack *t, struct mapping *m, uint32_t kinds)
{
    uint32_t index = (uint32_t)(m - t->map);

    m->flags &= ~kinds;
    if (m->flags & MAP_KINDS)
        return;
    gnttab_put(d, m->ref, is_writable(m));
    note_writable(d, m, false);
    if (index < t->first_free)
        t->first_free = index;
}

/* The page-table entry that host_addr stands for, NULL = there is none. */
static uint64_t *host_entry(const struct hypercall *h, uint64_t host_addr, uint32_t flags)
{
    const struct ram *ram = &h->d->ram;

    if (!(flags & GNTMAP_contains_pte))
        return ram_l1_entry(ram, h->cr3, host_addr);
    if (host_addr % sizeof(uint64_t) || !ram_is_allocated(ram, host_addr >> PAGE_SHIFT))
        return NULL;
    return (uint64_t *)(ram->base + host_addr);
}

/* As above, if it still maps what it was made for. */
static uint64_t *mapped_entry(const struct hypercall *h, uint64_t host_addr,
                              const struct mapping *m)
{
    uint64_t *slot = host_entry(h, host_addr, m->flags), entry;

    if (!slot)
        return NULL;
    entry = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (!(entry & PTE_PRESENT) || !(entry & PTE_RW) == is_writable(m))
        return NULL;
    return PTE_FRAME(entry) == m->frame ? slot : NULL;
}

static uint64_t make_entry(const struct mapping *m)
{
    uint64_t avail = m->flags >> _GNTMAP_guest_avail0 & PTE_AVAIL_MASK;

    return m->frame << PAGE_SHIFT | PTE_ALWAYS | (is_writable(m) ? PTE_RW : 0) |
           avail << PTE_AVAIL_SHIFT;
}

int16_t gnttab_map(const struct hypercall *h, struct maptrack **maps,
                   struct gnttab_map_grant_ref *op)
{
    struct mapping m = {.ref = op->ref, .flags = op->flags}, *slot;
    uint64_t *entry = NULL;

    op->status = gnttab_check_self(h, op->dom);
    if (op->dom == 0) /* it is there, and grants nothing */
        op->status = GNTST_general_error;
    else if (op->dom == DOMID_SELF) /* that is no number */
        op->status = GNTST_bad_domain;
    if (op->status != GNTST_okay)
        return op->status;
    if (!(op->flags & MAP_KINDS))
        return op->status = GNTST_bad_gntref;
    slot = new_mapping(maps);
    if (!slot)
        return op->status = GNTST_no_device_space;
    op->status = (int16_t)gnttab_get_frame(h->d, h->d->domid, m.ref, is_writable(&m), &m.frame);
    if (op->status != GNTST_okay)
        return op->status;
    if (m.flags & GNTMAP_host_map) {
        entry = host_entry(h, op->host_addr, m.flags);
        if (!entry) {
            gnttab_put(h->d, m.ref, is_writable(&m));
            return op->status = GNTST_general_error;
        }
        __atomic_store_n(entry, make_entry(&m), __ATOMIC_RELEASE);
    }
    *slot = m;
    note_writable(h->d, &m, true);
    op->handle = (grant_handle_t)(slot - (*maps)->map);
    op->dev_bus_addr = m.frame << PAGE_SHIFT;
    return op->status;
}

int16_t gnttab_unmap(const struct hypercall *h, struct maptrack *maps,
                     struct gnttab_unmap_grant_ref *op)
{
    struct mapping *m = find_mapping(maps, op->handle);
    uint64_t *entry = NULL;
    uint32_t ended = 0;

    if (!m)
        return op->status = GNTST_bad_handle;
    op->status = GNTST_general_error;
    if (op->dev_bus_addr && (m->flags & GNTMAP_device_map)) {
        if (op->dev_bus_addr != m->frame << PAGE_SHIFT)
            return op->status;
        ended |= GNTMAP_device_map;
    }
    if (op->host_addr && (m->flags & GNTMAP_host_map)) {
        entry = mapped_entry(h, op->host_addr, m);
        if (!entry)
            return op->status;
        ended |= GNTMAP_host_map;
    }
    if (entry)
        __atomic_store_n(entry, 0, __ATOMIC_RELEASE);
    end_mapping(h->d, maps, m, ended);
    return op->status = GNTST_okay;
}

int16_t gnttab_unmap_and_replace(const struct hypercall *h, struct maptrack *maps,
                                 struct gnttab_unmap_and_replace *op)
{
    struct mapping *m = find_mapping(maps, op->handle);
    uint64_t *entry, *from = NULL, replacement = 0;

    if (!m)
        return op->status = GNTST_bad_handle;
    op->status = GNTST_general_error;
    if (!(m->flags & GNTMAP_host_map) || (m->flags & GNTMAP_contains_pte))
        return op->status;
    entry = mapped_entry(h, op->host_addr, m);
    if (op->new_addr)
        from = ram_l1_entry(&h->d->ram, h->cr3, op->new_addr);
    if (!entry || (op->new_addr && !from) || entry == from)
        return op->status;
    if (from)
        replacement = __atomic_exchange_n(from, 0, __ATOMIC_ACQ_REL);
    __atomic_store_n(entry, replacement, __ATOMIC_RELEASE);
    end_mapping(h->d, maps, m, GNTMAP_host_map);
    return op->status = GNTST_okay;
}

/* --- looking for mappings --------------------------------------------------------------- */

struct search {
    const struct ram *ram;
    mfn_t first;
    uint64_t count;
    unsigned int tables_left;
};

static bool is_mapped_below(struct search *s, mfn_t table, int level)
{
    const uint64_t *entries = ram_frame(s->ram, table);

    if (!entries || s->tables_left == 0)
        return false;
    s->tables_left--;
    for (unsigned int i = 0; i < PAGE_SIZE / sizeof(entries[0]); i++) {
        uint64_t entry = __atomic_load_n(&entries[i], __ATOMIC_RELAXED);

        if (!(entry & PTE_PRESENT))
            continue;
        if (level > 1 && is_mapped_below(s, PTE_FRAME(entry), level - 1))
            return true;
        if (level == 1 && PTE_FRAME(entry) - s->first < s->count)
            return true;
    }
    return false;
}

bool is_any_mapped(const struct hypercall *h, mfn_t first, uint64_t count)
{
    struct search s = {&h->d->ram, first, count, MAX_TABLES};

    return is_mapped_below(&s, h->cr3, 4);
}
