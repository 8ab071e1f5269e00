/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * segment-rules - claim: the letter of ABI 3.2, 3.3, 3.5 and 5.6. set_gdt takes up to 7168
 * entries in frames of the domain, reads no more of its list than it needs, and an empty table
 * takes all selectors away; what is refused leaves the old one. update_descriptor forces DPL 3,
 * takes call gates with DPL 0 and what is not present as it is, and refuses other system
 * segments, in any page of the domain. Bases: which is which in both modes, by hypercall, by
 * MSR and by selector; swapgs is not there; a bad selector for programs' gs becomes the null
 * one; the base of programs' gs follows the selector.
 *
 * Blind spots: what `segments` and `ldt` say.
 */
#include "guest.h"

#define DATA_DESC 0x00cff3000000ffffull
#define NO_FRAME 0x7fffffful
#define NOT_CANONICAL 0x0000800000000000ul

static uint64_t *gdt;

static uint64_t with_base(uint64_t desc, uint32_t base)
{
    return desc | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(base >> 24) << 56;
}

static long set_gdt(const unsigned long *frames, unsigned long entries)
{
    return hypercall2(__HYPERVISOR_set_gdt, frames, entries);
}

static long update(uint64_t *at, uint64_t desc)
{
    return hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(at), desc);
}

static long load_fs(unsigned int selector)
{
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%fs") : : "r"(selector));
    return last_trap.vector;
}

static long base(unsigned int which, uint64_t value)
{
    return hypercall2(__HYPERVISOR_set_segment_base, which, value);
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr));
}

static void check_gdt(void)
{
    unsigned long frames[14];
    unsigned long *edge = (unsigned long *)(0x40000000 + PAGE_SIZE) - 2;

    for (unsigned int i = 0; i < 14; i++)
        frames[i] = va_to_mfn(gdt);
    gdt[511] = DATA_DESC;
    CHECK_EQ(set_gdt(frames, 1), -XEN_EINVAL, "a frame that is mapped writable");
    remap(gdt, PTE_P);
    CHECK_EQ(set_gdt(frames, 7168), 0, "7168 entries");
    CHECK_EQ(load_fs(7167 << 3 | 3), -1, "the last of them");
    CHECK_EQ(load_fs(7168 << 3 | 3), 13, "the one behind it");
    CHECK_EQ(set_gdt(frames, 7169), -XEN_EINVAL, "7169 entries");
    CHECK_EQ(set_gdt(frames, 0xffffffff), -XEN_EINVAL, "2^32 - 1 entries");
    CHECK_EQ(load_fs(511 << 3 | 3), -1, "the old table after that");
    frames[1] = NO_FRAME;
    CHECK(set_gdt(frames, 513) < 0, "a second frame that does not exist");
    CHECK_EQ(load_fs(1023 << 3 | 3), -1, "the old table after that");
    CHECK_EQ(set_gdt(frames, 512), 0, "512 entries, whose second frame is not looked at");
    CHECK_EQ(load_fs(511 << 3 | 3), -1, "the last of them");
    CHECK_EQ(load_fs(1023 << 3 | 3), 13, "one that is no more");
    CHECK_EQ(set_gdt(frames, 511), 0, "511 entries");
    CHECK(load_fs(600 << 3 | 3) == 13, "one behind the page");
    CHECK_EQ(set_gdt((void *)NOWHERE, 1), -XEN_EFAULT, "a list at no address");
    map((uintptr_t)edge & ~(PAGE_SIZE - 1), va_to_mfn(page_alloc()), PTE_P | PTE_RW);
    edge[0] = edge[1] = frames[0];
    CHECK_EQ(set_gdt(edge, 1024), 0, "a list that ends with its page");
    CHECK_EQ(set_gdt(edge, 1025), -XEN_EFAULT, "one that would go on");
    CHECK_EQ(load_fs(511 << 3 | 3), -1, "the table after that");
    CHECK_EQ(set_gdt((void *)NOWHERE, 0), 0, "no table");
    CHECK_EQ(load_fs(3 << 3 | 3), 13, "a selector of it");
    CHECK_EQ(load_fs(FLAT_KERNEL_SS), -1, "Xen's own are there even so");
    load_fs(0);
    CHECK_EQ(set_gdt(frames, 512), 0, "a table again");
}

static void check_descriptors(void)
{
    static const struct {
        uint64_t given, stored;
        long rc;
    } cases[] = {
        {0x00cf93000000ffff, 0x00cff3000000ffff, 0}, /* data, DPL 0 */
        {0x00cfb3000000ffff, 0x00cff3000000ffff, 0}, /* data, DPL 1 */
        {0x00af9b000000ffff, 0x00affb000000ffff, 0}, /* code, DPL 0 */
        {0xffcf9f12345affff, 0xffcfff12345affff, 0}, /* conforming code */
        {0x0000000000000000, 0x0000000000000000, 0}, /* nothing */
        {0x12340912deadbeef, 0x12340912deadbeef, 0}, /* a TSS that is not present */
        {0x00000b0000000067, 0x00000b0000000067, 0}, /* likewise */
        {0x0000890000000067, 0, -XEN_EINVAL},        /* a TSS */
        {0x0000820000000067, 0, -XEN_EINVAL},        /* an LDT */
        {0x00008e0000080000, 0, -XEN_EINVAL},        /* an interrupt gate */
        {0x00008f0000080000, 0, -XEN_EINVAL},        /* a trap gate */
        {0x0000850000000000, 0, -XEN_EINVAL},        /* a task gate */
        {0x0000ec00e0330000, 0x00008c00e0330000, 0}, /* a call gate, DPL 3 */
        {0x0000ec00e0300000, 0x00008c00e0330000, 0}, /* one to a selector with RPL 0 */
        {0x0000800000000000, 0x0000800000000000, 0}, /* a system segment of no type */
        {0x12348c00e0335678, 0x12348c00e0335678, 0}, /* a gate with DPL 0 */
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        update(&gdt[7], 0);
        CHECK_EQ(update(&gdt[7], cases[i].given), cases[i].rc, "descriptor %u", i);
        CHECK_EQ(gdt[7], cases[i].rc ? 0 : cases[i].stored, "what is stored of descriptor %u", i);
    }
    CHECK_EQ(update(&gdt[7], 0x0000800000000000), 0, "type 0, present");
    for (unsigned int low = 1; low < 8; low++)
        CHECK_EQ(hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(&gdt[7]) + low, DATA_DESC),
                 -XEN_EINVAL, "%u bytes beside a descriptor", low);
    CHECK(hypercall2(__HYPERVISOR_update_descriptor, NO_FRAME << PAGE_SHIFT, DATA_DESC) < 0,
          "in no frame");
    uint64_t *plain = page_alloc();
    CHECK_EQ(update(&plain[3], DATA_DESC & ~(3ull << 45)), 0, "in an ordinary page");
    CHECK_EQ(plain[3], DATA_DESC, "what is there");
}

static void check_bases(void)
{
    static const uint32_t msrs[] = {0xc0000100, 0xc0000102, 0xc0000101};

    for (unsigned int which = 0; which < 3; which++) {
        CHECK_EQ(base(which, 0xffffc90012345678), 0, "base %u", which);
        CHECK_EQ(rdmsr(msrs[which]), 0xffffc90012345678, "its MSR");
        CHECK_EQ(base(which, NOT_CANONICAL), -XEN_EINVAL, "base %u, not canonical", which);
        CHECK_EQ(rdmsr(msrs[which]), 0xffffc90012345678, "its MSR after that");
        wrmsr(msrs[which], 0x1000 + which);
        CHECK_EQ(rdmsr(msrs[which]), 0x1000 + which, "its MSR written");
        trap_reset();
        asm volatile(EX_TRY("wrmsr") : : "a"(0), "d"(0x8000), "c"(msrs[which]));
        CHECK_EQ(last_trap.vector, 13, "MSR 0x%x, not canonical", msrs[which]);
    }
    CHECK_EQ(rdmsr(msrs[0]), 0x1000, "FS base is nobody else's");
    CHECK_EQ(rdmsr(msrs[2]), 0x1002, "GS base is nobody else's");
    CHECK_EQ(base(4, 0), -XEN_EINVAL, "base 4");
    CHECK_EQ(base(~0u, 0), -XEN_EINVAL, "base ~0");
    trap_reset();
    asm volatile(EX_TRY("swapgs"));
    CHECK_EQ(last_trap.vector, 13, "swapgs");
    CHECK_EQ(rdmsr(msrs[1]), 0x1001, "programs' GS base after it");
    /* Programs' gs by selector: the base is the descriptor's. */
    update(&gdt[4], with_base(DATA_DESC, 0x12345000));
    CHECK_EQ(base(SEGBASE_GS_USER_SEL, 4 << 3 | 3), 0, "a good selector");
    CHECK_EQ(rdmsr(msrs[1]), 0x12345000, "programs' GS base by it");
    CHECK_EQ(rdmsr(msrs[2]), 0x1002, "the kernel's");
    CHECK_EQ(base(SEGBASE_GS_USER_SEL, 0xfff3), 0, "a bad selector");
    CHECK_EQ(base(SEGBASE_GS_USER_SEL, 100 << 3 | 3), 0, "an empty descriptor");
    CHECK_EQ(base(SEGBASE_GS_USER_SEL, 0xffff800000000000 | 4 << 3 | 3), 0, "bits above 15");
    CHECK_EQ(rdmsr(msrs[1]), 0x12345000, "programs' GS base by it");
    CHECK_EQ(base(SEGBASE_GS_USER_SEL, 0), 0, "the null selector");
    /* fs by selector. */
    CHECK_EQ(load_fs(4 << 3 | 3), -1, "fs by selector");
    CHECK_EQ(rdmsr(msrs[0]), 0x12345000, "FS base by it");
    load_fs(0);
}

#define CODE 0x400000ul
#define DATA 0x500000ul
asm(".section .user, \"ax\"\n"
    "user_bases: mov %gs:8, %rax; mov %fs:16, %rbx; mov %gs, %edx; mov %fs, %esi; int $0x80\n"
    ".text\n");
extern char user_bases[];

static void check_user(void)
{
    struct trap_frame f = {.rip = CODE + (uintptr_t)user_bases % PAGE_SIZE,
                           .cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = DATA + 2048,
                           .rflags = 0x202};
    uint64_t *data = page_alloc();
    static uint64_t kernel = 0x4b4b;
    uint64_t value;

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_bases & ~(PAGE_SIZE - 1))), PTE_P);
    map(DATA, va_to_mfn(data), PTE_P | PTE_RW);
    data[1] = 0x1111;
    data[2] = 0x2222;
    data[512 / 8 + 1] = 0x3333;
    base(SEGBASE_FS, DATA);
    base(SEGBASE_GS_USER, DATA);
    base(SEGBASE_GS_KERNEL, (uintptr_t)&kernel);
    run_user(&f);
    CHECK_EQ(f.vector, 0x80, "a program");
    CHECK_EQ(f.rax, 0x1111, "its gs");
    CHECK_EQ(f.rbx, 0x2222, "its fs, which is the kernel's too");
    asm volatile("mov %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, kernel, "the kernel's gs afterwards");
    CHECK_EQ(rdmsr(0xc0000102), DATA, "the program's afterwards");
    CHECK_EQ(rdmsr(0xc0000100), DATA, "FS base afterwards");
    wrmsr(0xc0000102, DATA + 512);
    f = (struct trap_frame){.rip = CODE + (uintptr_t)user_bases % PAGE_SIZE,
                            .cs = FLAT_USER_CS,
                            .ss = FLAT_USER_SS,
                            .rsp = DATA + 2048,
                            .rflags = 0x202};
    run_user(&f);
    CHECK_EQ(f.rax, 0x3333, "its gs by MSR");
    /* A selector of the guest's own table. */
    update(&gdt[5], with_base(DATA_DESC, DATA));
    base(SEGBASE_GS_USER_SEL, 5 << 3 | 3);
    f = (struct trap_frame){.rip = CODE + (uintptr_t)user_bases % PAGE_SIZE,
                            .cs = FLAT_USER_CS,
                            .ss = FLAT_USER_SS,
                            .rsp = DATA + 2048,
                            .rflags = 0x202};
    run_user(&f);
    CHECK_EQ(f.vector, 0x80, "a program with a gs of our table");
    CHECK_EQ(f.rax, 0x1111, "its gs by selector");
    CHECK_EQ(f.rdx & 0xffff, 5 << 3 | 3, "the selector as it sees it");
}

void test_main(void)
{
    gdt = page_alloc();
    check_gdt();
    check_descriptors();
    check_bases();
    check_user();
}
