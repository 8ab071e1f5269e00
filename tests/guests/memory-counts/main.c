/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory-counts - claim: the letter of ABI 3.6. Reservation calls return how many extents were
 * done and never an error: bad domains, lists that end in a hole, orders, extents in a row,
 * the start extent in the command's upper bits, frames that are not the guest's in the middle.
 * exchange swaps frames and counts also when it fails. The rest gives its exact answer.
 *
 * Blind spots: limits (see memory-op); huge counts (see huge-counts).
 */
#include "guest.h"

#define CONTINUE_AT(n) ((unsigned int)(n) << 6)
#define OTHER_DOMAIN 0x1234
#define SOME 8

static uint64_t pfns[SOME], mfns[SOME];
static domid_t self = DOMID_SELF;

static struct xen_memory_reservation reservation(uint64_t *frames, uint64_t count,
                                                 unsigned int order)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return r;
}

static long owned(void)
{
    return memory_op(XENMEM_current_reservation, &self);
}

/* Eight unmapped frames that can be given back, from a frame number that is a multiple of 8. */
static void take_some(void)
{
    void *page = page_alloc();

    while (va_to_mfn(page) % SOME)
        page = page_alloc();
    for (unsigned int i = 0; i < SOME; i++) {
        if (i)
            page = page_alloc();
        mfns[i] = va_to_mfn(page);
        pfns[i] = m2p()[mfns[i]];
        remap(page, 0);
    }
}

static void check_decrease(void)
{
    struct xen_memory_reservation r = reservation(mfns, SOME, 0);
    uint64_t list[4] = {mfns[0], mfns[1], 0x7ffffffful, mfns[2]};
    long before = owned();

    r.domid = OTHER_DOMAIN;
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 0, "decrease for another domain");
    r.domid = DOMID_SELF;
    CHECK_EQ(memory_op(XENMEM_decrease_reservation | CONTINUE_AT(SOME), &r), SOME,
             "decrease that starts at its end");
    CHECK_EQ(owned(), before, "frames after that");
    r = reservation(list, 4, 0);
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 2, "decrease with a bad frame");
    CHECK_EQ(owned(), before - 2, "frames after it");
    r = reservation(&mfns[2], SOME - 2, 0);
    CHECK_EQ(memory_op(XENMEM_decrease_reservation | CONTINUE_AT(1), &r), SOME - 2,
             "decrease from the second on");
    CHECK_EQ(owned(), before - 7, "frames after it");
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1, "then the first, and no more");
    CHECK_EQ(owned(), before - 8, "frames after it");
    CHECK(m2p()[mfns[3]] != pfns[3], "m2p of a frame that was given back");
}

static void check_populate(void)
{
    uint64_t list[SOME], *edge = (uint64_t *)(0x40000000 + PAGE_SIZE) - 3;
    struct xen_memory_reservation r = reservation(list, SOME, 0);
    long before = owned();

    memcpy(list, pfns, sizeof(list));
    r.domid = OTHER_DOMAIN;
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 0, "populate for another domain");
    r.domid = DOMID_SELF;
    r.nr_extents = 2;
    CHECK_EQ(memory_op(XENMEM_populate_physmap | CONTINUE_AT(1), &r), 2,
             "populate from the second");
    CHECK_EQ(owned(), before + 1, "frames after it");
    CHECK_EQ(list[0], pfns[0], "the first entry");
    CHECK_EQ(m2p()[list[1]], pfns[1], "m2p of the second");
    r.nr_extents = 0;
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 0, "populate of nothing");
    map((uintptr_t)edge & ~(PAGE_SIZE - 1), va_to_mfn(page_alloc()), PTE_P | PTE_RW);
    edge[0] = pfns[2], edge[1] = pfns[3], edge[2] = pfns[4];
    r = reservation(edge, 5, 0);
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 3, "a list that ends in a hole");
    CHECK_EQ(owned(), before + 4, "frames after it");
    for (unsigned int i = 0; i < 3; i++)
        CHECK_EQ(m2p()[edge[i]], pfns[i + 2], "m2p of frame %u of it", i);
    r = reservation(list, 1, 40);
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 0, "order 40");
    r = reservation(list, 1, ~0u);
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 0, "order ~0");
    r = reservation(NULL, 1, 0);
    CHECK_EQ(memory_op(XENMEM_increase_reservation, &r), 1, "increase without a list");
    CHECK_EQ(owned(), before + 5, "frames after it");
    list[0] = 0;
    r = reservation(list, 1, 0);
    CHECK_EQ(memory_op(XENMEM_increase_reservation, &r), 1, "increase with a list");
    CHECK(list[0] != 0, "the frame that it gave");
    CHECK_EQ(update_va_mapping(0x40000000, list[0] << PAGE_SHIFT | PTE_P | PTE_RW, UVMF_INVLPG), 0,
             "it can be mapped");
    update_va_mapping(0x40000000, 0, UVMF_INVLPG);
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1, "and given back");
}

/* Eight frames in a row go as one extent of order 3; one of order 0 more than once. */
static void check_orders(void)
{
    uint64_t extent;
    struct xen_memory_reservation r = reservation(&extent, 1, 3);
    long before = owned();

    take_some();
    for (unsigned int i = 1; i < SOME; i++) {
        if (mfns[i] != mfns[0] + i) {
            print("frames are not consecutive, orders are not looked at\n");
            return;
        }
    }
    extent = mfns[0];
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1, "decrease of order 3");
    CHECK_EQ(owned(), before - 8, "frames after it");
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 0, "the same again");
    extent = pfns[0];
    CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1, "populate of order 3");
    CHECK_EQ(owned(), before, "frames after it");
    for (unsigned int i = 0; i < SOME; i++)
        CHECK_EQ(m2p()[extent + i], pfns[0] + i, "m2p of frame %u of it", i);
    extent += 1ul << 20; /* reaches out of the memory there is */
    CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 0, "an extent beyond the memory");
}

static void check_exchange(void)
{
    uint64_t in[2], out[2];
    struct xen_memory_exchange x = {.in = reservation(in, 2, 0), .out = reservation(out, 2, 0)};
    long before = owned(), rc;

    take_some();
    memcpy(in, mfns, sizeof(in));
    memcpy(out, pfns, sizeof(out));
    rc = memory_op(XENMEM_exchange, &x);
    if (rc == -XEN_ENOSYS || rc == -XEN_EPERM) {
        CHECK_EQ(x.nr_exchanged, 0, "nr_exchanged of a refused exchange");
        return;
    }
    CHECK_EQ(rc, 0, "exchange");
    CHECK_EQ(x.nr_exchanged, 2, "nr_exchanged");
    CHECK_EQ(owned(), before, "frames after it");
    CHECK(m2p()[out[0]] == pfns[0] && m2p()[out[1]] == pfns[1], "m2p of the new frames");
    in[0] = mfns[2];
    in[1] = 0x7ffffffful;
    out[0] = pfns[2], out[1] = pfns[3];
    x.nr_exchanged = 0;
    CHECK(memory_op(XENMEM_exchange, &x) < 0, "exchange of no frame");
    CHECK_EQ(x.nr_exchanged, 1, "nr_exchanged of it");
    x.nr_exchanged = 3;
    CHECK(memory_op(XENMEM_exchange, &x) < 0, "more exchanged than there are");
    x.nr_exchanged = 0;
    x.in.domid = OTHER_DOMAIN;
    rc = memory_op(XENMEM_exchange, &x);
    CHECK(rc < 0, "exchange of another domain: %ld", rc);
    x.in.domid = DOMID_SELF;
    x.out.nr_extents = 3;
    CHECK(memory_op(XENMEM_exchange, &x) < 0, "different sizes");
}

static void check_questions(void)
{
    static const unsigned int sizes[] = {XENMEM_current_reservation, XENMEM_maximum_reservation,
                                         XENMEM_maximum_gpfn};
    static const struct {
        unsigned int cmd;
        long rc;
    } exact[] = {
        {XENMEM_add_to_physmap, -XEN_EACCES},
        {XENMEM_machine_memory_map, -XEN_EPERM},
        {16, -XEN_EINVAL},
        {17, -XEN_EINVAL},
        {8, -XEN_ENOSYS},
        {40, -XEN_ENOSYS},
        {63, -XEN_ENOSYS},
    };
    static const unsigned int refused[] = {XENMEM_set_memory_map, 24, 28};
    static uint64_t zeros[64];

    for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
        domid_t other = OTHER_DOMAIN;
        long rc = memory_op(sizes[i], &other);

        CHECK(rc == -XEN_ESRCH || rc == -XEN_EPERM, "size %u of another domain: %ld", sizes[i], rc);
        CHECK_EQ(memory_op(sizes[i], (void *)NOWHERE), -XEN_EFAULT, "size %u at no address",
                 sizes[i]);
    }
    CHECK(memory_op(XENMEM_current_reservation, &self) > 0, "current_reservation");
    CHECK(memory_op(XENMEM_maximum_reservation, &self) > 0, "maximum_reservation");
    CHECK(memory_op(26, zeros) < 0, "virtual NUMA");
    for (unsigned int i = 0; i < ARRAY_SIZE(exact); i++)
        CHECK_EQ(memory_op(exact[i].cmd, zeros), exact[i].rc, "operation %u", exact[i].cmd);
    for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
        long rc = memory_op(refused[i], zeros);

        CHECK(rc == -XEN_EPERM || rc == -XEN_ENOSYS, "operation %u: %ld", refused[i], rc);
    }
    CHECK_EQ(memory_op(XENMEM_machphys_mapping, (void *)NOWHERE), -XEN_EFAULT, "machphys_mapping");
    CHECK_EQ(memory_op(XENMEM_memory_map, (void *)NOWHERE), -XEN_EFAULT, "memory_map");
}

static void check_memory_map(void)
{
    static uint8_t buffer[20 * 4 + 1];
    struct xen_memory_map map = {.nr_entries = 4};
    unsigned long dirty = 0;

    memset(buffer, 0xee, sizeof(buffer));
    set_xen_guest_handle(map.buffer, (void *)buffer);
    CHECK_EQ(memory_op(XENMEM_memory_map, &map), 0, "memory_map");
    for (unsigned int i = map.nr_entries * 20; i < sizeof(buffer); i++)
        dirty += buffer[i] != 0xee;
    CHECK_EQ(dirty, 0, "bytes written behind %u entries", map.nr_entries);
    for (unsigned int i = 0; i < map.nr_entries; i++) {
        const uint64_t *e = (const uint64_t *)(buffer + 20 * i);

        CHECK(e[1] && !(e[0] % PAGE_SIZE) && !(e[1] % PAGE_SIZE), "entry %u: %lx, %lx", i, e[0],
              e[1]);
    }
    const long pages = (long)(*(uint64_t *)(buffer + 8) >> PAGE_SHIFT);
    CHECK(pages >= (long)start_info->nr_pages &&
              pages <= memory_op(XENMEM_maximum_reservation, &self),
          "%ld pages of RAM in the first entry", pages);
    map.nr_entries = 0;
    memset(buffer, 0xee, sizeof(buffer));
    memory_op(XENMEM_memory_map, &map);
    CHECK_EQ(buffer[0], 0xee, "written into a map of no entries");
    map.nr_entries = 4;
    set_xen_guest_handle(map.buffer, (void *)NOWHERE);
    CHECK_EQ(memory_op(XENMEM_memory_map, &map), -XEN_EFAULT, "a buffer at no address");
}

void test_main(void)
{
    take_some();
    check_decrease();
    check_populate();
    check_orders();
    check_exchange();
    check_questions();
    check_memory_map();
}
