/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * segments - claim: Xen's flat selectors are there; a guest's own GDT entries can be loaded
 * into fs, gs, ds and es in kernel mode with their bases; update_descriptor changes them and
 * refuses what is dangerous; bad selectors give #GP; set_segment_base and the MSRs agree;
 * lsl, lar, verr and verw see the guest's table; the LDT works.
 *
 * Blind spots: call gates, conforming code, 32-bit code.
 */
#include "guest.h"

#define DATA_DESC 0x00cff3000000ffffull /* flat 32-bit data, DPL 3, accessed */
#define CODE64_DESC 0x00affb000000ffffull
#define TSS_DESC 0x0000890000000067ull

static uint64_t *gdt;

static uint64_t with_base(uint64_t desc, uint32_t base)
{
    return desc | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(base >> 24) << 56;
}

static long update_descriptor(uint64_t *at, uint64_t desc)
{
    return hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(at), desc);
}

static void check_selectors(void)
{
    uint16_t cs, ss, ds;

    asm volatile("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2" : "=r"(cs), "=r"(ss), "=r"(ds));
    CHECK_EQ(cs, FLAT_KERNEL_CS, "cs");
    CHECK_EQ(ss, FLAT_KERNEL_SS, "ss");
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%es") : : "r"(FLAT_KERNEL_SS));
    CHECK_EQ(last_trap.vector, -1, "loading es with the flat selector");
    asm volatile("mov %0, %%es" : : "r"(0));
}

static void set_table(void)
{
    unsigned long frame;

    gdt = page_alloc();
    gdt[3] = DATA_DESC;
    CHECK_EQ(remap(gdt, PTE_P), 0, "GDT page read-only");
    frame = va_to_mfn(gdt);
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 512), 0, "set_gdt");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 7169), -XEN_EINVAL, "set_gdt, 7169 entries");
    frame = 0x7fffffffful;
    CHECK(hypercall2(__HYPERVISOR_set_gdt, &frame, 512) < 0, "set_gdt with no frame");
}

static long load_fs(uint16_t selector)
{
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%fs") : : "r"((uint32_t)selector));
    return last_trap.vector;
}

static void check_fs(void)
{
    uint8_t *low = page_alloc();
    uint32_t value;

    *(uint32_t *)low = 0x600df00d;
    CHECK_EQ(map(0x12345000, va_to_mfn(low), PTE_P | PTE_RW), 0, "map");
    CHECK_EQ(update_descriptor(&gdt[4], with_base(DATA_DESC, 0x12345000)), 0, "update_descriptor");
    CHECK_EQ(gdt[4], with_base(DATA_DESC, 0x12345000), "the descriptor");
    CHECK_EQ(load_fs(4 << 3 | 3), -1, "loading fs");
    asm volatile("mov %%fs:0, %0" : "=r"(value));
    CHECK_EQ(value, 0x600df00d, "value at fs:0");
    uint16_t back;
    asm volatile("mov %%fs, %0" : "=r"(back));
    CHECK_EQ(back, 4 << 3 | 3, "fs read back");
    CHECK_EQ(load_fs(0), -1, "loading a null selector");
    CHECK_EQ(load_fs(100 << 3 | 3), 13, "loading an empty descriptor");
    CHECK_EQ(last_trap.error, 100 << 3, "its error code");
    CHECK_EQ(load_fs(0xf000 | 3), 13, "loading beyond Xen's part");
    update_descriptor(&gdt[5], DATA_DESC & ~(1ull << 47));
    CHECK_EQ(load_fs(5 << 3 | 3), 11, "loading a descriptor that is not present");
    load_fs(0);
}

static void check_update(void)
{
    CHECK_EQ(update_descriptor(&gdt[6], DATA_DESC & ~(3ull << 45)), 0, "DPL 0 data");
    CHECK_EQ(gdt[6] >> 45 & 3, 3, "its DPL becomes 3");
    CHECK_EQ(update_descriptor(&gdt[7], CODE64_DESC), 0, "64-bit code");
    CHECK_EQ(update_descriptor(&gdt[8], 0), 0, "an empty one");
    CHECK_EQ(update_descriptor(&gdt[9], TSS_DESC), -XEN_EINVAL, "a TSS");
    CHECK_EQ(hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(&gdt[9]) + 4, DATA_DESC),
             -XEN_EINVAL, "misaligned");
    CHECK(hypercall2(__HYPERVISOR_update_descriptor, 0x7fffffffful << 12, DATA_DESC) < 0,
          "no such frame");
}

static void check_inspection(void)
{
    uint32_t limit = 0, rights = 0;
    uint8_t ok;

    update_descriptor(&gdt[15], 0x0040f50000000000ull | 0x123); /* Linux's per-CPU descriptor */
    asm volatile("lsl %2, %0\n setz %1" : "=r"(limit), "=q"(ok) : "r"(15 << 3 | 3) : "cc");
    CHECK(ok && limit == 0x123, "lsl: ok %u limit 0x%x", ok, limit);
    asm volatile("lar %2, %0\n setz %1" : "=r"(rights), "=q"(ok) : "r"(4 << 3 | 3) : "cc");
    CHECK(ok && (rights & 0xff00) == 0xf300, "lar: ok %u 0x%x", ok, rights);
    asm volatile("lsl %2, %0\n setz %1" : "=r"(limit), "=q"(ok) : "r"(200 << 3 | 3) : "cc");
    CHECK(!ok, "lsl of an empty descriptor");
    asm volatile("verw %1\n setz %0" : "=q"(ok) : "r"((uint16_t)(4 << 3 | 3)) : "cc");
    CHECK(ok, "verw of a data segment");
    asm volatile("verr %1\n setz %0" : "=q"(ok) : "r"((uint16_t)(200 << 3 | 3)) : "cc");
    CHECK(!ok, "verr of an empty descriptor");
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low = 0, high = 0;

    trap_reset();
    asm volatile(EX_TRY("rdmsr") : "+a"(low), "+d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void check_bases(void)
{
    static uint64_t target = 0x1234567;
    uint64_t base = (uintptr_t)&target, value;

    CHECK_EQ(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_FS, base), 0, "FS base");
    asm volatile("mov %%fs:0, %0" : "=r"(value));
    CHECK_EQ(value, target, "fs:0");
    CHECK_EQ(rdmsr(0xc0000100), base, "FS base MSR");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, base), 0, "GS base");
    asm volatile("mov %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, target, "gs:0");
    CHECK_EQ(rdmsr(0xc0000101), base, "GS base MSR");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0x1000), 0, "user GS");
    CHECK_EQ(rdmsr(0xc0000102), 0x1000, "kernel GS base MSR");
    CHECK_EQ(rdmsr(0xc0000101), base, "GS base is not the user's");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0xfff3), 0,
             "a bad user gs selector");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0x800000000000ul), -XEN_EINVAL,
             "non-canonical base");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_segment_base, 7, 0), -XEN_EINVAL, "base 7");
}

static void check_ldt(void)
{
    uint64_t *ldt = page_alloc();
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (uintptr_t)ldt, .arg2.nr_ents = 512};
    uint32_t value;

    ldt[2] = with_base(DATA_DESC, 0x12345000);
    remap(ldt, PTE_P);
    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "SET_LDT");
    CHECK_EQ(load_fs(2 << 3 | 7), -1, "loading fs from the LDT");
    asm volatile("mov %%fs:0, %0" : "=r"(value));
    CHECK_EQ(value, 0x600df00d, "value at fs:0");
    CHECK_EQ(load_fs(3 << 3 | 7), 13, "an empty LDT entry");
    load_fs(0);
    op.arg2.nr_ents = 0;
    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "no LDT");
    CHECK_EQ(load_fs(2 << 3 | 7), 13, "loading from no LDT");
    op.arg1.linear_addr = (uintptr_t)ldt + 8;
    op.arg2.nr_ents = 1;
    CHECK(mmuext_op(&op, 1, NULL) < 0, "a misaligned LDT");
    op.arg1.linear_addr = (uintptr_t)ldt;
    op.arg2.nr_ents = 8193;
    CHECK(mmuext_op(&op, 1, NULL) < 0, "an LDT with 8193 entries");
}

void test_main(void)
{
    check_selectors();
    set_table();
    check_fs();
    check_update();
    check_inspection();
    check_bases();
    check_ldt();
}
