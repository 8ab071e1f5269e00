/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory-op - claim: reservation calls return counts and give frames back and forth; a frame
 * that was given back cannot be mapped again; new frames are in the m2p; limits
 * hold; the E820 map, sizes and m2p place are told; privileged calls are refused.
 *
 * Blind spots: exchange, PoD, orders above 0, other domains.
 */
#include "guest.h"

static struct xen_memory_reservation reservation(uint64_t *frames, uint64_t count)
{
    struct xen_memory_reservation r = {.nr_extents = count, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return r;
}

static void check_sizes(void)
{
    domid_t self = DOMID_SELF, other = 0x1234;
    struct xen_machphys_mapping mapping;

    CHECK_EQ(memory_op(XENMEM_current_reservation, &self), start_info->nr_pages,
             "current_reservation");
    CHECK(memory_op(XENMEM_maximum_reservation, &self) >= (long)start_info->nr_pages,
          "maximum_reservation");
    CHECK(memory_op(XENMEM_current_reservation, &other) < 0, "reservation of another domain");
    CHECK(memory_op(XENMEM_maximum_ram_page, NULL) >= (long)start_info->nr_pages, "ram page");
    CHECK_EQ(memory_op(XENMEM_machphys_mapping, &mapping), 0, "machphys_mapping");
    CHECK(mapping.max_mfn + 1 >= start_info->nr_pages, "max_mfn %lu", (long)mapping.max_mfn);
    CHECK(mapping.v_start < mapping.v_end, "m2p range");
}

static void check_map(void)
{
    uint8_t buffer[20 * 8];
    struct xen_memory_map map = {.nr_entries = 8};
    long rc;

    set_xen_guest_handle(map.buffer, (void *)buffer);
    rc = memory_op(XENMEM_memory_map, &map);
    if (rc == -XEN_ENOSYS)
        return;
    CHECK_EQ(rc, 0, "memory_map");
    CHECK(map.nr_entries >= 1 && map.nr_entries <= 8, "%u entries", map.nr_entries);
    CHECK_EQ(*(uint32_t *)(buffer + 16), 1, "type of the first entry");
    CHECK_EQ(*(uint64_t *)buffer, 0, "start of the first entry");
    CHECK(*(uint64_t *)(buffer + 8) >= start_info->nr_pages << PAGE_SHIFT, "its size");
    CHECK(memory_op(XENMEM_machine_memory_map, &map) < 0, "machine_memory_map");
}

static void check_cycle(void)
{
    uint8_t *page = page_alloc();
    uint64_t mfn = va_to_mfn(page), pfn = m2p()[mfn], frame = mfn;
    struct xen_memory_reservation r = reservation(&frame, 1);
    domid_t self = DOMID_SELF;

    memset(page, 0x5a, PAGE_SIZE);
    CHECK_EQ(remap(page, 0), 0, "unmap");
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1, "decrease_reservation");
    CHECK_EQ(memory_op(XENMEM_current_reservation, &self), start_info->nr_pages - 1, "reservation");
    CHECK(update_va_mapping((uintptr_t)page, mfn << PAGE_SHIFT | PTE_P, UVMF_INVLPG) < 0,
          "a frame that was given back can be mapped");
    frame = mfn;
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 0, "giving the same frame twice");
    frame = pfn;
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1, "populate_physmap");
    CHECK_EQ(m2p()[frame], pfn, "m2p of the new frame");
    CHECK_EQ(update_va_mapping((uintptr_t)page, frame << PAGE_SHIFT | PTE_P | PTE_RW, UVMF_INVLPG),
             0, "mapping the new frame");
    CHECK_EQ(memory_op(XENMEM_current_reservation, &self), start_info->nr_pages, "reservation");
}

static void check_limits(void)
{
    static uint64_t frames[64];
    struct xen_memory_reservation r = reservation(frames, 64);
    domid_t self = DOMID_SELF;
    long spare =
        memory_op(XENMEM_maximum_reservation, &self) - memory_op(XENMEM_current_reservation, &self);
    long got = 0, rc;

    while ((rc = memory_op(XENMEM_increase_reservation, &r)) > 0) {
        got += rc;
        if (got > spare + 4096)
            break;
    }
    CHECK(got <= spare, "%ld frames above the limit", got - spare);
    for (unsigned int i = 0; i < 64; i++)
        frames[i] = start_info->nr_pages + i;
    CHECK(memory_op(XENMEM_populate_physmap, &r) <= 0 || got < spare, "populate above the limit");
    r = reservation(frames, ~0ul);
    CHECK(memory_op(XENMEM_increase_reservation, &r) <= 0, "2^64-1 extents");
    r = reservation((uint64_t *)NOWHERE, 1);
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 0, "a list at no address");
    frames[0] = ~0ul;
    r = reservation(frames, 1);
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 0, "giving back frame ~0");
    frames[0] = start_info->shared_info >> PAGE_SHIFT;
    memory_op(XENMEM_decrease_reservation, &r);
    CHECK(vcpu0()->time.tsc_to_system_mul != 0, "shared_info can be given back");
    r.domid = 0x1234;
    CHECK(memory_op(XENMEM_increase_reservation, &r) <= 0, "for another domain");
}

void test_main(void)
{
    check_sizes();
    check_map();
    check_cycle();
    check_limits();
}
