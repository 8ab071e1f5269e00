/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user-high - claim: a program reaches all that its root leads to, the U bit or not, also in the
 * kernel's half: it can run there, have its stack and its data there, and be interrupted there;
 * what it does there is what it does elsewhere (arithmetic, calls, strings, locked operations,
 * SSE, flags, system calls, exceptions); rights are kept; what its root does not lead to is a
 * page fault with U. The kernel's root may be another.
 *
 * Blind spots: 32-bit code (which is below 4 GiB); the XSAVE family, which only stubs execute.
 */
#include "guest.h"

#define HIGH 0xffffc90000000000ul
#define LOW 0x400000ul
#define MS 1000000ul

asm(".section .user, \"ax\"\n"
    "high_all: mov $0, %ecx\n"
    "1: add $3, %rcx; dec %rdi; jnz 1b\n" /* rcx = 3 * rdi */
    "push %rcx; pop %rbx\n"
    "call high_function\n"
    "lock incq (%rsi)\n"
    "mov (%rsi), %r8\n"
    "movq %r8, %xmm5; paddq %xmm5, %xmm5; movq %xmm5, %r9\n"
    "lea 64(%rsi), %rdi; mov $0x5a, %eax; mov $100, %ecx; rep stosb\n"
    "lea 64(%rsi), %rdi; cmpb $0x5a, 99(%rdi); sete %r10b; movzx %r10b, %r10d\n"
    "stc; pushfq; pop %r12\n"
    "mov %gs:8, %r13; mov %fs:16, %r14\n"
    "syscall\n high_end:\n"
    "high_function: lea 7(%rcx), %rdx; ret\n"
    "high_int80: int $0x80\n high_int80_end:\n"
    "high_ud: ud2\n"
    "high_cli: cli\n"
    "high_read: mov (%rsi), %rax; syscall\n"
    "high_write: movq $0x4242, (%rsi); syscall\n"
    "high_jump: jmp *%rsi\n"
    "high_spin: cmpq $0, (%rsi); je high_spin; syscall\n"
    "high_step: nop; nop; syscall\n"
    ".text\n");
extern char high_all[], high_end[], high_int80[], high_int80_end[], high_ud[], high_cli[],
    high_read[], high_write[], high_jump[], high_spin[], high_step[];

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

static void check_work(const char *where)
{
    struct trap_frame f;

    data[0] = 41;
    data[1] = 0x6753;
    data[2] = 0x6653;
    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, data_va);
    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_FS, data_va);
    f = run(high_all, data_va, 0);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "%s: the end", where);
    CHECK_EQ(f.rip, at(high_end), "%s: rip", where);
    CHECK_EQ(f.rsp, stack + 2048, "%s: rsp", where);
    CHECK_EQ(f.rbx, 3000, "%s: a loop", where);
    CHECK_EQ(f.rdx, 3007, "%s: a function", where);
    CHECK_EQ(f.r8, 42, "%s: a locked increment", where);
    CHECK_EQ(f.r9, 84, "%s: SSE", where);
    CHECK_EQ(f.r10, 1, "%s: a string", where);
    CHECK_EQ(f.r12 & 0x201, 0x201, "%s: flags", where);
    CHECK_EQ(f.r13, 0x6753, "%s: gs", where);
    CHECK_EQ(f.r14, 0x6653, "%s: fs", where);
    CHECK_EQ(f.cs & 0xffff, FLAT_USER_CS, "%s: cs", where);
}

static void check_traps(const char *where)
{
    struct trap_frame f = run(high_int80, 0, 0);

    CHECK_EQ(f.vector, 0x80, "%s: int 0x80", where);
    CHECK_EQ(f.rip, at(high_int80_end), "%s: its rip", where);
    f = run(high_ud, 0, 0);
    CHECK_EQ(f.vector, 6, "%s: ud2", where);
    CHECK_EQ(f.rip, at(high_ud), "%s: its rip", where);
    f = run(high_cli, 0, 0);
    CHECK_EQ(f.vector, 13, "%s: cli", where);
    CHECK_EQ(f.rip, at(high_cli), "%s: its rip", where);
    f = run(high_step, 0, 0x100);
    CHECK_EQ(f.vector, 1, "%s: a single step", where);
    CHECK_EQ(f.rip, at(high_step) + 1, "%s: its rip", where);
}

static void check_fault(const char *where, const char *label, uint64_t address, uint64_t error)
{
    struct trap_frame f = run(label, address, 0);

    CHECK_EQ(f.vector, 14, "%s, 0x%lx: vector", where, address);
    CHECK_EQ(f.error, error, "%s, 0x%lx: error code", where, address);
    CHECK_EQ(last_trap.cr2, address, "%s, 0x%lx: cr2", where, address);
    CHECK_EQ(f.cs & 3, 3, "%s, 0x%lx: cs", where, address);
}

static void check_rights(const char *where)
{
    struct trap_frame f;

    check_fault(where, high_read, HIGH + 0x100000, 4);
    check_fault(where, high_write, HIGH + 0x100000, 6);
    check_fault(where, high_jump, HIGH + 0x100000, 0x14);
    check_fault(where, high_read, 0xffff850000000000, 4);
    check_fault(where, high_read, NOWHERE, 4);
    map(HIGH + 0x3000, va_to_mfn(data), PTE_P | PTE_NX);
    check_fault(where, high_write, HIGH + 0x3000, 7);
    check_fault(where, high_jump, HIGH + 0x3000, 0x15);
    f = run(high_read, HIGH + 0x3000, 0);
    CHECK_EQ(f.rax, data[0], "%s: a read of read-only memory", where);
    unmap(HIGH + 0x3000);
    check_fault(where, high_read, HIGH + 0x3000, 4);
    f = run(high_read, 0x0000800000000000, 0);
    CHECK_EQ(f.vector, 13, "%s: a non-canonical read", where);
}

static void let_go(void)
{
    data[0] = 1;
}

static void check_event(const char *where)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 5 * MS};
    unsigned long before = user_events;

    data[0] = 0;
    on_user_event = let_go;
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    struct trap_frame f = run(high_spin, data_va, 0);
    on_user_event = NULL;
    CHECK_EQ(f.vector, TRAP_SYSCALL, "%s: after an event", where);
    CHECK_EQ(user_events, before + 1, "%s: events in it", where);
}

static void check_all(const char *where)
{
    check_work(where);
    check_traps(where);
    check_rights(where);
    check_event(where);
}

/* A root that has the programs' pages alone: the kernel's are out of their reach. */
static void use_own_root(void)
{
    const uint64_t *kernel = (const uint64_t *)start_info->pt_base;
    uint64_t *root = page_alloc();
    struct mmuext_op ops[2] = {{.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = va_to_mfn(root)},
                               {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = va_to_mfn(root)}};

    root[HIGH >> 39 & 511] = kernel[HIGH >> 39 & 511];
    remap(root, PTE_P);
    CHECK_EQ(mmuext_op(ops, 2, NULL), 0, "a root of their own");
}

void test_main(void)
{
    uint64_t code_mfn = va_to_mfn((void *)((uintptr_t)high_all & ~(PAGE_SIZE - 1)));
    uint8_t *stack_page = page_alloc();

    data = page_alloc();
    bind_virq(VIRQ_TIMER);
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    user_root_init();
    map(HIGH, code_mfn, PTE_P);
    map(HIGH + 0x1000, va_to_mfn(stack_page), PTE_P | PTE_RW);
    map(HIGH + 0x2000, va_to_mfn(data), PTE_P | PTE_RW);
    map(LOW, code_mfn, PTE_P);
    map(LOW + 0x1000, va_to_mfn(stack_page), PTE_P | PTE_RW);
    map(LOW + 0x2000, va_to_mfn(data), PTE_P | PTE_RW);
    code = LOW, stack = LOW + 0x1000, data_va = LOW + 0x2000;
    check_all("all low");
    data_va = HIGH + 0x2000;
    check_all("high data");
    stack = HIGH + 0x1000;
    check_all("high stack and data");
    code = HIGH;
    check_all("all high");
    stack = LOW + 0x1000, data_va = LOW + 0x2000;
    check_all("high code");
    /* The kernel's own image. */
    code = (uintptr_t)high_all & ~(PAGE_SIZE - 1);
    stack = (uintptr_t)stack_page, data_va = (uintptr_t)data;
    check_all("the kernel's image");
    code = HIGH, stack = HIGH + 0x1000, data_va = HIGH + 0x2000;
    use_own_root();
    check_all("all high, own root");
    check_fault("own root", high_read, (uintptr_t)data, 4);
}
