/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp-tables - claim: what one vCPU changes in the kernel's page tables is what all vCPUs use once
 * a flush of all has returned: entries of level 1 by mmu_update and by a store to the table, those
 * of levels 2 and 3 by mmu_update; many times in a row, whichever vCPU does it, and when tables
 * are changed in turn.
 *
 * Two frames change places under an address that another vCPU reads all the time. Each holds the
 * number of the round since when it has been valid.
 *
 * Blind spots: level 4; more than two vCPUs that change tables at once.
 */
#include "guest.h"

#define VA 0xffffffffc0000000ul
#define ROUNDS 60
#define OTHER 1

enum how { LEVEL_1, STORE, LEVEL_2, LEVEL_3, HOWS };

static volatile unsigned long *frames[2]; /* by an address of their own */
static volatile unsigned long epoch, reads, stale, stop, updates_done;
static uint64_t *l1[2], *l2[2]; /* [n]: VA leads to frames[n] by it */
static uint64_t *l3;

static void update(uint64_t *entry, uint64_t value)
{
    mmu_update_t u = {.ptr = va_to_maddr(entry) | MMU_NORMAL_PT_UPDATE, .val = value};

    if (mmu_update(&u, 1, NULL))
        error("mmu_update failed");
}

static uint64_t entry_for(const volatile void *page)
{
    return va_to_mfn((const void *)page) << PAGE_SHIFT | PTE_P | PTE_RW | PTE_A | PTE_D;
}

static void flush_all(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_ALL};

    if (mmuext_op(&op, 1, NULL))
        error("MMUEXT_TLB_FLUSH_ALL failed");
}

/* Let VA lead to frames[n]. Stores and level 1 change the tables of [0]. A store to a table is one
 * only while the table is in use: then it comes last. */
static void switch_to(unsigned int n, enum how how)
{
    unsigned int first = how == LEVEL_1 ? n : 0;

    if (how != STORE)
        update(&l1[0][0], entry_for(frames[first]));
    update(&l2[0][0], entry_for(l1[how == LEVEL_2 ? n : 0]) & ~PTE_D);
    update(&l3[511], entry_for(l2[how == LEVEL_3 ? n : 0]) & ~PTE_D);
    if (how == STORE)
        *(volatile uint64_t *)&l1[0][0] = entry_for(frames[n]);
    flush_all();
}

static void read_on(unsigned int id)
{
    while (!stop) {
        unsigned long least = epoch;

        if (*(volatile unsigned long *)VA < least)
            stale++;
        reads++;
    }
}

static void rounds(enum how first, enum how last)
{
    for (unsigned long i = 0; i < ROUNDS; i++) {
        unsigned long before = reads;
        unsigned int n = i & 1;

        frames[n][0] = epoch + 1;
        switch_to(n, i / 2 % 2 ? first : last);
        if (*(volatile unsigned long *)VA != epoch + 1)
            failure("ways %u and %u, round %lu: the vCPU's own translation", first, last, i);
        epoch++;
        if (!wait_for(&reads, before + 2, SECOND)) {
            failure("ways %u and %u, round %lu: the other vCPU does not run", first, last, i);
            return;
        }
    }
}

static void update_on(unsigned int id)
{
    for (enum how how = 0; how < HOWS; how++)
        rounds(how, how);
    for (enum how how = 0; how < HOWS; how++)
        rounds(how, (how + 1) % HOWS);
    updates_done = 1;
    stop = 1;
}

static void *copy_of(const void *page)
{
    void *copy = page_alloc();

    memcpy(copy, page, PAGE_SIZE);
    return copy;
}

static void make_tables(void)
{
    l1[0] = (uint64_t *)((uintptr_t)pte_of(VA, 1) & ~(PAGE_SIZE - 1));
    l2[0] = (uint64_t *)((uintptr_t)pte_of(VA, 2) & ~(PAGE_SIZE - 1));
    l3 = (uint64_t *)((uintptr_t)pte_of(VA, 3) & ~(PAGE_SIZE - 1));
    l1[1] = copy_of(l1[0]);
    l1[1][0] = entry_for(frames[1]);
    l2[1] = copy_of(l2[0]);
    l2[1][0] = entry_for(l1[1]) & ~PTE_D;
    CHECK_EQ(remap(l1[1], PTE_P), 0, "a table read-only");
    CHECK_EQ(remap(l2[1], PTE_P), 0, "a table read-only");
}

void test_main(void)
{
    if (count_vcpus() < 2) {
        skip("needs two vCPUs");
        return;
    }
    frames[0] = page_alloc();
    frames[1] = page_alloc();
    if (map(VA, va_to_mfn((void *)frames[0]), PTE_P | PTE_RW) ||
        hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables)) {
        error("cannot map");
        return;
    }
    make_tables();
    vcpu_start(OTHER, read_on);
    update_on(0);
    vcpu_wait_down(OTHER);
    CHECK_EQ(stale, 0, "stale reads of the other vCPU");
    updates_done = stop = stale = 0;
    vcpu_resume(OTHER, update_on);
    read_on(0);
    CHECK_EQ(updates_done, 1, "updates of the other vCPU");
    CHECK_EQ(stale, 0, "stale reads of the first vCPU");
    vcpu_wait_down(OTHER);
}
