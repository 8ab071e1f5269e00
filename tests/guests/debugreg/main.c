/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * debugreg - claim: debug registers can be set and read by hypercall and by instruction, bad
 * values are refused with Xen's errors, and a data and an instruction breakpoint in kernel
 * code raise #DB with the right dr6.
 *
 * Blind spots: breakpoints in user mode, I/O breakpoints, RF.
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

static volatile unsigned long hits;
static uint64_t hit_dr6, hit_rip;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector != 1)
        return false;
    hits++;
    hit_dr6 = get(6);
    hit_rip = frame->rip;
    set(6, 0xffff0ff0);
    set(7, 0x400);
    return true;
}

static void check_breakpoints(void)
{
    static volatile uint64_t watched;
    extern char break_here[];

    trap_hook = hook;
    set(0, (uintptr_t)&watched);
    CHECK_EQ(set(7, 0x400 | 1 | 1u << 16 | 3u << 18), 0, "dr7: write to 4 bytes");
    asm volatile("" ::: "memory");
    watched = 1;
    CHECK_EQ(hits, 1, "hits of a data breakpoint");
    CHECK_EQ(hit_dr6 & 0xf, 1, "dr6");
    set(1, (uintptr_t)break_here);
    set(7, 0x400 | 1u << 2);
    hits = 0;
    asm volatile("nop\n break_here: nop\n nop\n");
    CHECK_EQ(hits, 1, "hits of an instruction breakpoint");
    CHECK_EQ(hit_rip, (uintptr_t)break_here, "its rip");
    CHECK_EQ(hit_dr6 & 0xf, 2, "dr6");
    set(7, 0x400);
    trap_hook = NULL;
}

void test_main(void)
{
    check_values();
    check_breakpoints();
}
