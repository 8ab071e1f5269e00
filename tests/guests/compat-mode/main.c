/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * compat-mode - claim: 32-bit user code runs: entered by iret with a 32-bit code selector of
 * the guest's GDT, LDT or of Xen, it sees 32-bit registers, stack operations of 4 bytes and
 * addresses that wrap at 4 GiB; int 0x80 and exceptions come back with the guest's selectors;
 * it can change to 64-bit code and back by far jumps; its thread-local segments have bases. All
 * that wherever the program is, from 64 KiB on.
 *
 * Blind spots: sysenter and syscall in 32-bit code, 16-bit code, code segments with a base; pages
 * below 64 KiB, or at 0x10000 and 0x3ff80000 at once, see docs/internals/stubs.md.
 */
#include "guest.h"

#define CODE32_DESC 0x00cffb000000ffffull
#define CODE64_DESC 0x00affb000000ffffull
#define DATA_DESC 0x00cff3000000ffffull
#define CS32 (4 << 3 | 3) /* as Linux has them */
#define DS32 (5 << 3 | 3)
#define CS64 (6 << 3 | 3)
#define OTHER32 (20 << 3 | 3)
#define LDT32 (2 << 3 | 7)
#define TLS (12 << 3 | 3)
#define CODE place
#define STACK (place + 0x1000)
#define DATA (place + 0x2000)

asm(".section .user, \"ax\"\n"
    ".code32\n"
    "c_arith: lea 1(%eax), %eax; inc %ebx; push %eax; push $-2; pop %ecx; pop %edx; int $0x80\n"
    "c_arith_end:\n"
    "c_size: mov %esp, %ebx; push %eax; sub %esp, %ebx; pop %eax; mov $-1, %ecx; inc %ecx\n"
    "mov %cs, %edx; mov %ds, %esi; int $0x80\n"
    "c_wrap: mov 0x10(%eax), %ebx; int $0x80\n"
    "c_read: mov (%eax), %ebx; int $0x80\n"
    "c_ud: ud2\n"
    "c_int3: int3\n c_int3_end:\n"
    "c_call: call 1f; int $0x80; 1: mov (%esp), %ebx; ret\n"
    "c_tls: mov %edi, %gs; mov %gs:4, %ebx; int $0x80\n"
    "c_switch: ljmp *(%eax)\n"
    "c_back: mov $0x3232, %ecx; int $0x80\n"
    ".code64\n"
    "c_64: mov $0x6464, %ebx; mov $0x123456789abcdef0, %r8; mov %r8, %rdx; ljmp *8(%rax)\n"
    ".text\n");
extern char c_arith[], c_arith_end[], c_size[], c_wrap[], c_read[], c_ud[], c_int3[], c_int3_end[],
    c_call[], c_tls[], c_switch[], c_back[], c_64[];

static uint64_t place;
static uint8_t *data;
static uint16_t cs, ss;

static uint64_t at(const char *label)
{
    return CODE + (uintptr_t)label % PAGE_SIZE;
}

static struct trap_frame run(const char *label, uint64_t rax)
{
    struct trap_frame f = {.rip = at(label),
                           .cs = cs,
                           .ss = ss,
                           .rsp = STACK + 2048,
                           .rax = rax,
                           .rdi = TLS,
                           .rflags = 0x202};

    run_user(&f);
    return f;
}

static void check_basics(void)
{
    struct trap_frame f = run(c_arith, 41);

    CHECK_EQ(f.vector, 0x80, "int 0x80");
    CHECK_EQ(f.rip, at(c_arith_end), "its rip");
    CHECK_EQ(f.cs & 0xffff, cs, "cs in the frame");
    CHECK_EQ(f.ss & 0xffff, ss, "ss in the frame");
    CHECK_EQ(f.rax, 42, "eax");
    CHECK_EQ(f.rdx, 42, "edx");
    CHECK_EQ(f.rcx, 0xfffffffe, "ecx by pop of a 32-bit value");
    CHECK_EQ(f.rsp, STACK + 2048, "esp");
    f = run(c_size, 0);
    CHECK_EQ(f.rbx, 4, "size of a push");
    CHECK_EQ(f.rcx, 0, "ecx after it wrapped");
    CHECK_EQ(f.rdx & 3, 3, "RPL of cs");
    f = run(c_call, 0);
    CHECK_EQ(f.vector, 0x80, "after a call");
    CHECK_EQ(f.rbx, at(c_call) + 5, "return address");
}

static void check_faults(void)
{
    struct trap_frame f = run(c_wrap, DATA - 0x10 + 0x100000000);

    CHECK_EQ(f.vector, 0x80, "an address that wraps: vector");
    CHECK_EQ(f.rbx, 0xda7a, "its value");
    f = run(c_read, 0x1000);
    CHECK_EQ(f.vector, 14, "page fault");
    CHECK_EQ(f.error, 4, "its error code");
    CHECK_EQ(last_trap.cr2, 0x1000, "its cr2");
    CHECK_EQ(f.rip, at(c_read), "its rip");
    CHECK_EQ(f.cs & 0xffff, cs, "its cs");
    f = run(c_ud, 0);
    CHECK_EQ(f.vector, 6, "ud2");
    CHECK_EQ(f.rip, at(c_ud), "its rip");
    f = run(c_int3, 0);
    CHECK_EQ(f.vector, 3, "int3");
    CHECK_EQ(f.rip, at(c_int3_end), "its rip");
}

static void check_tls(void)
{
    struct trap_frame f = run(c_tls, 0);

    CHECK_EQ(f.vector, 0x80, "thread-local access: vector");
    CHECK_EQ(f.rbx, 0x715, "its value");
}

/* 32-bit code, then 64-bit code, then 32-bit code. */
static void check_switch(void)
{
    struct {
        uint32_t to64;
        uint16_t cs64, pad;
        uint32_t to32;
        uint16_t cs32;
    } *pointers = (void *)(data + 256);
    struct trap_frame f;

    pointers->to64 = (uint32_t)at(c_64);
    pointers->cs64 = CS64;
    pointers->to32 = (uint32_t)at(c_back);
    pointers->cs32 = CS32;
    f = run(c_switch, DATA + 256);
    CHECK_EQ(f.vector, 0x80, "after far jumps: vector (rip 0x%lx)", (unsigned long)f.rip);
    CHECK_EQ(f.rbx, 0x6464, "the 64-bit part ran");
    CHECK_EQ(f.rcx, 0x3232, "the 32-bit part ran");
}

static void check_all(uint16_t code, uint16_t stack)
{
    cs = code;
    ss = stack;
    print("cs 0x%x at 0x%lx\n", code, place);
    check_basics();
    check_faults();
    check_tls();
}

static void check_place(uint64_t where, const uint64_t *gdt, void *stack)
{
    uint64_t tls;

    place = where;
    tls = DATA_DESC | ((DATA + 128) & 0xffffff) << 16 | (DATA + 128) >> 24 << 56;
    CHECK_EQ(hypercall2(__HYPERVISOR_update_descriptor,
                        va_to_mfn((void *)gdt) * PAGE_SIZE + (TLS & ~7), tls),
             0, "update_descriptor");
    map(CODE, va_to_mfn((void *)((uintptr_t)c_arith & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(stack), PTE_P | PTE_RW | PTE_U);
    map(DATA, va_to_mfn(data), PTE_P | PTE_RW | PTE_U);
    check_all(CS32, DS32);
    check_switch();
    check_all(0xe023, 0xe02b);
    check_all(OTHER32, DS32);
    check_all(LDT32, DS32);
    unmap(CODE);
    unmap(STACK);
    unmap(DATA);
}

void test_main(void)
{
    /* Where there may be something of an engine's, too. */
    static const uint64_t places[] = {0x400000,   0x10000,    0x12000,    0x16000,    0x19000,
                                      0x20000,    0x29000,    0x3fe80000, 0x3ff7e000, 0x3ff80000,
                                      0x3ff88000, 0x3ff98000, 0x7fffd000, 0xffff0000};
    uint64_t *gdt = page_alloc(), *ldt = page_alloc(), *stack = page_alloc();
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (uintptr_t)ldt, .arg2.nr_ents = 512};
    unsigned long frame = va_to_mfn(gdt);

    data = page_alloc();
    *(uint32_t *)data = 0xda7a;
    *(uint32_t *)(data + 128 + 4) = 0x715;
    gdt[CS32 >> 3] = gdt[OTHER32 >> 3] = ldt[LDT32 >> 3] = CODE32_DESC;
    gdt[DS32 >> 3] = DATA_DESC;
    gdt[CS64 >> 3] = CODE64_DESC;
    remap(gdt, PTE_P);
    remap(ldt, PTE_P);
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 512), 0, "set_gdt");
    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "SET_LDT");
    user_root_init();
    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
        check_place(places[i], gdt, stack);
}
