/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * segment-faults - claim: an access at an address that is not canonical raises #SS(0) if it goes
 * through the stack segment, which is where rsp or rbp is its base, and #GP(0) else; es, cs, ss and
 * ds prefixes mean nothing in 64-bit code, fs and gs ones make it #GP. For each base register, each
 * prefix, reads, writes and pushes, in a program and in the kernel, wherever the program is and
 * single-stepped too. The trap of an `int n` ends the program, of which the kernel sees all
 * registers.
 *
 * Blind spots: 32-bit code.
 */
#include "guest.h"

#define BAD 0x8000000040000000ul
#define CODE 0x400000ul
#define LOW_CODE 0x14000ul
#define STACK 0x500000ul
#define END_VECTOR 0x21

static uint8_t *code_page;

/* mov al, [base] or mov [base], al, with a prefix (0 = none). Returns its length. */
static unsigned int write_access(uint8_t *at, uint8_t prefix, unsigned int base, bool write)
{
    uint8_t *p = at, low = base & 7;

    if (prefix)
        *p++ = prefix;
    if (base >= 8)
        *p++ = 0x41;
    *p++ = write ? 0x88 : 0x8a;
    *p++ = 0x40 | low; /* [base + disp8] */
    if (low == 4)
        *p++ = 0x24;
    *p++ = 0;
    return (unsigned int)(p - at);
}

static unsigned int expected_vector(uint8_t prefix, unsigned int base)
{
    if (prefix == 0x64 || prefix == 0x65)
        return 13;
    return base == 4 || base == 5 ? 12 : 13;
}

static uint64_t *frame_register(struct trap_frame *f, unsigned int base)
{
    uint64_t *const registers[] = {&f->rax, &f->rcx, &f->rdx, &f->rbx, &f->rsp, &f->rbp,
                                   &f->rsi, &f->rdi, &f->r8,  &f->r9,  &f->r10, &f->r11,
                                   &f->r12, &f->r13, &f->r14, &f->r15};

    return registers[base];
}

static void check_user_access(uint64_t at, uint8_t prefix, unsigned int base, bool write,
                              uint64_t flags)
{
    struct trap_frame f = program_frame(at, STACK + 2048);

    f.rflags |= flags;
    write_access(code_page, prefix, base, write);
    barrier();
    *frame_register(&f, base) = BAD;
    run_user(&f);
    if (f.vector != expected_vector(prefix, base) || f.error || f.rip != at)
        failure(
            "program at 0x%lx, prefix 0x%x, base %u, write %d: vector %lu, error 0x%lx, rip 0x%lx",
            at, prefix, base, write, f.vector, f.error, f.rip);
    CHECK_EQ(*frame_register(&f, base), BAD, "the base");
}

static void check_program(uint64_t at, uint64_t flags)
{
    static const uint8_t prefixes[] = {0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};

    for (unsigned int i = 0; i < ARRAY_SIZE(prefixes); i++)
        for (unsigned int base = 0; base < 16; base++)
            for (int write = 0; write < 2; write++)
                check_user_access(at, prefixes[i], base, write, flags);
}

/* All registers, across `int n` with a gate for programs. */
static void check_end(uint64_t at)
{
    struct trap_frame f = program_frame(at, STACK + 2048);

    memcpy(code_page, (uint8_t[]){0xcd, END_VECTOR}, 2);
    barrier();
    for (unsigned int i = 0; i < 16; i++)
        if (i != 4)
            *frame_register(&f, i) = 0x1122334455667700 + i;
    run_user(&f);
    CHECK_EQ(f.vector, 0x80, "the end of a program: its gate's handler");
    CHECK_EQ(f.rip, at + 2, "the end of a program: rip");
    for (unsigned int i = 0; i < 16; i++)
        if (i != 4)
            CHECK_EQ(*frame_register(&f, i), 0x1122334455667700 + i, "register %u at the end", i);
}

#define KERNEL_FAULT(vector_, insn, ...)                                                           \
    do {                                                                                           \
        trap_reset();                                                                              \
        asm volatile(EX_TRY(insn) : : "b"(BAD), "d"(0) : "rax", "memory", ##__VA_ARGS__);          \
        CHECK_EQ(last_trap.vector, vector_, "kernel: %s", insn);                                   \
        CHECK_EQ(last_trap.error, 0, "kernel: %s: error code", insn);                              \
    } while (0)

static void check_kernel(void)
{
    KERNEL_FAULT(13, "mov (%%rbx), %%al");
    KERNEL_FAULT(13, "mov %%al, %%ss:(%%rbx)");
    KERNEL_FAULT(13, "incq %%es:(%%rbx)");
    KERNEL_FAULT(13, "mov %%fs:(%%rbx), %%al");
    trap_reset();
    asm volatile("push %%rbp\n mov %%rbx, %%rbp\n" EX_TRY("mov %%ds:(%%rbp), %%al") "pop %%rbp\n"
                 :
                 : "b"(BAD)
                 : "rax", "memory");
    CHECK_EQ(last_trap.vector, 12, "kernel: rbp is the base");
    trap_reset();
    asm volatile("push %%rbp\n mov %%rbx, %%rbp\n" EX_TRY("mov %%gs:(%%rbp), %%al") "pop %%rbp\n"
                 :
                 : "b"(BAD)
                 : "rax", "memory");
    CHECK_EQ(last_trap.vector, 13, "kernel: rbp is the base, gs: is written");
}

void test_main(void)
{
    struct trap_info gate[2] = {{END_VECTOR, 3, FLAT_KERNEL_CS, (unsigned long)trap_entry_int80}};

    code_page = page_alloc();
    user_root_init();
    CHECK_EQ(set_trap_table(gate), 0, "the gate");
    map(CODE, va_to_mfn(code_page), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    check_program(CODE, 0);
    check_program(CODE, 0x100);
    check_end(CODE);
#ifndef LOW_GUEST
    map(LOW_CODE, va_to_mfn(code_page), PTE_P | PTE_U);
#endif
    /* From here on no stub can run it. */
    check_program(CODE, 0);
    check_program(CODE, 0x100);
    check_end(CODE);
#ifndef LOW_GUEST
    check_program(LOW_CODE, 0);
    check_end(LOW_CODE);
#endif
    check_kernel();
}
