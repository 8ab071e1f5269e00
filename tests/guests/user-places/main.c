/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user-places - claim: a program may have its code, its stack and its data anywhere in the user
 * half: in the first page, below 64 KiB, below 1 MiB, where kernels that are linked low are, at the
 * end. It can execute there, be interrupted, use several of these places in one instruction, make
 * system calls and get its own exceptions, with rights as its page tables say. A kernel that shares
 * its address space with its program (one root) can run it where it was linked. A low one also sees
 * all of rax at int 0x80, and its program what lar, lsl and verr say of the guest's descriptors.
 *
 * Blind spots: 32-bit code; several vCPUs; what a program finds where it has nothing.
 */
#include "guest.h"

#define PLAIN 0x50000000ul
#define MS 1000000ul
/* Where nothing is mapped, a program may find something of ours: docs/internals/stubs.md. */
#define ENGINE 0x10000ul
#define ENGINE_END 0x2b000ul

asm(".section .user, \"ax\"\n"
    "place_all: xor %ecx, %ecx\n"
    "1: add $3, %rcx; dec %rdi; jnz 1b\n" /* rcx = 3 * rdi */
    "push %rcx; pop %rbx\n"
    "call place_function\n"
    "lock incq (%rsi)\n"
    "mov (%rsi), %r8\n"
    "pushq (%rsi); popq 8(%rsi); mov 8(%rsi), %r9\n"
    "movq %r8, %xmm5; paddq %xmm5, %xmm5; movq %xmm5, %r10\n"
    "lea 64(%rsi), %rdi; mov $0x5a, %eax; mov $100, %ecx; rep stosb\n"
    "cmpb $0x5a, 99(%rsi); sete %r12b; movzx %r12b, %r12d\n"
    "stc; pushfq; pop %r13\n"
    "syscall\n place_end:\n"
    "place_function: lea 7(%rcx), %rdx; ret\n"
    "place_int: int $0x80\n place_int_end:\n"
    "place_ud: ud2\n"
    "place_cli: cli\n"
    "place_read: mov (%rsi), %rax; syscall\n"
    "place_write: movq $0x4242, (%rsi); syscall\n"
    "place_jump: jmp *%rsi\n"
    "place_spin: cmpq $0, (%rsi); je place_spin; syscall\n"
    "place_step: nop; nop; syscall\n"
    "place_wide: int $0x80\n"
    "place_lar: lar %esi, %eax; setz %bl; lsl %esi, %ecx; setz %bh; verr %si; setz %dl; syscall\n"
    ".text\n");
extern char place_all[], place_end[], place_int[], place_int_end[], place_ud[], place_cli[],
    place_read[], place_write[], place_jump[], place_spin[], place_step[], place_wide[],
    place_lar[];

static uint64_t code, stack, data_va, *data;

static uint64_t at(const char *label)
{
    return code + (uintptr_t)label % PAGE_SIZE;
}

static struct trap_frame run(const char *label, uint64_t rsi, uint64_t flags)
{
    struct trap_frame f = program_frame(at(label), stack + 2048);

    f.rdi = 1000;
    f.rsi = rsi;
    f.rflags |= flags;
    run_user(&f);
    return f;
}

static void check_work(void)
{
    struct trap_frame f;

    data[0] = 41;
    f = run(place_all, data_va, 0);
    if (f.vector != TRAP_SYSCALL) {
        failure(
            "code 0x%lx, stack 0x%lx, data 0x%lx: vector %lu, error 0x%lx, rip 0x%lx, cr2 0x%lx",
            code, stack, data_va, f.vector, f.error, f.rip, last_trap.cr2);
        return;
    }
    CHECK_EQ(f.rip, at(place_end), "0x%lx: rip", code);
    CHECK_EQ(f.rsp, stack + 2048, "0x%lx: rsp", code);
    CHECK_EQ(f.rbx, 3000, "0x%lx: a loop", code);
    CHECK_EQ(f.rdx, 3007, "0x%lx: a function", code);
    CHECK_EQ(f.r8, 42, "0x%lx: a locked increment", code);
    CHECK_EQ(f.r9, 42, "0x%lx: from data to stack and back", code);
    CHECK_EQ(f.r10, 84, "0x%lx: SSE", code);
    CHECK_EQ(f.r12, 1, "0x%lx: a string", code);
    CHECK_EQ(f.r13 & 0x201, 0x201, "0x%lx: flags", code);
    CHECK_EQ(data[0], 42, "0x%lx: what the kernel sees", code);
}

static void check_traps(void)
{
    struct trap_frame f = run(place_int, 0, 0);

    CHECK_EQ(f.vector, 0x80, "0x%lx: int 0x80", code);
    CHECK_EQ(f.rip, at(place_int_end), "0x%lx: its rip", code);
    f = run(place_ud, 0, 0);
    CHECK_EQ(f.vector, 6, "0x%lx: ud2", code);
    CHECK_EQ(f.rip, at(place_ud), "0x%lx: its rip", code);
    f = run(place_cli, 0, 0);
    CHECK_EQ(f.vector, 13, "0x%lx: cli", code);
    CHECK_EQ(f.rip, at(place_cli), "0x%lx: its rip", code);
    f = run(place_step, 0, 0x100);
    CHECK_EQ(f.vector, 1, "0x%lx: a single step", code);
    CHECK_EQ(f.rip, at(place_step) + 1, "0x%lx: its rip", code);
}

static void check_fault(const char *label, uint64_t address, uint64_t error)
{
    struct trap_frame f = run(label, address, 0);

    CHECK_EQ(f.vector, 14, "code 0x%lx, address 0x%lx: vector", code, address);
    CHECK_EQ(f.error, error, "code 0x%lx, address 0x%lx: error code", code, address);
    CHECK_EQ(last_trap.cr2, address, "code 0x%lx: cr2", code);
}

/* The place is mapped read-only, then not at all. */
static void check_rights(uint64_t place, void *page)
{
    bool readable_without = place >= ENGINE && place < ENGINE_END;

    map(place, va_to_mfn(page), PTE_P | PTE_U | PTE_NX);
    check_fault(place_write, place + 8, 7);
    check_fault(place_jump, place + 8, 0x15);
    CHECK_EQ(run(place_read, place + 8, 0).vector, TRAP_SYSCALL, "read of 0x%lx", place);
    unmap(place);
    if (readable_without)
        return;
    check_fault(place_read, place + 8, 4);
    check_fault(place_write, place + 8, 6);
    check_fault(place_jump, place + 8, 0x14);
}

/* Events stop a program that spins there. */
static void on_event(void)
{
    data[0] = 1;
}

static void check_event(void)
{
    struct trap_frame f;

    data[0] = 0;
    on_user_event = on_event;
    hypercall1(__HYPERVISOR_set_timer_op, now() + MS);
    f = run(place_spin, data_va, 0);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "0x%lx: the end of a loop that waits for an event", code);
    on_user_event = NULL;
}

static void check_place(uint64_t place, void *code_page, void *stack_page)
{
    void *pages[] = {code_page, stack_page, data};
    uint64_t *const where[] = {&code, &stack, &data_va};

    /* Each alone, then all together. */
    for (unsigned int which = 0; which < 4; which++) {
        for (unsigned int i = 0; i < 3; i++) {
            bool here = which == i || which == 3;

            *where[i] = (here ? place : PLAIN) + i * PAGE_SIZE;
            map(*where[i], va_to_mfn(pages[i]), PTE_P | PTE_U | PTE_RW | (i ? PTE_NX : 0));
        }
        check_work();
        if (which == 3) {
            check_traps();
            check_event();
        }
        for (unsigned int i = 0; i < 3; i++)
            unmap(*where[i]);
    }
    code = PLAIN;
    stack = PLAIN + PAGE_SIZE;
    map(code, va_to_mfn(code_page), PTE_P | PTE_U);
    map(stack, va_to_mfn(stack_page), PTE_P | PTE_U | PTE_RW);
    check_rights(place, data);
    unmap(code);
    unmap(stack);
}

static void everywhere(void *code_page, void *stack_page)
{
    /* Where there may be something of an engine's, too. */
    static const uint64_t places[] = {
        0x1000,     0x2000,     0xd000,         0xf000,         0x10000,       0x13000,
        0x17000,    0x20000,    0x28000,        0x2a000,        0x2b000,       0x7f000,
        0xfe000,    0x100000,   0x103000,       0x109000,       0x118000,      0x119000,
        0x11b000,   0x120000,   0x12e000,       0x130000,       0x3ff000,      0x50f0000,
        0x7fffd000, 0xfffff000, 0x7f0000000000, 0x7ffffff00000, 0x7fffffffc000};

    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
        check_place(places[i], code_page, stack_page);
}

/* What only the guest's own tables and registers tell. */
static void check_exact(void)
{
    struct trap_frame f = program_frame(at(place_wide), stack + 2048);

    f.rax = 0x1122334455667788;
    run_user(&f);
    CHECK_EQ(f.vector, 0x80, "0x%lx: int 0x80", code);
    CHECK_EQ(f.rax, 0x1122334455667788, "0x%lx: all of rax at int 0x80", code);
    f = run(place_lar, FLAT_USER_CS, 0);
    CHECK_EQ(f.rbx & 0xffff, 0x0101, "0x%lx: lar and lsl of Xen's code segment", code);
    CHECK_EQ(f.rax & 0xf0ff00, 0xa0fb00, "0x%lx: its rights", code);
    CHECK_EQ(f.rdx & 0xff, 1, "0x%lx: verr of it", code);
    f = run(place_lar, 0xf7, 0); /* of an LDT that there is not */
    CHECK_EQ(f.rbx & 0xffff, 0, "0x%lx: lar and lsl of no segment", code);
    CHECK_EQ(f.rdx & 0xff, 0, "0x%lx: verr of no segment", code);
}

/* Code and data where they were linked, the stack in this image, too. */
static void in_place(void)
{
    static uint64_t own_stack[512] __attribute__((aligned(4096))), own_data[512];

    code = (uintptr_t)place_all & ~(PAGE_SIZE - 1);
    stack = (uintptr_t)own_stack;
    data = own_data;
    data_va = (uintptr_t)own_data;
    check_work();
    check_traps();
    check_event();
#ifdef LOW_GUEST /* where a stub may run the program, that is not so: docs/internals/stubs.md */
    check_exact();
#else
    (void)check_exact;
#endif
}

void test_main(void)
{
    void *code_page = page_alloc(), *stack_page = page_alloc();

    memcpy(code_page, (void *)((uintptr_t)place_all & ~(PAGE_SIZE - 1)), PAGE_SIZE);
    data = page_alloc();
    user_root_init();
    if (bind_virq(VIRQ_TIMER) < 0)
        error("no timer");
#ifndef LOW_GUEST
    everywhere(code_page, stack_page);
#else
    (void)everywhere;
    (void)stack_page;
#endif
    in_place();
}
