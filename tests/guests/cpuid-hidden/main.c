/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpuid-hidden - claim: no form of cpuid shows what a PV guest must not use, both forms show what
 * every 64-bit kernel needs; OSXSAVE is told as each form has it; the size of the save area
 * follows XCR0; the Xen leaves agree with the vCPU's time record and end where they say; the
 * forced form is known by all of its bytes, in user mode too.
 *
 * Blind spots: the native form in user mode, which only some hosts can filter.
 */
#include "guest.h"

enum { EAX, EBX, ECX, EDX };

#define BIT(n) (1u << (n))

struct mask {
    uint32_t leaf, sub;
    unsigned int reg;
    uint32_t bits;
    const char *what;
};

/* What a PV guest must not see. */
static const struct mask hidden[] = {
    {1, 0, EDX, BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17), "VME PSE MTRR PGE PSE36"},
    {1, 0, EDX, BIT(21) | BIT(22) | BIT(29) | BIT(31), "DS ACPI TM PBE"},
    {1, 0, ECX, BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6), "DTES64 MONITOR DSCPL VMX SMX"},
    {1, 0, ECX, BIT(7) | BIT(8) | BIT(14) | BIT(15), "EIST TM2 XTPR PDCM"},
    {1, 0, ECX, BIT(17) | BIT(18) | BIT(21) | BIT(24), "PCID DCA x2APIC TSC_DEADLINE"},
    {1, 0, EBX, 0xff000000, "an APIC id"},
    {7, 0, EBX, BIT(1) | BIT(2) | BIT(4) | BIT(7), "TSC_ADJUST SGX HLE SMEP"},
    {7, 0, EBX, BIT(10) | BIT(11) | BIT(12) | BIT(14), "INVPCID RTM PQM MPX"},
    {7, 0, EBX, BIT(15) | BIT(20) | BIT(25), "PQE SMAP PT"},
    {7, 0, ECX, BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(16), "UMIP PKU OSPKE WAITPKG LA57"},
    {7, 0, EDX, BIT(22) | BIT(24) | BIT(25), "AMX"},
    {7, 0, EDX, BIT(26) | BIT(27) | BIT(31), "IBRS STIBP SSBD"},
    {0xd, 1, EAX, BIT(3), "XSAVES"},
    {0xd, 1, ECX, 0xffffffff, "supervisor states"},
    {0xa, 0, EAX, 0xffffffff, "a PMU"},
    {5, 0, EAX, 0xffffffff, "monitor lines"},
    {5, 0, EDX, 0xffffffff, "C states"},
    {0x80000001, 0, EDX, BIT(26), "pages of 1G"},
    {0x80000001, 0, EDX, BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17), "copies of leaf 1"},
    {0x80000001, 0, ECX, BIT(2) | BIT(3) | BIT(4) | BIT(9), "SVM EXTAPIC CR8_LEGACY OSVW"},
    {0x80000001, 0, ECX, BIT(10) | BIT(12) | BIT(13), "IBS SKINIT WDT"},
    {0x80000001, 0, ECX, BIT(15) | BIT(19) | BIT(22), "LWP NODEID TOPOEXT"},
    {0x12345678, 0, EAX, 0xffffffff, "a leaf of no range"},
    {0x4fffffff, 0, EBX, 0xffffffff, "a leaf behind Xen's"},
    {0x40000100, 0, EBX, 0xffffffff, "another hypervisor"},
    {0x8fffffff, 0, EAX, 0xffffffff, "a leaf behind the extended ones"},
};

static const struct mask shown[] = {
    {1, 0, EDX, BIT(0) | BIT(4) | BIT(5) | BIT(6), "FPU TSC MSR PAE"},
    {1, 0, EDX, BIT(8) | BIT(9) | BIT(11) | BIT(15), "CX8 APIC SEP CMOV"},
    {1, 0, EDX, BIT(16) | BIT(19) | BIT(23), "PAT CLFLUSH MMX"},
    {1, 0, EDX, BIT(24) | BIT(25) | BIT(26), "FXSR SSE SSE2"},
    {1, 0, ECX, BIT(13) | BIT(31), "CX16 HYPERVISOR"},
    {0x80000001, 0, EDX, BIT(11) | BIT(20) | BIT(29), "SYSCALL NX LM"},
    {0x80000001, 0, ECX, BIT(0), "LAHF"},
};

static void check_masks(void (*query)(uint32_t leaf, uint32_t sub, uint32_t out[4]),
                        const char *form)
{
    uint32_t r[4];

    for (unsigned int i = 0; i < ARRAY_SIZE(hidden); i++) {
        query(hidden[i].leaf, hidden[i].sub, r);
        CHECK_EQ(r[hidden[i].reg] & hidden[i].bits, 0, "%s form, leaf 0x%x shows one of %s", form,
                 hidden[i].leaf, hidden[i].what);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(shown); i++) {
        query(shown[i].leaf, shown[i].sub, r);
        CHECK_EQ(r[shown[i].reg] & shown[i].bits, shown[i].bits,
                 "%s form, leaf 0x%x lacks one of %s", form, shown[i].leaf, shown[i].what);
    }
    query(1, 0, r);
    CHECK_EQ(r[EDX] >> 7 & 1, r[EDX] >> 14 & 1, "%s form: MCE and MCA", form);
}

static bool rdmsr_works(uint32_t msr)
{
    uint32_t low, high;

    trap_reset();
    asm volatile(EX_TRY("rdmsr") : "=a"(low), "=d"(high) : "c"(msr));
    return last_trap.vector == -1;
}

/* Machine checks that are shown have their registers. */
static void check_mca(void)
{
    uint32_t r[4];

    cpuid_forced(1, 0, r);
    if (r[EDX] >> 14 & 1)
        CHECK(rdmsr_works(0x179), "MCA is shown, its MSR is not there");
}

static void set_osxsave(bool on)
{
    uint64_t cr4;

    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 = on ? cr4 | 1u << 18 : cr4 & ~(1ul << 18);
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
}

static uint32_t save_size(uint64_t xcr0)
{
    uint32_t r[4];

    asm volatile("xsetbv" : : "a"((uint32_t)xcr0), "d"((uint32_t)(xcr0 >> 32)), "c"(0));
    cpuid_forced(0xd, 0, r);
    return r[EBX];
}

static void check_xsave(void)
{
    uint32_t r[4], all;

    cpuid_forced(1, 0, r);
    if (!(r[ECX] >> 26 & 1))
        return;
    set_osxsave(false);
    cpuid_forced(1, 0, r);
    CHECK_EQ(r[ECX] >> 27 & 1, 1, "forced OSXSAVE with CR4.OSXSAVE clear");
    cpuid(1, 0, r);
    CHECK_EQ(r[ECX] >> 27 & 1, 0, "native OSXSAVE with CR4.OSXSAVE clear");
    set_osxsave(true);
    cpuid(1, 0, r);
    CHECK_EQ(r[ECX] >> 27 & 1, 1, "native OSXSAVE with CR4.OSXSAVE set");
    cpuid_forced(0xd, 0, r);
    all = r[EAX];
    CHECK_EQ(save_size(3), 576, "save area of x87 and SSE");
    if (all & 4)
        CHECK_EQ(save_size(7), 832, "save area with AVX");
    CHECK_EQ(save_size(all), r[ECX], "save area of everything");
    save_size(all);
}

static void check_xen_leaves(void)
{
    const vcpu_time_info_t *t = &vcpu0()->time;
    uint32_t r[4], time[4];

    cpuid_forced(0x40000000, 0, r);
    CHECK(r[EAX] >= 0x40000005 && r[EAX] < 0x40000100, "last leaf 0x%x", r[EAX]);
    cpuid_forced(r[EAX] + 1, 0, time);
    CHECK_EQ(time[EAX] | time[EBX] | time[ECX] | time[EDX], 0, "the leaf behind it");
    cpuid_forced(0x40000001, 0, r);
    CHECK_EQ(r[EAX], xen_version(XENVER_version, NULL), "version");
    cpuid_forced(0x40000002, 0, r);
    CHECK(r[EAX] == 1 && r[EBX] == 0x40000000, "hypercall page: %u at 0x%x", r[EAX], r[EBX]);
    cpuid_forced(0x40000003, 1, time);
    CHECK_EQ(time[ECX], t->tsc_to_system_mul, "scale of the TSC");
    CHECK_EQ((int8_t)time[EDX], t->tsc_shift, "shift of the TSC");
    cpuid_forced(0x40000003, 0, r);
    cpuid_forced(0x40000003, 2, time);
    CHECK_EQ(r[ECX], time[EAX], "TSC kHz of guest and host");
    cpuid_forced(0x80000001, 0, time);
    CHECK_EQ(r[EAX] >> 2 & 1, time[EDX] >> 27 & 1, "rdtscp in the time leaf");
    cpuid_forced(0x40000005, 0, r);
    CHECK((r[EBX] & 0xff) >= 32 && (r[EBX] & 0xff) <= 52, "width %u", r[EBX] & 0xff);
}

/* --- the forced form's bytes ------------------------------------------------------------ */

static void check_bytes(void)
{
    trap_reset();
    asm volatile(EX_TRY(".byte 0x0f, 0x0b; .ascii \"xen\"; nop; nop"));
    CHECK_EQ(last_trap.vector, 6, "ud2 and \"xen\" without cpuid: vector");
    trap_reset();
    asm volatile(EX_TRY(".byte 0x0f, 0x0b; .ascii \"xem\"; cpuid")
                 :
                 :
                 : "eax", "ebx", "ecx", "edx");
    CHECK_EQ(last_trap.vector, 6, "ud2 and \"xem\": vector");
}

#define CODE 0x400000ul

asm(".section .user, \"ax\"\n"
    "user_forced: .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2\n"
    "user_syscall: syscall\n"
    "user_end:\n"
    ".text\n");
extern char user_forced[], user_end[];

static void check_user(void)
{
    struct trap_frame f = {.cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = 0x500000,
                           .rflags = 0x202,
                           .rip = CODE + (uintptr_t)user_forced % PAGE_SIZE,
                           .rax = 0x40000000};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_forced & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "forced form in user mode: vector");
    CHECK_EQ(f.rip, CODE + (uintptr_t)user_end % PAGE_SIZE, "rip behind it and the syscall");
    CHECK_EQ((uint32_t)f.rbx, 0x566e6558, "its signature");
}

void test_main(void)
{
    check_masks(cpuid_forced, "forced");
    check_masks(cpuid, "native");
    check_mca();
    check_xsave();
    check_xen_leaves();
    check_bytes();
    check_user();
}
