/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * control-regs - claim: each control register reads as a PV guest has it and takes what it may
 * write: of cr0 only TS, cr2 anything, cr3 a frame of the guest's, of cr4 its own bits while all
 * others are dropped without a fault; registers that do not exist, and all of them for programs,
 * are faults.
 *
 * Blind spots: what TSD does to programs.
 */
#include "guest.h"

#define CR4_FIXED 0x660ul /* PAE MCE OSFXSR OSXMMEXCPT */
#define CR4_MCE 0x40ul
#define CR4_OWNED 0x5000cul /* TSD DE FSGSBASE OSXSAVE */

#define READ(cr)                                                                                   \
    ({                                                                                             \
        uint64_t value_;                                                                           \
        asm volatile("mov %%" #cr ", %0" : "=r"(value_));                                          \
        value_;                                                                                    \
    })

/* The vector of a write. */
#define WRITE(cr, value)                                                                           \
    ({                                                                                             \
        trap_reset();                                                                              \
        asm volatile(EX_TRY("mov %0, %%" #cr) : : "r"((uint64_t)(value)) : "memory");              \
        last_trap.vector;                                                                          \
    })

static void check_cr0(void)
{
    uint64_t cr0 = READ(cr0);

    CHECK_EQ(cr0 & ~8ul, 0x80050033, "cr0");
    for (unsigned int bit = 0; bit < 64; bit++) {
        if (bit != 3)
            CHECK_EQ(WRITE(cr0, cr0 ^ 1ul << bit), 13, "changing bit %u of cr0", bit);
    }
    CHECK_EQ(last_trap.error, 0, "error code of that");
    CHECK_EQ(READ(cr0), cr0, "cr0 after that");
    CHECK_EQ(WRITE(cr0, cr0 | 8), -1, "setting TS");
    CHECK_EQ(READ(cr0), cr0 | 8, "cr0 with TS");
    asm volatile("clts");
    CHECK_EQ(READ(cr0), 0x80050033, "cr0 after clts");
    CHECK_EQ(WRITE(cr0, 0x8005003b), -1, "setting TS");
    CHECK_EQ(WRITE(cr0, 0x80050033), -1, "clearing TS");
    CHECK_EQ(READ(cr0), 0x80050033, "cr0 after that");
}

static void check_cr2(void)
{
    uint64_t value;

    CHECK_EQ(WRITE(cr2, 0x123456789abcdef0), -1, "writing cr2");
    CHECK_EQ(READ(cr2), 0x123456789abcdef0, "cr2");
    CHECK_EQ(vcpu0()->arch.cr2, 0x123456789abcdef0, "cr2 in vcpu_info");
    try_read((void *)0x7654, &value);
    CHECK_EQ(READ(cr2), 0x7654, "cr2 after a fault");
}

/* Another root with the same entries. */
static void check_cr3(void)
{
    uint64_t cr3 = READ(cr3), *root = (void *)start_info->pt_base, *copy = page_alloc();
    uint64_t maddr = va_to_mfn(copy) << PAGE_SHIFT;

    CHECK_EQ(cr3, va_to_mfn(root) << PAGE_SHIFT, "cr3");
    for (unsigned int i = 0; i < 512; i++)
        copy[i] = i < 256 || i > 271 ? root[i] : 0;
    CHECK_EQ(remap(copy, PTE_P), 0, "the copy read-only");
    CHECK_EQ(WRITE(cr3, maddr), -1, "writing cr3");
    CHECK_EQ(READ(cr3), maddr, "cr3 with the copy");
    CHECK_EQ(WRITE(cr3, 0x000ffffffffff000), 13, "a root in no frame");
    CHECK_EQ(READ(cr3), maddr, "cr3 after that");
    CHECK_EQ(WRITE(cr3, cr3), -1, "writing cr3 back");
    CHECK_EQ(READ(cr3), cr3, "cr3");
}

static void check_cr4(void)
{
    uint64_t start = READ(cr4), all;

    CHECK_EQ(start & ~CR4_MCE, CR4_FIXED & ~CR4_MCE, "cr4 at the start");
    CHECK_EQ(WRITE(cr4, ~0ul), -1, "all bits to cr4");
    all = READ(cr4);
    CHECK_EQ(all & ~(CR4_FIXED | CR4_OWNED), 0, "bits of cr4 that are not a guest's");
    CHECK_EQ(all & 0xc, 0xc, "TSD and DE");
    CHECK_EQ(WRITE(cr4, 0), -1, "no bits to cr4");
    CHECK_EQ(READ(cr4), start, "cr4 after that");
    for (unsigned int bit = 0; bit < 64; bit++)
        CHECK_EQ(WRITE(cr4, start ^ 1ul << bit), -1, "bit %u of cr4", bit);
    CHECK_EQ(WRITE(cr4, start), -1, "cr4 as it was");
}

static void check_tsd(void)
{
    uint64_t start = READ(cr4), first = rdtsc();

    WRITE(cr4, start | 4);
    trap_reset();
    asm volatile(EX_TRY("rdtsc") : : : "eax", "edx");
    CHECK_EQ(last_trap.vector, -1, "rdtsc of the kernel with TSD: vector");
    CHECK(rdtsc() > first, "the TSC");
    WRITE(cr4, start);
}

static void check_others(void)
{
    CHECK(WRITE(cr8, 0) != -1, "cr8 can be written");
    trap_reset();
    asm volatile(EX_TRY("mov %%cr8, %%rax") : : : "rax");
    CHECK(last_trap.vector != -1, "cr8 can be read");
    trap_reset();
    asm volatile(EX_TRY(".byte 0x0f, 0x20, 0xc8") : : : "rax"); /* mov cr1, rax */
    CHECK(last_trap.vector != -1, "cr1 can be read");
}

#define CODE 0x400000ul

asm(".section .user, \"ax\"\n"
    ".balign 16\n"
    "user_cr0: mov %cr0, %rax\n"
    ".balign 16\n"
    "user_cr3: mov %rax, %cr3\n"
    ".balign 16\n"
    "user_clts: clts\n"
    ".text\n");
extern char user_cr0[];

static void check_user(void)
{
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_cr0 & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    for (unsigned int i = 0; i < 3; i++) {
        uint64_t rip = CODE + (uintptr_t)user_cr0 % PAGE_SIZE + 16 * i;
        struct trap_frame f = {
            .cs = FLAT_USER_CS, .ss = FLAT_USER_SS, .rsp = 0x500000, .rflags = 0x202, .rip = rip};

        run_user(&f);
        CHECK_EQ(f.vector, 13, "program %u: vector", i);
        CHECK_EQ(f.error, 0, "its error code");
        CHECK_EQ(f.rip, rip, "its rip");
    }
}

void test_main(void)
{
    check_cr0();
    check_cr2();
    check_cr3();
    check_cr4();
    check_tsd();
    check_others();
    check_user();
}
