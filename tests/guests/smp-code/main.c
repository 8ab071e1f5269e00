/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp-code - claim: code that one vCPU changes while others run it takes effect there when they
 * have been told by an event: changed in place, through another mapping, or by hypercall. Data
 * in the same page as code that another vCPU runs can be written, and both get on.
 *
 * Blind spots: patching of several bytes at once under a running vCPU (kernels use int3);
 * user code.
 */
#include "guest.h"

#define ALIAS 0xffffffffc0000000ul
#define ROUNDS 25

static uint8_t *page;
static volatile unsigned long told[MAX_VCPUS]; /* the least that its calls may return */
static volatile unsigned long calls[MAX_VCPUS], wrong, value;
static volatile bool stop;
static long port[MAX_VCPUS];
static unsigned int others;

/* mov $number, %eax; ret. Aligned, so that the number changes at once. */
static void put_function(uint8_t *at, uint32_t number)
{
    at[3] = 0xb8;
    at[8] = 0xc3;
    __atomic_store_n((uint32_t *)(at + 4), number, __ATOMIC_SEQ_CST);
}

static uint32_t call(void)
{
    return ((uint32_t(*)(void))(uintptr_t)(page + 3))();
}

static void run(unsigned int id)
{
    while (!stop) {
        unsigned long least = told[id];

        if (call() < least)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
        calls[id]++;
    }
}

/* All others have taken an event that was sent after the change. */
static void tell_others(unsigned long number)
{
    unsigned long before[MAX_VCPUS];

    for (unsigned int id = 1; id <= others; id++) {
        before[id] = event_count[port[id]];
        event_send((unsigned int)port[id]);
    }
    for (unsigned int id = 1; id <= others; id++) {
        unsigned long had = calls[id];

        if (!wait_for(&event_count[port[id]], before[id] + 1, 2 * SECOND) ||
            !wait_for(&calls[id], had + 1, 2 * SECOND))
            failure("%lu: vcpu %u does not get on", number, id);
        told[id] = number;
    }
}

static void check_patching(const char *how, void (*patch)(uint32_t number))
{
    wrong = 0;
    for (unsigned int i = 0; i < ROUNDS; i++) {
        value++;
        patch((uint32_t)value);
        CHECK_EQ(call(), value, "%s: the own call", how);
        tell_others(value);
    }
    CHECK_EQ(wrong, 0, "%s: calls of old code", how);
}

static void in_place(uint32_t number)
{
    put_function(page, number);
}

static void through_alias(uint32_t number)
{
    put_function((uint8_t *)ALIAS, number);
}

static void by_hypercall(uint32_t number)
{
    mmu_update_t req = {.ptr = va_to_maddr(page), .val = 0xb8000000ul | (uint64_t)number << 32};

    if (mmu_update(&req, 1, NULL))
        error("mmu_update failed");
}

/* Stores next to code that the others run. */
static void check_neighbours(void)
{
    volatile unsigned long *data = (volatile unsigned long *)(page + 2048);
    unsigned long before[MAX_VCPUS];

    for (unsigned int id = 1; id <= others; id++)
        before[id] = calls[id];
    for (unsigned long i = 1; i <= 500; i++) {
        *data = i;
        if (i % 100 == 0)
            sched_op(SCHEDOP_yield, NULL);
        CHECK_EQ(*data, i, "data next to code");
    }
    for (unsigned int id = 1; id <= others; id++)
        CHECK(wait_for(&calls[id], before[id] + 100, 2 * SECOND), "vcpu %u: %lu calls only", id,
              calls[id] - before[id]);
}

void test_main(void)
{
    unsigned int n = count_vcpus();

    if (n < 2) {
        skip("needs two vCPUs");
        return;
    }
    others = n - 1;
    page = page_alloc();
    put_function(page, 0);
    if (map(ALIAS, va_to_mfn(page), PTE_P | PTE_RW)) {
        error("cannot map");
        return;
    }
    for (unsigned int id = 1; id < n; id++) {
        port[id] = bind_ipi_to(id);
        vcpu_start(id, run);
    }
    for (unsigned int id = 1; id < n; id++)
        CHECK(wait_for(&calls[id], 1, 2 * SECOND), "vcpu %u did not start", id);
    check_patching("in place", in_place);
    check_patching("through an alias", through_alias);
    check_patching("by hypercall", by_hypercall);
    check_neighbours();
    stop = true;
}
