/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ldt - claim: user code loads segments from the LDT and from the guest's GDT (thread-local
 * storage) with their bases; the kernel sees the selectors; another LDT or a changed
 * descriptor counts from the next load on; selectors that are empty, not present, of the
 * system or beyond the table give the kernel an exception at the instruction.
 *
 * Blind spots: limits of data segments, code segments with a base, lsl and friends in user
 * code, pop fs and lfs in user code.
 */
#include "guest.h"

#define DATA_DESC 0x00cff3000000ffffull
#define CODE 0x400000ul
#define STACK 0x500000ul
#define AREA_A 0x600000ul
#define AREA_B 0x700000ul

asm(".section .user, \"ax\"\n"
    "user_fs: mov %edi, %fs; user_fs_loaded: mov %fs:8, %rax; mov %fs, %ebx; syscall\n"
    "user_gs: mov %edi, %gs; mov %gs:8, %rax; mov %gs, %ebx; syscall\n"
    "user_es: mov %edi, %es; mov %es, %ebx; syscall\n"
    "user_ds: mov %edi, %ds; mov 0x600008, %eax; mov %ds, %ebx; syscall\n"
    ".text\n");
extern char user_fs[], user_fs_loaded[], user_gs[], user_es[], user_ds[];

static uint64_t *gdt, *ldt, *ldt2;

static uint64_t data_at(uint32_t base)
{
    return DATA_DESC | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(base >> 24) << 56;
}

static struct trap_frame run(const char *label, uint16_t selector)
{
    struct trap_frame f = {.rip = CODE + (uintptr_t)label % PAGE_SIZE,
                           .cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = STACK + 2048,
                           .rdi = selector,
                           .rflags = 0x202};

    run_user(&f);
    return f;
}

static uint16_t kernel_fs(void)
{
    uint16_t fs;

    asm volatile("mov %%fs, %0" : "=r"(fs));
    return fs;
}

static uint16_t kernel_gs(void)
{
    uint16_t gs;

    asm volatile("mov %%gs, %0" : "=r"(gs));
    return gs;
}

static void expect_value(const char *label, uint16_t selector, uint64_t value, const char *what)
{
    struct trap_frame f = run(label, selector);

    CHECK_EQ(f.vector, TRAP_SYSCALL, "%s: vector (error 0x%lx)", what, (unsigned long)f.error);
    CHECK_EQ(f.rax, value, "%s: value", what);
    /* Which number user code reads is left to the host where it runs in a host process. */
    CHECK_EQ(f.rbx & 3, selector & 3, "%s: RPL read back", what);
    CHECK_EQ(label == user_fs   ? kernel_fs()
             : label == user_gs ? kernel_gs()
                                : selector,
             selector, "%s: selector as the kernel sees it", what);
}

static void expect_fault(uint16_t selector, uint64_t vector, const char *what)
{
    struct trap_frame f = run(user_fs, selector);

    CHECK_EQ(f.vector, vector, "%s: vector", what);
    CHECK_EQ(f.error, selector & 0xfffcu, "%s: error code", what);
    CHECK_EQ(f.rip, CODE + (uintptr_t)user_fs % PAGE_SIZE, "%s: rip", what);
    CHECK_EQ(f.cs & 3, 3, "%s: cs", what);
}

static void set_ldt(uint64_t *table, unsigned int entries)
{
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (uintptr_t)table, .arg2.nr_ents = entries};

    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "SET_LDT");
}

static void update(uint64_t *at, uint64_t desc)
{
    CHECK_EQ(hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(at), desc), 0,
             "update_descriptor");
}

static void check_loads(void)
{
    expect_value(user_fs, 3 << 3 | 7, 0xaaaa, "fs from the LDT");
    expect_value(user_gs, 4 << 3 | 7, 0xbbbb, "gs from the LDT");
    expect_value(user_fs, 12 << 3 | 3, 0xbbbb, "fs from the GDT");
    expect_value(user_gs, 13 << 3 | 3, 0xaaaa, "gs from the GDT");
    CHECK_EQ(run(user_es, 3 << 3 | 7).vector, TRAP_SYSCALL, "es from the LDT");
    CHECK_EQ(run(user_es, 0).rbx, 0, "a null es");
    expect_value(user_ds, 12 << 3 | 3, 0xaaaa, "ds: its base does not count");
    for (unsigned int i = 0; i < 50; i++) {
        expect_value(user_fs, 3 << 3 | 7, 0xaaaa, "fs again");
        expect_value(user_fs, 4 << 3 | 7, 0xbbbb, "another fs");
    }
}

static void check_changes(void)
{
    update(&ldt[3], data_at(AREA_B));
    expect_value(user_fs, 3 << 3 | 7, 0xbbbb, "a changed descriptor");
    update(&ldt[3], data_at(AREA_A));
    expect_value(user_fs, 3 << 3 | 7, 0xaaaa, "and back");
    set_ldt(ldt2, 512);
    expect_value(user_fs, 3 << 3 | 7, 0xbbbb, "another LDT");
    set_ldt(NULL, 0);
    expect_fault(3 << 3 | 7, 13, "no LDT");
    set_ldt(ldt, 4);
    expect_value(user_fs, 3 << 3 | 7, 0xaaaa, "the last entry of a short LDT");
    expect_fault(4 << 3 | 7, 13, "behind the last entry");
    set_ldt(ldt, 512);
}

static void check_bad(void)
{
    expect_fault(20 << 3 | 7, 13, "an empty entry");
    expect_fault(5 << 3 | 7, 11, "one that is not present");
    expect_fault(200 << 3 | 3, 13, "an empty entry of the GDT");
    expect_fault(511 << 3 | 3, 13, "the last entry of the GDT");
    expect_fault(0xfff8 | 3, 13, "beyond Xen's part");
    expect_fault(0xffff, 13, "beyond the LDT");
    CHECK_EQ(run(user_fs, 3).vector, 14, "fs:8 with a null selector");
}

void test_main(void)
{
    uint8_t *a = page_alloc(), *b = page_alloc();
    unsigned long frame;

    gdt = page_alloc();
    ldt = page_alloc();
    ldt2 = page_alloc();
    *(uint64_t *)(a + 8) = 0xaaaa;
    *(uint64_t *)(b + 8) = 0xbbbb;
    ldt[3] = gdt[13] = data_at(AREA_A);
    ldt[4] = gdt[12] = ldt2[3] = data_at(AREA_B);
    ldt[5] = data_at(AREA_A) & ~(1ull << 47);
    remap(gdt, PTE_P);
    remap(ldt, PTE_P);
    remap(ldt2, PTE_P);
    frame = va_to_mfn(gdt);
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 512), 0, "set_gdt");
    set_ldt(ldt, 512);
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_fs & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    map(AREA_A, va_to_mfn(a), PTE_P | PTE_RW | PTE_U);
    map(AREA_B, va_to_mfn(b), PTE_P | PTE_RW | PTE_U);
    check_loads();
    check_changes();
    check_bad();
}
