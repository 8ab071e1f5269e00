/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tsc-disable - claim: while CR4.TSD is set, rdtsc and rdtscp raise #GP(0) in a program, wherever
 * it is and single-stepped too, and are carried out in the kernel; when it is cleared programs have
 * them again. It is of the program that runs then, not of all.
 *
 * Blind spots: 32-bit programs; several vCPUs.
 */
#include "guest.h"

#define CODE 0x400000ul
#define LOW_CODE 0x12000ul
#define STACK 0x500000ul
#define CR4_TSD 4ul
#define ROUNDS 50

asm(".section .user, \"ax\"\n"
    "tsd_rdtsc: rdtsc; syscall\n"
    "tsd_rdtscp: rdtscp; syscall\n"
    "tsd_plain: mov $7, %eax; syscall\n"
    ".text\n");
extern char tsd_rdtsc[], tsd_rdtscp[], tsd_plain[];

static void set_tsd(bool on)
{
    uint64_t cr4;

    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 = on ? cr4 | CR4_TSD : cr4 & ~CR4_TSD;
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    CHECK_EQ(!!(cr4 & CR4_TSD), on, "CR4.TSD");
}

static struct trap_frame run(uint64_t page, const char *label, uint64_t flags)
{
    struct trap_frame f = program_frame(page + (uintptr_t)label % PAGE_SIZE, STACK + 2048);

    f.rflags |= flags;
    run_user(&f);
    return f;
}

static void expect_fault(uint64_t page, const char *label, uint64_t flags)
{
    struct trap_frame f = run(page, label, flags);

    CHECK_EQ(f.vector, 13, "0x%lx with TSD, flags 0x%lx: vector", page, flags);
    CHECK_EQ(f.error, 0, "0x%lx with TSD: error code", page);
    CHECK_EQ(f.rip, page + (uintptr_t)label % PAGE_SIZE, "0x%lx with TSD: rip", page);
}

static void check_at(uint64_t page)
{
    for (unsigned int i = 0; i < ROUNDS; i++) {
        set_tsd(true);
        expect_fault(page, tsd_rdtsc, 0);
        expect_fault(page, tsd_rdtscp, 0);
        CHECK_EQ(run(page, tsd_plain, 0).rax, 7, "another instruction with TSD");
        set_tsd(false);
        CHECK_EQ(run(page, tsd_rdtsc, 0).vector, TRAP_SYSCALL, "rdtsc without TSD");
        CHECK_EQ(run(page, tsd_rdtscp, 0).vector, TRAP_SYSCALL, "rdtscp without TSD");
    }
    set_tsd(true);
    expect_fault(page, tsd_rdtsc, 0x100);
    expect_fault(page, tsd_rdtscp, 0x100);
    set_tsd(false);
}

void test_main(void)
{
    uint64_t before, mfn = va_to_mfn((void *)((uintptr_t)tsd_rdtsc & ~(PAGE_SIZE - 1)));
    uint32_t low, high, aux;

    user_root_init();
    map(CODE, mfn, PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    check_at(CODE);
    map(LOW_CODE, mfn, PTE_P | PTE_U);
    check_at(LOW_CODE);

    before = rdtsc();
    set_tsd(true);
    CHECK(rdtsc() > before, "rdtsc in the kernel with TSD");
    asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
    CHECK(((uint64_t)high << 32 | low) > before, "rdtscp in the kernel with TSD");
    set_tsd(false);
}
