/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * user-mode - claim: iret with an RPL-3 CS enters user mode with all registers; syscall, int
 * 0x80 and exceptions come back on the kernel's stack with the right frame; page-fault codes
 * carry the user bit; GS bases are exchanged; privileged instructions give #GP; kernel mode
 * sees what user mode wrote; user code that changes itself runs as changed.
 *
 * Blind spots: 32-bit code, ptrace-like single stepping beyond one step, FPU state (see fpu).
 */
#include "guest.h"

#define CODE 0x400000ul
#define DATA 0x600000ul
#define STACK 0x7ffffff000ul

asm(".section .user, \"ax\"\n"
    "user_registers:\n"
    "add $1, %rax; add $2, %rbx; add $3, %rdx; add $4, %rsi; add $5, %rdi; add $6, %rbp\n"
    "add $7, %r8; add $8, %r9; add $9, %r10; add $10, %r12; add $11, %r13; add $12, %r14\n"
    "add $13, %r15\n"
    "syscall\n user_registers_end:\n"
    "user_int80: int $0x80\n user_int80_end:\n"
    "user_int3: int3\n user_int3_end:\n"
    "user_ud: ud2\n"
    "user_div: xor %ecx, %ecx; user_div_at: div %ecx\n"
    "user_read: movb (%rdi), %al; syscall\n"
    "user_write: movb $7, (%rdi); syscall\n"
    "user_jump: jmp *%rdi\n"
    "user_hlt: hlt\n"
    "user_cli: cli\n"
    "user_in: in (%dx), %al\n"
    "user_gs: mov %gs:0, %rax; mov %fs:0, %rbx; syscall\n"
    "user_push: push %rdi; pop %rax; mov %cs, %ebx; mov %ss, %ebp; pushfq; pop %r8; syscall\n"
    "user_step: nop; nop; syscall\n"
    "user_patch: movl $42, 1f+1(%rip)\n 1: mov $1, %eax; syscall\n"
    ".text\n");
extern char user_registers[], user_registers_end[], user_int80[], user_int80_end[], user_int3[],
    user_int3_end[], user_ud[], user_div[], user_div_at[], user_read[], user_write[], user_jump[],
    user_hlt[], user_cli[], user_in[], user_gs[], user_push[], user_step[], user_patch[];
extern char trap_stack_top[];

static uint8_t *data, *stack;
static uint8_t *code;

/* Where a label of the .user section is in user mode. */
static uint64_t at(const char *label)
{
    return CODE + (uintptr_t)label % PAGE_SIZE;
}

static struct trap_frame enter(const char *label)
{
    return program_frame(at(label), STACK + 4000);
}

static void check_registers(void)
{
    struct trap_frame f = enter(user_registers);

    f.rax = f.rbx = f.rdx = f.rsi = f.rdi = f.rbp = f.r8 = f.r9 = f.r10 = f.r12 = f.r13 = f.r14 =
        f.r15 = 0x1000000000000000;
    f.rflags |= 1;
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "syscall");
    CHECK_EQ(f.rip, at(user_registers_end), "rip");
    CHECK_EQ(f.rsp, STACK + 4000, "rsp");
    CHECK_EQ(f.cs & 0xffff, FLAT_USER_CS, "cs");
    CHECK_EQ(f.ss & 0xffff, FLAT_USER_SS, "ss");
    CHECK_EQ(f.rcx, f.rip, "rcx of a syscall");
    const uint64_t got[] = {f.rax, f.rbx, f.rdx, f.rsi, f.rdi, f.rbp, f.r8,
                            f.r9,  f.r10, f.r12, f.r13, f.r14, f.r15};
    for (unsigned int i = 0; i < ARRAY_SIZE(got); i++)
        CHECK_EQ(got[i], 0x1000000000000001 + i, "register %u", i);
}

static void check_traps(void)
{
    struct trap_frame f = enter(user_int80);

    run_user(&f);
    CHECK_EQ(f.vector, 0x80, "int 0x80");
    CHECK_EQ(f.rip, at(user_int80_end), "its rip");
    f = enter(user_int3);
    run_user(&f);
    CHECK_EQ(f.vector, 3, "int3");
    CHECK_EQ(f.rip, at(user_int3_end), "its rip");
    f = enter(user_ud);
    run_user(&f);
    CHECK_EQ(f.vector, 6, "ud2");
    CHECK_EQ(f.rip, at(user_ud), "its rip");
    f = enter(user_div);
    run_user(&f);
    CHECK_EQ(f.vector, 0, "div");
    CHECK_EQ(f.rip, at(user_div_at), "its rip");
    const char *const privileged[] = {user_hlt, user_cli, user_in};
    for (unsigned int i = 0; i < ARRAY_SIZE(privileged); i++) {
        f = enter(privileged[i]);
        run_user(&f);
        CHECK_EQ(f.vector, 13, "privileged instruction %u", i);
        CHECK_EQ(f.error, 0, "its error code");
        CHECK_EQ(f.rip, at(privileged[i]), "its rip");
    }
}

static void check_fault(const char *label, uint64_t address, uint64_t error, const char *what)
{
    struct trap_frame f = enter(label);

    f.rdi = address;
    run_user(&f);
    CHECK_EQ(f.vector, 14, "%s: vector", what);
    CHECK_EQ(f.error, error, "%s: error code", what);
    CHECK_EQ(last_trap.cr2, address, "%s: cr2", what);
    CHECK_EQ(f.cs & 3, 3, "%s: cs", what);
    CHECK_EQ(f.rsp, STACK + 4000, "%s: rsp", what);
}

static void check_faults(void)
{
    struct trap_frame f;

    check_fault(user_read, NOWHERE, 4, "read of nothing");
    check_fault(user_write, NOWHERE, 6, "write to nothing");
    check_fault(user_write, CODE + 8, 7, "write to read-only memory");
    check_fault(user_jump, NOWHERE, 0x14, "jump to nothing");
    map(DATA, va_to_mfn(data), PTE_P | PTE_RW | PTE_U | PTE_NX);
    check_fault(user_jump, DATA, 0x15, "jump to NX memory");
    f = enter(user_read);
    f.rdi = 0x0000800000000000;
    run_user(&f);
    CHECK_EQ(f.vector, 13, "non-canonical read");
    f = enter(user_read);
    f.rdi = DATA;
    data[0] = 0x5a;
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "good read");
    CHECK_EQ(f.rax & 0xff, 0x5a, "what it read");
    f = enter(user_write);
    f.rdi = DATA + 1;
    run_user(&f);
    CHECK_EQ(data[1], 7, "what it wrote");
    /* Rights taken away while user code is off the CPU. */
    map(DATA, va_to_mfn(data), PTE_P | PTE_U);
    check_fault(user_write, DATA + 1, 7, "write after the right was taken away");
    unmap(DATA);
    check_fault(user_read, DATA, 4, "read after unmap");
    map(DATA, va_to_mfn(data), PTE_P | PTE_RW | PTE_U);
    f = enter(user_read);
    f.rdi = DATA + 1;
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "read after it was mapped again");
}

static void check_state(void)
{
    static uint64_t kernel_gs = 0x4b;
    struct trap_frame f = enter(user_push);
    uint64_t value;

    f.rdi = 0x1122334455667788;
    f.rflags |= 0x200000;
    run_user(&f);
    CHECK_EQ(f.rax, f.rdi, "push and pop");
    /* The numbers may be the host's (0x33 and 0x2b) where user code runs in a host process. */
    CHECK_EQ(f.rbx & 3, 3, "RPL of cs as user code sees it");
    CHECK_EQ(f.rbp & 3, 3, "RPL of ss as user code sees it");
    CHECK_EQ(f.cs & 0xffff, FLAT_USER_CS, "cs in the frame");
    CHECK_EQ(f.ss & 0xffff, FLAT_USER_SS, "ss in the frame");
    CHECK_EQ(f.r8 & 0x203200, 0x200200, "ID, IF and no IOPL in its flags");

    ((uint64_t *)data)[8] = 0x6753;
    ((uint64_t *)data)[16] = 0x6653;
    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_KERNEL, &kernel_gs);
    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, DATA + 64);
    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_FS, DATA + 128);
    f = enter(user_gs);
    run_user(&f);
    CHECK_EQ(f.rax, 0x6753, "gs in user mode");
    CHECK_EQ(f.rbx, 0x6653, "fs in user mode");
    asm volatile("mov %%gs:0, %0" : "=r"(value));
    CHECK_EQ(value, kernel_gs, "gs back in the kernel");

    f = enter(user_step);
    f.rflags |= 0x100;
    run_user(&f);
    CHECK_EQ(f.vector, 1, "single step");
    CHECK_EQ(f.rip, at(user_step) + 1, "its rip");
}

static void check_patch(void)
{
    struct trap_frame f = enter(user_patch);

    map(CODE, va_to_mfn(code), PTE_P | PTE_RW | PTE_U);
    run_user(&f);
    CHECK_EQ(f.rax, 42, "constant after user code patched it");
    /* The kernel patches, too. */
    code[(uintptr_t)user_ud % PAGE_SIZE] = 0xcc;
    f = enter(user_ud);
    run_user(&f);
    CHECK_EQ(f.vector, 3, "int3 that the kernel wrote over ud2");
}

static void check_no_callback(void)
{
    struct callback_register none = {.type = CALLBACKTYPE_syscall, .address = 0};
    struct callback_register back = {.type = CALLBACKTYPE_syscall,
                                     .address = (uintptr_t)syscall_entry};
    struct trap_frame f = enter(user_registers);

    if (hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &none))
        return;
    run_user(&f);
    CHECK_EQ(f.vector, 6, "syscall without a callback");
    CHECK_EQ(f.rip, at(user_registers_end) - 2, "its rip");
    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &back);
}

void test_main(void)
{
    code = page_alloc();
    data = page_alloc();
    stack = page_alloc();
    memcpy(code, (void *)((uintptr_t)user_registers & ~(PAGE_SIZE - 1)), PAGE_SIZE);
    user_root_init();
    map(CODE, va_to_mfn(code), PTE_P | PTE_U);
    map(DATA, va_to_mfn(data), PTE_P | PTE_RW | PTE_U);
    map(STACK, va_to_mfn(stack), PTE_P | PTE_RW | PTE_U);
    check_registers();
    check_traps();
    check_faults();
    check_state();
    check_no_callback();
    check_patch();
}
