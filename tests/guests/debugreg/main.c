/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * debugreg - claim: debug registers can be set and read by hypercall and by instruction, and
 * bad values are refused with Xen's errors, which an instruction makes #GP(0), or #UD for dr4 and
 * dr5 while CR4.DE is set; else these are other names of dr6 and dr7. The reserved bits of dr6
 * and dr7 keep their values whatever is written. A breakpoint on ports needs CR4.DE. For programs
 * they are all #GP(0).
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

#define CR4_DE 8ul
#define PORT_BREAKPOINT 0x00020001ul /* dr0 on a port, enabled */

static void set_de(bool on)
{
    uint64_t cr4;

    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 = on ? cr4 | CR4_DE : cr4 & ~CR4_DE;
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
}

static void check_reserved_bits(void)
{
    static const struct {
        uint64_t value, dr6, dr7;
    } sets[] = {
        {0, 0xffff0ff0, 0x400},
        {0xf00f, 0xffffefff, 0x400},
        {0x1000, 0xffff0ff0, 0x400},
        {0xfffff000 & ~0x2000ul, 0xffffcff0, 0xffff0400},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(sets); i++) {
        CHECK_EQ(set(6, sets[i].value), 0, "dr6 of 0x%lx", sets[i].value);
        CHECK_EQ(get(6), sets[i].dr6, "what it reads after 0x%lx", sets[i].value);
        CHECK_EQ(set(7, sets[i].value & ~0x200ful), 0, "dr7 of 0x%lx", sets[i].value);
        CHECK_EQ(get(7), sets[i].dr7, "what it reads after 0x%lx", sets[i].value);
    }
    CHECK_EQ(set(7, 0x2000), -XEN_EPERM, "DR7.GD");
    CHECK_EQ(set(7, PORT_BREAKPOINT), -XEN_EPERM, "a breakpoint on a port without DE");
    CHECK_EQ(set(7, PORT_BREAKPOINT & ~1ul), 0, "the same, not enabled");
    set(7, 0);
    set(6, 0);
}

static void check_aliases(void)
{
    CHECK_EQ(get(4), get(6), "dr4");
    CHECK_EQ(get(5), get(7), "dr5");
    CHECK_EQ(set(4, 1), 0, "setting dr4");
    CHECK_EQ(get(6), 0xffff0ff1, "dr6 after that");
    CHECK_EQ(set(5, 0x300), 0, "setting dr5");
    CHECK_EQ(get(7), 0x700, "dr7 after that");
    set_de(true);
    CHECK_EQ(set(4, 0), -XEN_ENODEV, "setting dr4 with DE");
    CHECK_EQ(set(5, 0), -XEN_ENODEV, "setting dr5 with DE");
    CHECK_EQ(get(4), -XEN_ENODEV, "dr4 with DE");
    CHECK_EQ(get(5), -XEN_ENODEV, "dr5 with DE");
    CHECK_EQ(set(7, PORT_BREAKPOINT), 0, "a breakpoint on a port with DE");
    CHECK_EQ(get(7), PORT_BREAKPOINT | 0x400, "dr7 with it");
    set(7, 0);
    set_de(false);
    set(6, 0);
}

/* The vector of mov to the register. */
#define WRITE(reg, value)                                                                          \
    ({                                                                                             \
        trap_reset();                                                                              \
        asm volatile(EX_TRY("mov %0, %%db" #reg) : : "r"((uint64_t)(value)));                      \
        last_trap.error ? -2 : last_trap.vector;                                                   \
    })

static void check_instructions(void)
{
    uint64_t value;

    CHECK_EQ(WRITE(0, 0x800000000000), 13, "mov to dr0, not canonical");
    CHECK_EQ(WRITE(3, 0xffff800000000000), 13, "mov to dr3, in Xen's hole");
    CHECK_EQ(WRITE(6, 1ul << 32), 13, "mov to dr6, upper half");
    CHECK_EQ(WRITE(7, 1ul << 63), 13, "mov to dr7, upper half");
    CHECK_EQ(WRITE(7, 0x2000), 13, "mov to dr7, GD");
    CHECK_EQ(WRITE(4, 2), -1, "mov to dr4");
    asm volatile("mov %%db6, %0" : "=r"(value));
    CHECK_EQ(value, 0xffff0ff2, "dr6 after that");
    set_de(true);
    CHECK_EQ(WRITE(4, 0), 6, "mov to dr4 with DE");
    CHECK_EQ(WRITE(5, 0), 6, "mov to dr5 with DE");
    trap_reset();
    asm volatile(EX_TRY("mov %%db5, %%rax") : : : "rax");
    CHECK_EQ(last_trap.vector, 6, "mov from dr5 with DE");
    set_de(false);
    set(6, 0);
}

#define CODE 0x400000ul

asm(".section .user, \"ax\"\n"
    "user_read: mov %db0, %rax\n"
    "user_write: mov %rax, %db7\n"
    "user_alias: mov %db4, %rax\n"
    ".text\n");
extern char user_read[], user_write[], user_alias[];

static void check_programs(void)
{
    static const char *const labels[] = {user_read, user_write, user_alias};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_read & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    for (unsigned int i = 0; i < ARRAY_SIZE(labels); i++) {
        uint64_t rip = CODE + (uintptr_t)labels[i] % PAGE_SIZE;
        struct trap_frame f = program_frame(rip, 0x500000);

        run_user(&f);
        CHECK_EQ(f.vector, 13, "program %u: vector", i);
        CHECK_EQ(f.error, 0, "its error code");
        CHECK_EQ(f.rip, rip, "its rip");
    }
}

void test_main(void)
{
    check_values();
    check_reserved_bits();
    check_aliases();
    check_instructions();
    check_programs();
}
