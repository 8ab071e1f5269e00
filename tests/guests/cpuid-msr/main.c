/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpuid-msr - claim: the Xen leaves are there; the forced CPUID form filters what a PV guest
 * cannot use; the native form does not say more than the forced one about what the kernel
 * would have to save; the MSRs of a PV guest can be read and written as the ABI says and all
 * others give #GP; control registers read and write as they should.
 *
 * Blind spots: values that depend on the host; model-specific registers not in the ABI.
 */
#include "guest.h"

static bool rdmsr(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0;

    trap_reset();
    asm volatile(EX_TRY("rdmsr") : "+a"(low), "+d"(high) : "c"(msr));
    *value = (uint64_t)high << 32 | low;
    return last_trap.vector == -1;
}

static bool wrmsr(uint32_t msr, uint64_t value)
{
    trap_reset();
    asm volatile(EX_TRY("wrmsr") : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr));
    return last_trap.vector == -1;
}

static void check_leaves(void)
{
    uint32_t r[4];

    cpuid_forced(0x40000000, 0, r);
    CHECK(r[1] == 0x566e6558 && r[2] == 0x65584d4d && r[3] == 0x4d4d566e, "signature");
    CHECK(r[0] >= 0x40000003 && r[0] <= 0x40000010, "number of Xen leaves 0x%x", r[0]);
    cpuid_forced(0x40000001, 0, r);
    CHECK_EQ(r[0], xen_version(XENVER_version, NULL), "version leaf");
    cpuid_forced(0x40000002, 0, r);
    CHECK_EQ(r[0], 1, "hypercall pages");
    CHECK_EQ(r[1], 0x40000000, "hypercall MSR");
    cpuid_forced(0x40000003, 0, r);
    CHECK(r[2] > 100000 && r[2] < 20000000, "TSC kHz %u", r[2]);
    cpuid_forced(0x40000000, 0, r);
    if (r[0] >= 0x40000005) {
        cpuid_forced(0x40000005, 0, r);
        CHECK(r[1] >= 32 && r[1] <= 44, "machine addresses of %u bits", r[1]);
    }
    cpuid_forced(0x12345678, 0, r);
    CHECK_EQ(r[0] | r[1] | r[2] | r[3], 0, "a leaf far out of range");
}

static void check_features(void)
{
    uint32_t r[4], n[4];

    cpuid_forced(1, 0, r);
    CHECK(r[2] >> 31 & 1, "HYPERVISOR bit");
    CHECK_EQ(r[1] >> 24, 0, "APIC id");
    CHECK_EQ(r[3] & (1u << 3 | 1u << 13 | 1u << 12), 0, "PSE, PGE and MTRR are shown");
    CHECK_EQ(r[2] & (1u << 3 | 1u << 5 | 1u << 17 | 1u << 21 | 1u << 24), 0,
             "MONITOR, VMX, PCID, x2APIC and TSC deadline are shown");
    CHECK((r[3] & 1) && r[3] >> 25 & 1 && r[3] >> 26 & 1, "FPU, SSE and SSE2");
    if (r[2] >> 26 & 1)
        CHECK(r[2] >> 27 & 1, "OSXSAVE in the forced form although XSAVE is offered");
    cpuid(1, 0, n);
    CHECK_EQ(n[2] >> 26 & 1, r[2] >> 26 & 1, "XSAVE, native form");
    cpuid_forced(7, 0, r);
    CHECK_EQ(r[1] & (1u << 7 | 1u << 10 | 1u << 20 | 1u << 2), 0,
             "SMEP, INVPCID, SMAP and SGX are shown");
    CHECK_EQ(r[2] & (1u << 2 | 1u << 3 | 1u << 16), 0, "UMIP, PKU and LA57 are shown");
    cpuid_forced(0x80000001, 0, r);
    CHECK(r[3] >> 29 & 1 && r[3] >> 11 & 1 && r[3] >> 20 & 1, "LM, SYSCALL and NX");
    CHECK_EQ(r[3] >> 26 & 1, 0, "1G pages are shown");
}

static void check_xsave(void)
{
    uint32_t r[4], low = 0, high = 0;

    cpuid_forced(1, 0, r);
    if (!(r[2] >> 26 & 1)) {
        print("no XSAVE here\n");
        return;
    }
    uint64_t cr4;
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%cr4") : : "r"(cr4 | 1ul << 18));
    CHECK_EQ(last_trap.vector, -1, "setting CR4.OSXSAVE");
    trap_reset();
    asm volatile(EX_TRY("xgetbv") : "+a"(low), "+d"(high) : "c"(0));
    CHECK_EQ(last_trap.vector, -1, "xgetbv");
    CHECK(low & 1, "XCR0 0x%x", low);
    trap_reset();
    asm volatile(EX_TRY("xsetbv") : : "a"(3), "d"(0), "c"(0));
    CHECK_EQ(last_trap.vector, -1, "xsetbv of x87 and SSE");
    cpuid_forced(0xd, 0, r);
    CHECK_EQ(r[1], 576, "size of the save area for x87 and SSE");
    trap_reset();
    asm volatile(EX_TRY("xsetbv") : : "a"(2), "d"(0), "c"(0));
    CHECK_EQ(last_trap.vector, 13, "xsetbv without x87");
    trap_reset();
    asm volatile(EX_TRY("xsetbv") : : "a"(3), "d"(0), "c"(5));
    CHECK_EQ(last_trap.vector, 13, "xsetbv of register 5");
}

static void check_msrs(void)
{
    static const uint32_t none[] = {0x17f00, 0x12345678, 0xc0000084, 0xc0010111};
    uint64_t value;

    CHECK(rdmsr(0xc0000080, &value), "EFER: #GP");
    CHECK_EQ(value & 0xd01, 0xd01, "EFER");
    CHECK(wrmsr(0xc0000080, value), "EFER, same value: #GP");
    CHECK(rdmsr(0x1b, &value) && value >> 12 == 0xfee00, "APIC base 0x%lx", value);
    CHECK(rdmsr(0x277, &value), "PAT: #GP");
    CHECK_EQ(value, 0x050100070406, "PAT");
    CHECK(rdmsr(0x10, &value), "TSC: #GP");
    CHECK(wrmsr(0xc0000101, (uintptr_t)&value), "GS base: #GP");
    CHECK(rdmsr(0xc0000101, &value) && value == (uintptr_t)&value, "GS base 0x%lx", value);
    CHECK(!wrmsr(0xc0000101, 0x0000800000000000), "non-canonical GS base");
    CHECK_EQ(last_trap.vector, 13, "its vector");
    for (unsigned int i = 0; i < ARRAY_SIZE(none); i++) {
        CHECK(!rdmsr(none[i], &value), "MSR 0x%x can be read: 0x%lx", none[i], value);
        CHECK(!wrmsr(none[i], 0), "MSR 0x%x can be written", none[i]);
    }
}

static void check_control(void)
{
    uint64_t value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    CHECK_EQ(value & 0x80010001, 0x80010001, "PE, WP and PG in cr0");
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%cr0") : : "r"(value ^ 0x10000));
    CHECK_EQ(last_trap.vector, 13, "clearing CR0.WP");
    asm volatile("mov %%cr3, %0" : "=r"(value));
    CHECK_EQ(value >> 12, va_to_mfn((void *)start_info->pt_base), "cr3");
    asm volatile("mov %%cr4, %0" : "=r"(value));
    CHECK(value & 0x20, "PAE in cr4 0x%lx", value);
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%cr4") : : "r"(value | 0x80));
    CHECK_EQ(last_trap.vector, -1, "a bit in cr4 that is not ours");
    try_read((void *)0x5678, NULL);
    asm volatile("mov %%cr2, %0" : "=r"(value));
    CHECK_EQ(value, 0x5678, "cr2");
    asm volatile("clts");
    asm volatile("mov %%cr0, %0" : "=r"(value));
    CHECK_EQ(value & 8, 0, "TS after clts");
    hypercall1(__HYPERVISOR_fpu_taskswitch, 1);
    asm volatile("mov %%cr0, %0" : "=r"(value));
    CHECK_EQ(value & 8, 8, "TS after fpu_taskswitch");
    hypercall1(__HYPERVISOR_fpu_taskswitch, 0);
}

void test_main(void)
{
    check_leaves();
    check_features();
    check_xsave();
    check_msrs();
    check_control();
}
