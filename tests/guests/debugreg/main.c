/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * debugreg - claim: debug registers can be set and read by hypercall and by instruction, and
 * bad values are refused with Xen's errors.
 *
 * Blind spots: breakpoints (see breakpoints); DR6 after a single step (see single-step).
 */
#include "guest.h"

static long set(unsigned int reg, uint64_t value)
{
    return hypercall2(__HYPERVISOR_set_debugreg, reg, value);
}

static uint64_t get(unsigned int reg)
{
    return (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, reg);
}

static void check_values(void)
{
    uint64_t value;

    CHECK_EQ(get(6), 0xffff0ff0, "dr6 at start");
    CHECK_EQ(get(7), 0x400, "dr7 at start");
    for (unsigned int i = 0; i < 4; i++) {
        CHECK_EQ(set(i, 0xffffffff80000000 + i), 0, "set dr%u", i);
        CHECK_EQ(get(i), 0xffffffff80000000 + i, "dr%u", i);
    }
    asm volatile("mov %%dr1, %0" : "=r"(value));
    CHECK_EQ(value, 0xffffffff80000001, "dr1 by instruction");
    asm volatile("mov %0, %%dr1" : : "r"(0x1000ul));
    CHECK_EQ(get(1), 0x1000, "dr1 after an instruction");
    CHECK_EQ(set(0, 0x0000800000000000), -XEN_EPERM, "non-canonical address");
    CHECK_EQ(set(0, 0xffff800000000000), -XEN_EPERM, "an address in Xen's hole");
    CHECK_EQ(set(7, 1ull << 32), -XEN_EINVAL, "upper half of dr7");
    CHECK_EQ(set(6, 1ull << 32), -XEN_EINVAL, "upper half of dr6");
    CHECK(set(7, 0x2000) != 0, "DR7.GD is accepted");
    CHECK_EQ(set(9, 0), -XEN_ENODEV, "dr9");
    CHECK_EQ(get(9), -XEN_ENODEV, "dr9");
    for (unsigned int i = 0; i < 4; i++)
        set(i, 0);
}

void test_main(void)
{
    check_values();
}
