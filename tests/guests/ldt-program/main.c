/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ldt-program - claim: a program sees the LDT that its kernel set: lar, lsl, verr and verw tell of
 * its entries, present or not, and say no to what is empty or behind its end; data segments of it
 * can be loaded into ds, es, fs, gs and ss, and are read back; they have bases, limits and rights;
 * far jumps lead to 32-bit and 16-bit code of it, with a base; the kernel finds its selectors in
 * frames. A change of an entry, of the table's size, or another table is seen at once.
 *
 * Blind spots: conforming code, which a program can load but not inspect; several vCPUs; what a
 * program that the engine translates may load.
 */
#include "guest.h"

#define CODE 0x400000ul
#define STACK 0x500000ul
#define DATA 0x600000ul
#define SELECTOR(n) ((n) << 3 | 7)

/* Entries of the first table. */
enum { EMPTY, DATA32, READ_ONLY, ABSENT, LIMITED, CODE32, CODE16, BASED, ENTRIES };

#define CODE32_DESC 0x00cffb000000ffffull
#define CODE16_DESC 0x008ffb000000ffffull
#define DATA_DESC 0x00cff3000000ffffull
#define RO_DESC 0x00cff1000000ffffull
#define LIMIT_DESC 0x0040f3000000000full /* 16 bytes */
#define PRESENT (1ull << 47)

asm(".section .user, \"ax\"\n"
    "l_inspect: xor %eax, %eax; lar %esi, %eax; setz %bl; xor %r8d, %r8d; lsl %esi, %r8d; setz "
    "%bh\n"
    "verr %si; setz %dl; verw %si; setz %dh; syscall\n"
    "l_data: mov %esi, %es; mov %esi, %fs; mov %esi, %gs; mov %fs:4, %eax; mov %gs:8, %edx\n"
    "mov %es, %r8d; mov %fs, %r9d; mov %gs, %r10d; syscall\n"
    "l_stack: mov %esi, %ss; mov %ss, %eax; push %rax; pop %rcx; syscall\n"
    "l_jump: ljmp *(%rsi)\n"
    ".code32\n"
    "l_32: mov %cs, %eax; mov %esi, %ds; mov 12, %ecx; mov 16, %edx; int $0x80\n"
    "l_32_fault: l_32b: mov %cs, %eax; push %ebx; pop %ecx; int $0x80\n l_32b_end:\n"
    ".code16\n"
    "l_16: mov %cs, %ax; mov $0x12345678, %ecx; int $0x80\n l_16_end:\n"
    ".code64\n"
    ".text\n");
extern char l_inspect[], l_data[], l_stack[], l_jump[], l_32[], l_32b[], l_32b_end[], l_16[],
    l_16_end[];

static uint64_t *ldt, *other;
static uint8_t *data;

static uint64_t at(const char *label)
{
    return CODE + (uintptr_t)label % PAGE_SIZE;
}

static uint64_t with_base(uint64_t desc, uint64_t base)
{
    return desc | (base & 0xffffff) << 16 | base >> 24 << 56;
}

static struct trap_frame run(const char *label, uint64_t rsi)
{
    struct trap_frame f = program_frame(at(label), STACK + 2048);

    f.rsi = rsi;
    run_user(&f);
    return f;
}

static void set_ldt(uint64_t *table, unsigned int entries)
{
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (uintptr_t)table, .arg2.nr_ents = entries};

    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "SET_LDT");
}

/* ok: bits of lar, lsl, verr, verw. */
static void check_one(unsigned int entry, unsigned int ok, uint32_t rights, uint32_t limit)
{
    struct trap_frame f = run(l_inspect, SELECTOR(entry));

    CHECK_EQ(f.rbx & 1, ok & 1, "lar of entry %u", entry);
    CHECK_EQ(f.rbx >> 8 & 1, ok >> 1 & 1, "lsl of entry %u", entry);
    CHECK_EQ(f.rdx & 1, ok >> 2 & 1, "verr of entry %u", entry);
    CHECK_EQ(f.rdx >> 8 & 1, ok >> 3 & 1, "verw of entry %u", entry);
    if (ok & 1)
        CHECK_EQ(f.rax & 0xf0fe00, rights & 0xf0fe00, "rights of entry %u", entry);
    if (ok & 2)
        CHECK_EQ(f.r8, limit, "limit of entry %u", entry);
}

static void check_inspection(void)
{
    check_one(EMPTY, 0, 0, 0);
    check_one(DATA32, 0xf, 0xc0f300, 0xffffffff);
    check_one(READ_ONLY, 0x7, 0xc0f100, 0xffffffff);
    check_one(ABSENT, 0xf, 0xc07300, 0xffffffff);
    check_one(LIMITED, 0xf, 0x40f300, 15);
    check_one(CODE32, 0x7, 0xc0fb00, 0xffffffff);
    check_one(CODE16, 0x7, 0x80fb00, 0xffffffff);
    check_one(ENTRIES, 0, 0, 0);
    check_one(8191, 0, 0, 0);
}

static void check_data(void)
{
    struct trap_frame f = run(l_data, SELECTOR(BASED));

    CHECK_EQ(f.vector, TRAP_SYSCALL, "data segments");
    CHECK_EQ(f.rax, 0x44, "fs:4");
    CHECK_EQ(f.rdx, 0x88, "gs:8");
    CHECK_EQ(f.r8, SELECTOR(BASED), "es");
    CHECK_EQ(f.r9, SELECTOR(BASED), "fs");
    CHECK_EQ(f.r10, SELECTOR(BASED), "gs");
    f = run(l_data, SELECTOR(EMPTY));
    CHECK_EQ(f.vector, 13, "loading an empty entry");
    CHECK_EQ(f.error, SELECTOR(EMPTY) & ~3, "its error code");
    f = run(l_data, SELECTOR(ABSENT));
    CHECK_EQ(f.vector, 11, "loading an absent segment");
    CHECK_EQ(f.error, SELECTOR(ABSENT) & ~3, "its error code");
    f = run(l_stack, SELECTOR(DATA32));
    CHECK_EQ(f.vector, TRAP_SYSCALL, "a stack segment");
    CHECK_EQ(f.rax, SELECTOR(DATA32), "ss read back");
    CHECK_EQ(run(l_stack, SELECTOR(READ_ONLY)).vector, 13, "a stack that is read-only");
}

static struct trap_frame jump(unsigned int entry, uint32_t offset, uint64_t rbx)
{
    struct {
        uint32_t offset;
        uint16_t selector;
    } *target = (void *)(data + 256);
    struct trap_frame f = program_frame(at(l_jump), STACK + 2048);

    target->offset = offset;
    target->selector = SELECTOR(entry);
    f.rsi = DATA + 256;
    f.rbx = rbx;
    run_user(&f);
    return f;
}

static void check_code(void)
{
    struct trap_frame f = jump(CODE32, (uint32_t)at(l_32b), 0x3232);

    CHECK_EQ(f.vector, 0x80, "32-bit code");
    CHECK_EQ(f.cs & 0xffff, SELECTOR(CODE32), "its cs in the frame");
    CHECK_EQ(f.rip, at(l_32b_end), "its rip");
    CHECK_EQ((uint32_t)f.rax, SELECTOR(CODE32), "its cs");
    CHECK_EQ(f.rcx, 0x3232, "a push and a pop");
    f = jump(CODE16, (uint32_t)(uintptr_t)l_16 % PAGE_SIZE, 0);
    CHECK_EQ(f.vector, 0x80, "16-bit code with a base");
    CHECK_EQ(f.cs & 0xffff, SELECTOR(CODE16), "its cs in the frame");
    CHECK_EQ(f.rip, (uintptr_t)l_16_end % PAGE_SIZE, "its rip");
    CHECK_EQ(f.rax & 0xffff, SELECTOR(CODE16), "its cs");
    CHECK_EQ(f.rcx, 0x12345678, "a register of 32 bits");
}

/* 32-bit code: there limits count. ds: entry. */
static void check_limit(void)
{
    struct trap_frame f = {.rip = at(l_32),
                           .cs = SELECTOR(CODE32),
                           .ss = FLAT_USER_SS,
                           .rsp = STACK + 2048,
                           .rsi = SELECTOR(LIMITED),
                           .rflags = 0x202};

    run_user(&f);
    CHECK_EQ(f.vector, 13, "an access beyond a limit");
    CHECK_EQ(f.error, 0, "its error code");
    CHECK_EQ(f.rcx, 0xcc, "one within it");
}

static void check_changes(void)
{
    CHECK_EQ(hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(&ldt[EMPTY]), RO_DESC), 0,
             "update_descriptor");
    check_one(EMPTY, 0x7, 0xc0f100, 0xffffffff);
    CHECK_EQ(hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(&ldt[EMPTY]), 0), 0,
             "update_descriptor");
    check_one(EMPTY, 0, 0, 0);
    set_ldt(ldt, 2);
    check_one(DATA32, 0xf, 0xc0f300, 0xffffffff);
    check_one(READ_ONLY, 0, 0, 0);
    set_ldt(other, 512);
    check_one(DATA32, 0, 0, 0);
    check_one(511, 0xf, 0xc0f300, 0xffffffff);
    set_ldt(NULL, 0);
    check_one(511, 0, 0, 0);
    set_ldt(ldt, ENTRIES);
    check_inspection();
}

void test_main(void)
{
    ldt = page_alloc();
    other = page_alloc();
    data = page_alloc();
    *(uint32_t *)(data + 4) = 0x44;
    *(uint32_t *)(data + 8) = 0x88;
    *(uint32_t *)(data + 12) = 0xcc;
    ldt[DATA32] = DATA_DESC;
    ldt[READ_ONLY] = RO_DESC;
    ldt[ABSENT] = DATA_DESC & ~PRESENT;
    ldt[LIMITED] = with_base(LIMIT_DESC, DATA);
    ldt[CODE32] = CODE32_DESC;
    ldt[CODE16] = with_base(CODE16_DESC, CODE);
    ldt[BASED] = with_base(DATA_DESC, DATA);
    other[511] = DATA_DESC;
    remap(ldt, PTE_P);
    remap(other, PTE_P);
    set_ldt(ldt, ENTRIES);
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)l_inspect & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    map(DATA, va_to_mfn(data), PTE_P | PTE_RW | PTE_U);
    check_inspection();
    check_data();
    check_code();
    check_limit();
    check_changes();
}
