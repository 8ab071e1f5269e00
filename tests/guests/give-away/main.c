/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * give-away - claim: a guest that gives frames back while it goes on using them (mapped pages,
 * code, granted pages, the xenstore ring, its registered areas, its descriptor
 * table) gets what it deserves, and the hypervisor goes on to answer; what it gets anew is zero.
 *
 * Blind spots: page tables and the console, see crash-give-away; devices in the middle of I/O.
 */
#include "guest.h"

#define TABLE 0x70000000ul
#define GREF 100

static long reserve(unsigned int cmd, uint64_t *frame)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frame);
    return memory_op(cmd, &r);
}

static void give(const void *page)
{
    uint64_t frame = va_to_mfn(page);

    CHECK_EQ(reserve(XENMEM_decrease_reservation, &frame), 1, "giving 0x%lx", (long)frame);
}

/* Get a frame and look whether it is empty; it is mapped at `at`. */
static void take(void *at)
{
    uint64_t frame = m2p()[va_to_mfn(at)] == ~0ul ? 0x1000 : m2p()[va_to_mfn(at)];
    const uint64_t *words = at;

    CHECK_EQ(reserve(XENMEM_populate_physmap, &frame), 1, "populate_physmap");
    CHECK_EQ(update_va_mapping((uintptr_t)at, frame << PAGE_SHIFT | PTE_P | PTE_RW, UVMF_INVLPG), 0,
             "mapping the new frame");
    for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*words); i++)
        CHECK_EQ(words[i], 0, "word %u of a new frame", i);
}

static void check_mapped(void)
{
    uint8_t *page = page_alloc();
    uint64_t value;

    memset(page, 0x5a, PAGE_SIZE);
    give(page);
    /* Whether it can still be reached is the guest's affair, not what it finds. */
    if (try_read(page, &value))
        CHECK_EQ(value, 0, "content of a frame that was given back");
    try_write(page, 1);
    CHECK(update_va_mapping((uintptr_t)page, va_to_mfn(page) << PAGE_SHIFT | PTE_P, UVMF_INVLPG) <
              0,
          "a frame that was given back can be mapped");
    CHECK_EQ(update_va_mapping((uintptr_t)page, 0, UVMF_INVLPG), 0, "unmap");
}

static void check_new_is_empty(void)
{
    uint8_t *page = page_alloc();

    memset(page, 0xa5, PAGE_SIZE);
    CHECK_EQ(remap(page, 0), 0, "unmap");
    give(page);
    take(page);
}

/* mov $7, %eax; ret */
static const uint8_t seven[] = {0xb8, 7, 0, 0, 0, 0xc3};

static void check_code(void)
{
    uint8_t *page = page_alloc();
    int (*function)(void) = (int (*)(void))(uintptr_t)page;

    memcpy(page, seven, sizeof(seven));
    CHECK_EQ(function(), 7, "code");
    CHECK_EQ(remap(page, 0), 0, "unmap");
    give(page);
    take(page);
    memcpy(page, seven, sizeof(seven));
    page[1] = 8;
    CHECK_EQ(function(), 8, "new code in a new frame");
}

static void check_granted(void)
{
    volatile grant_entry_v1_t *table = (volatile void *)TABLE;
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_copy copy = {.len = 16, .flags = GNTCOPY_source_gref};
    uint8_t *page = page_alloc(), *other = page_alloc();
    uint64_t frame;

    set_xen_guest_handle(setup.frame_list, &frame);
    CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0, "setup_table");
    CHECK_EQ(map(TABLE, frame, PTE_P | PTE_RW), 0, "mapping the table");
    table[GREF].domid = copy.source.domid = own_domid();
    table[GREF].frame = (uint32_t)va_to_mfn(page);
    barrier();
    table[GREF].flags = GTF_permit_access;
    copy.source.u.ref = GREF;
    copy.dest.domid = DOMID_SELF;
    copy.dest.u.gmfn = va_to_mfn(other);
    memset(page, 0x77, PAGE_SIZE);
    CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0, "copy");
    CHECK_EQ(copy.status, GNTST_okay, "its status");
    CHECK_EQ(other[15], 0x77, "what was copied");
    give(page);
    CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0, "copy");
    CHECK(copy.status != GNTST_okay, "a granted frame that was given back can be read");
    copy.flags = GNTCOPY_dest_gref;
    copy.dest.domid = copy.source.domid;
    copy.dest.u.ref = GREF;
    copy.source.domid = DOMID_SELF;
    copy.source.u.gmfn = va_to_mfn(other);
    CHECK_EQ(grant_table_op(GNTTABOP_copy, &copy, 1), 0, "copy");
    CHECK(copy.status != GNTST_okay, "a granted frame that was given back can be written");
    table[GREF].flags = 0;
}

static void check_areas(void)
{
    struct vcpu_register_runstate_memory_area area;
    uint8_t *page = page_alloc();

    area.addr.p = (uint64_t)(uintptr_t)page;
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), 0, "register area");
    give(page);
    spin_ns(5000000);
    sched_op(SCHEDOP_yield, NULL);
    area.addr.p = 0;
    vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
}

static void check_gdt(void)
{
    uint64_t *page = page_alloc();
    uint64_t frame = va_to_mfn(page);

    CHECK_EQ(remap(page, PTE_P), 0, "read-only");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 512), 0, "set_gdt");
    give(page);
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%fs") : : "r"(8) : "memory");
    CHECK(last_trap.vector == 13 || last_trap.vector == 11, "vector %ld", last_trap.vector);
    asm volatile("mov %0, %%fs" : : "r"(0));
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 0), 0, "no gdt");
}

static void check_store_ring(void)
{
    struct evtchn_send send = {.port = start_info->store_evtchn};
    uint64_t frame = start_info->store_mfn;

    CHECK_EQ(reserve(XENMEM_decrease_reservation, &frame), 1, "giving the store's ring");
    for (unsigned int i = 0; i < 100; i++)
        event_channel_op(EVTCHNOP_send, &send);
    frame = start_info->console.domU.mfn;
    CHECK(reserve(XENMEM_populate_physmap, &frame) == 1, "populate_physmap");
}

static void check_everything_else(void)
{
    domid_t self = DOMID_SELF;
    uint64_t before = (uint64_t)memory_op(XENMEM_current_reservation, &self);
    uint64_t given = 0, frame;

    /* All that is not in the first mapping: nothing that this kernel stands on. */
    for (uint64_t pfn = start_info->nr_pages / 2; pfn < start_info->nr_pages; pfn++) {
        frame = pfn;
        given += (uint64_t)reserve(XENMEM_decrease_reservation, &frame);
    }
    CHECK(given > 1000, "only %lu frames given", (long)given);
    CHECK_EQ(memory_op(XENMEM_current_reservation, &self), before - given, "reservation");
}

void test_main(void)
{
    check_mapped();
    check_new_is_empty();
    check_code();
    check_granted();
    check_areas();
    check_gdt();
    check_store_ring();
    check_everything_else();
}
