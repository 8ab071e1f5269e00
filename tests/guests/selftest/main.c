/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * selftest - claim: the test library itself works here: text reaches the console, expected
 * faults are caught with their details, memory can be mapped, time passes, events arrive.
 * Everything else builds upon this; a failure here makes the other results meaningless.
 *
 * Blind spots: only the simplest case of each.
 */
#include "guest.h"

static void check_faults(void)
{
    uint64_t value;

    trap_reset();
    asm volatile(EX_TRY("ud2"));
    CHECK_EQ(last_trap.vector, 6, "ud2");
    CHECK(!try_read((void *)NOWHERE, NULL), "reading unmapped memory did not fault");
    CHECK_EQ(last_trap.vector, 14, "read of nothing");
    CHECK_EQ(last_trap.cr2, NOWHERE, "cr2");
    value = 0;
    CHECK(try_read("x", &value) && value == 'x', "reading mapped memory");
}

static void check_memory(void)
{
    uint8_t *page = page_alloc();
    volatile uint8_t *window = (volatile uint8_t *)0x10000000;

    page[5] = 42;
    CHECK_EQ(map((uintptr_t)window, va_to_mfn(page), PTE_P | PTE_RW), 0, "map");
    CHECK_EQ(window[5], 42, "byte through the second mapping");
    window[6] = 43;
    CHECK_EQ(page[6], 43, "byte written through the second mapping");
    CHECK_EQ(unmap((uintptr_t)window), 0, "unmap");
    CHECK(!try_read(window, NULL), "readable after unmap");
}

void test_main(void)
{
    uint64_t before = now();
    long port;

    print("numbers: %d %u 0x%x %05d %s\n", -1, 2u, 0xabcu, 42, "text");
    check_faults();
    check_memory();
    spin_ns(1000000);
    CHECK(now() - before >= 1000000, "time stands still");
    port = bind_ipi();
    CHECK(port > 0, "bind_ipi: %ld", port);
    if (port > 0) {
        CHECK_EQ(event_send((unsigned int)port), 0, "send");
        CHECK_EQ(event_count[port], 1, "upcalls for the port");
    }
}
