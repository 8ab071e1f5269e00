/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fsgsbase - claim: where CPUID has FSGSBASE, the kernel may set CR4.FSGSBASE and then read and
 * write both bases by rdfsbase, rdgsbase, wrfsbase and wrgsbase, in both sizes and from any
 * register, flags unchanged; MSRs and memory accesses agree; an address that is not canonical is
 * #GP; with the bit clear they are #UD, also where they worked before. A program has them too: it
 * gets the bases that the kernel left, and the kernel finds what the program left.
 *
 * Blind spots: a program while CR4.FSGSBASE is clear (it has them: docs/internals/stubs.md).
 */
#include "guest.h"

#define CR4_FSGSBASE 0x10000ul
#define FS_BASE 0xc0000100u
#define GS_BASE 0xc0000101u
#define OTHER_GS_BASE 0xc0000102u
#define CODE 0x50000000ul
#define STACK (CODE + PAGE_SIZE)
#define FLAGS 0x8d5ul /* CF PF AF ZF SF OF */

asm(".section .user, \"ax\"\n"
    "user_bases: rdfsbase %rax; rdgsbase %rdx; wrfsbase %rsi; wrgsbase %rdi; rdfsbase %r8\n"
    "mov %fs:8, %r9; mov %gs:16, %r10; syscall\n"
    "user_bad: wrfsbase %rsi; syscall\n"
    ".text\n");
extern char user_bases[], user_bad[];

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void cr4_set(bool on)
{
    uint64_t cr4;

    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 = on ? cr4 | CR4_FSGSBASE : cr4 & ~CR4_FSGSBASE;
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
}

/* Each of these is one place in the code, run with the bit set and clear. */
#define WITH_FLAGS(name, insn, value)                                                              \
    do {                                                                                           \
        uint64_t flags;                                                                            \
        trap_reset();                                                                              \
        asm volatile("push %2; popf\n" EX_TRY(insn) "\npushf; pop %1"                              \
                     : "+r"(value), "=&r"(flags)                                                   \
                     : "i"(FLAGS | 2)                                                              \
                     : "cc", "memory");                                                            \
        CHECK_EQ(flags &FLAGS, FLAGS, #name ": flags");                                            \
    } while (0)

#define READ(name, insn, reg)                                                                      \
    static uint64_t name(void)                                                                     \
    {                                                                                              \
        register uint64_t value asm(reg) = 0x1111111111111111;                                     \
        WITH_FLAGS(name, insn, value);                                                             \
        return value;                                                                              \
    }
READ(read_fs, "rdfsbase %0", "rax")
READ(read_fs_rcx, "rdfsbase %0", "rcx")
READ(read_fs_r13, "rdfsbase %0", "r13")
READ(read_fs_32, "rdfsbase %k0", "rdx")
READ(read_gs, "rdgsbase %0", "rsi")
READ(read_gs_32, "rdgsbase %k0", "r9")

#define WRITE(name, insn, reg)                                                                     \
    static long name(uint64_t base)                                                                \
    {                                                                                              \
        register uint64_t value asm(reg) = base;                                                   \
        WITH_FLAGS(name, insn, value);                                                             \
        CHECK_EQ(value, base, #name ": the register");                                             \
        return last_trap.vector;                                                                   \
    }
WRITE(write_fs, "wrfsbase %0", "rax")
WRITE(write_fs_rcx, "wrfsbase %0", "rcx")
WRITE(write_fs_r12, "wrfsbase %0", "r12")
WRITE(write_fs_32, "wrfsbase %k0", "rbx")
WRITE(write_gs, "wrgsbase %0", "rdi")
WRITE(write_gs_32, "wrgsbase %k0", "r8")

static void check_enabled(void)
{
    static const uint64_t good[] = {0,
                                    1,
                                    0x12345678,
                                    0xfedcba98,
                                    0x7fffffffffff,
                                    0x7f8000000000,
                                    0xffff800000000000,
                                    0xffffffff81234567,
                                    ~0ul};
    static const uint64_t bad[] = {0x800000000000,     0x8000000000000000, 0x7fffffffffffffff,
                                   0xffff7fffffffffff, 0x1000000000000,    0x8000000000000001};

    for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
        uint64_t base = good[i];

        CHECK_EQ(write_fs(base), -1, "wrfsbase 0x%lx", base);
        CHECK_EQ(read_fs(), base, "rdfsbase");
        CHECK_EQ(read_fs_rcx(), base, "rdfsbase rcx");
        CHECK_EQ(read_fs_32(), (uint32_t)base, "rdfsbase edx");
        CHECK_EQ(rdmsr(FS_BASE), base, "the MSR");
        CHECK_EQ(write_fs_rcx(base ^ 0x70), -1, "wrfsbase rcx");
        CHECK_EQ(read_fs_r13(), base ^ 0x70, "rdfsbase r13");
        CHECK_EQ(write_fs_r12(base ^ 0x50), -1, "wrfsbase r12");
        CHECK_EQ(read_fs(), base ^ 0x50, "rdfsbase after that");
        CHECK_EQ(write_fs_32(base), -1, "wrfsbase ebx");
        CHECK_EQ(read_fs(), (uint32_t)base, "rdfsbase after 32 bits");
        CHECK_EQ(write_gs(base), -1, "wrgsbase 0x%lx", base);
        CHECK_EQ(read_gs(), base, "rdgsbase");
        CHECK_EQ(read_gs_32(), (uint32_t)base, "rdgsbase r9d");
        CHECK_EQ(rdmsr(GS_BASE), base, "the MSR");
        CHECK_EQ(write_gs_32(base), -1, "wrgsbase r8d");
        CHECK_EQ(read_gs(), (uint32_t)base, "rdgsbase after 32 bits");
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_EQ(write_fs_rcx(bad[i]), 13, "wrfsbase 0x%lx", bad[i]);
        CHECK_EQ(last_trap.error, 0, "its error code");
        CHECK_EQ(write_gs(bad[i]), 13, "wrgsbase 0x%lx", bad[i]);
        CHECK_EQ(write_fs_32(bad[i]), -1, "wrfsbase, 32 bits of 0x%lx", bad[i]);
    }
}

static void check_memory(void)
{
    static uint64_t words[4] = {1, 2, 3, 4};
    uint64_t value;

    write_fs((uintptr_t)words);
    write_gs((uintptr_t)words);
    asm volatile("mov %%fs:8, %0" : "=r"(value));
    CHECK_EQ(value, 2, "fs:8");
    asm volatile("mov %%gs:24, %0" : "=r"(value));
    CHECK_EQ(value, 4, "gs:24");
}

static void check_disabled(void)
{
    CHECK_EQ(read_fs(), 0x1111111111111111, "a register that rdfsbase does not write");
    CHECK_EQ(last_trap.vector, 6, "rdfsbase");
    read_gs();
    CHECK_EQ(last_trap.vector, 6, "rdgsbase");
    CHECK_EQ(write_fs(0), 6, "wrfsbase");
    CHECK_EQ(write_fs(0x800000000000), 6, "wrfsbase of what is not canonical");
    CHECK_EQ(write_gs(0), 6, "wrgsbase");
}

static void check_program(void)
{
    uint64_t *page = page_alloc();
    struct trap_frame f;

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_bases & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page), PTE_P | PTE_U | PTE_RW);
    page[1] = 0xf5;
    page[2] = 0x65;
    for (uint64_t i = 0; i < 40; i++) {
        CHECK_EQ(write_fs(0x1000 + i), -1, "wrfsbase");
        hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0x2000 + i);
        f = program_frame(CODE + (uintptr_t)user_bases % PAGE_SIZE, STACK + 2048);
        f.rsi = f.rdi = STACK;
        run_user(&f);
        CHECK_EQ(f.vector, TRAP_SYSCALL, "the program's end");
        CHECK_EQ(f.rax, 0x1000 + i, "rdfsbase of a program");
        CHECK_EQ(f.rdx, 0x2000 + i, "rdgsbase of a program");
        CHECK_EQ(f.r8, STACK, "rdfsbase after wrfsbase");
        CHECK_EQ(f.r9, 0xf5, "fs:8 of a program");
        CHECK_EQ(f.r10, 0x65, "gs:16 of a program");
        CHECK_EQ(read_fs(), STACK, "the FS base that it left");
        CHECK_EQ(rdmsr(OTHER_GS_BASE), STACK, "the GS base that it left");
    }
    f = program_frame(CODE + (uintptr_t)user_bad % PAGE_SIZE, STACK + 2048);
    f.rsi = 0x800000000000;
    run_user(&f);
    CHECK_EQ(f.vector, 13, "wrfsbase of what is not canonical, by a program");
}

/* rcx while events come at any time. */
static void check_interrupted(void)
{
    struct vcpu_set_periodic_timer every = {.period_ns = 1000000};
    uint64_t end = now() + 300000000, fs = read_fs(), wrong = 0, rcx, msr;
    long virq = bind_virq(VIRQ_TIMER);

    vcpu_op(VCPUOP_set_periodic_timer, 0, &every);
    events_on();
    while (now() < end)
        for (unsigned int i = 0; i < 1000; i++) {
            asm volatile("mov $0x123456789, %%rcx\n rdgsbase %%rax\n rdfsbase %%rax\n"
                         "wrfsbase %[fs]\n mov %%rcx, %[rcx]\n"
                         "mov %[nr], %%ecx\n rdmsr\n"
                         : [rcx] "=&r"(rcx), "=&c"(msr)
                         : [fs] "r"(fs), [nr] "i"(OTHER_GS_BASE)
                         : "rax", "rdx");
            wrong += rcx != 0x123456789 || msr != OTHER_GS_BASE;
        }
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    CHECK(event_count[virq] > 10, "only %lu events", event_count[virq]);
    CHECK_EQ(wrong, 0, "rcx after an event");
}

void test_main(void)
{
    uint32_t leaf[4];

    cpuid_forced(7, 0, leaf);
    if (!(leaf[1] & 1))
        skip("no FSGSBASE");
    cr4_set(true);
    check_enabled();
    check_memory();
    check_program();
    check_interrupted();
    cr4_set(false);
    check_disabled();
    cr4_set(true);
    check_enabled();
}
