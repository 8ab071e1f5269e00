/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp-grants - claim: when unmapping or replacing a grant has returned, no vCPU reads or writes
 * through the old mapping any more; grants can be mapped on one vCPU and unmapped on another.
 *
 * Another vCPU writes its round's number to the window all the time. After the unmapping the
 * granted page must not change again.
 */
#include "guest.h"

#define TABLE 0x70000000ul
#define WINDOW 0xffffffffc0000000ul
#define REF 9
#define ROUNDS 30
#define OTHER 1

static volatile grant_entry_v1_t *const table = (void *)TABLE;
static volatile unsigned long *granted, *spare;
static volatile unsigned long written, stop, done;

static void set_up(void)
{
    static uint64_t list[1];
    struct gnttab_setup_table arg = {.dom = DOMID_SELF, .nr_frames = 1};

    set_xen_guest_handle(arg.frame_list, list);
    if (grant_table_op(GNTTABOP_setup_table, &arg, 1) || map(TABLE, list[0], PTE_P | PTE_RW))
        error("no grant table");
    granted = page_alloc();
    spare = page_alloc();
    map(WINDOW, va_to_mfn((void *)spare), PTE_P);
    unmap(WINDOW);
    map(WINDOW + PAGE_SIZE, va_to_mfn((void *)spare), PTE_P | PTE_RW);
    table[REF].domid = own_domid();
    table[REF].frame = (uint32_t)va_to_mfn((void *)granted);
    table[REF].flags = GTF_permit_access;
}

static void keep_writing(unsigned int id)
{
    unsigned long n = 0;

    while (!stop) {
        if (try_write((void *)WINDOW, ++n))
            written++;
    }
    done = 1;
}

static int16_t unmap_grant(grant_handle_t handle, bool replace)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = WINDOW, .handle = handle};
    struct gnttab_unmap_and_replace other = {
        .host_addr = WINDOW, .new_addr = WINDOW + PAGE_SIZE, .handle = handle};

    if (!replace) {
        CHECK_EQ(grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1), 0, "unmap_grant_ref");
        return op.status;
    }
    CHECK_EQ(grant_table_op(GNTTABOP_unmap_and_replace, &other, 1), 0, "unmap_and_replace");
    map(WINDOW + PAGE_SIZE, va_to_mfn((void *)spare), PTE_P | PTE_RW);
    return other.status;
}

static void one_round(unsigned int round)
{
    struct gnttab_map_grant_ref op = {.host_addr = WINDOW, .flags = GNTMAP_host_map, .ref = REF};
    unsigned long before = written, last;

    op.dom = own_domid();
    CHECK_EQ(grant_table_op(GNTTABOP_map_grant_ref, &op, 1), 0, "map_grant_ref");
    CHECK_EQ(op.status, 0, "its status in round %u", round);
    CHECK(wait_for(&written, before + 3, 5 * SECOND), "the other vCPU writes nothing");
    CHECK_EQ(unmap_grant(op.handle, round % 2), 0, "unmapping in round %u", round);
    last = *granted;
    spin_ns(300000);
    CHECK_EQ(*granted, last, "the page after its unmapping in round %u", round);
    unmap(WINDOW);
}

void test_main(void)
{
    if (count_vcpus() < 2) {
        skip("one vCPU only");
        return;
    }
    set_up();
    vcpu_start(OTHER, keep_writing);
    for (unsigned int round = 0; round < ROUNDS; round++)
        one_round(round);
    stop = 1;
    CHECK(wait_for(&done, 1, 5 * SECOND), "the other vCPU does not end");
}
