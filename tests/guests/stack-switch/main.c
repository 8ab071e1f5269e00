/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stack-switch - claim: entries from user mode use the stack that stack_switch last named,
 * aligned down to 16 bytes, and touch nothing at or above it; it may be changed at any time,
 * also while user code is interrupted; it may lie anywhere in the kernel half, over a page
 * boundary with unrelated frames, and in the user half. Entries from kernel mode do not use
 * it. The interrupted rsp is in the frame, whatever its value.
 *
 * Blind spots: a stack that cannot be written (see crash-bad-stack).
 */
#include "guest.h"

#define CODE 0x400000ul
#define USTACK 0x500000ul
#define FAR 0xffffc90000000000ul

asm(".section .user, \"ax\"\n"
    "user_syscall: syscall\n"
    "user_ud: ud2\n"
    "user_fault: movb 0x1000, %al\n"
    "user_loop: cmpq $0, (%rdi); je user_loop; syscall\n"
    ".text\n");
extern char user_syscall[], user_ud[], user_fault[], user_loop[];

static struct trap_frame enter(const char *label, uint64_t rsp)
{
    return (struct trap_frame){.rip = CODE + (uintptr_t)label % PAGE_SIZE,
                               .cs = FLAT_USER_CS,
                               .ss = FLAT_USER_SS,
                               .rsp = rsp,
                               .rdi = USTACK,
                               .rflags = 0x202};
}

static void set_stack(uint64_t sp)
{
    CHECK_EQ(hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, sp), 0, "stack_switch");
}

static void check_entries(uint64_t sp, const char *where)
{
    const char *const labels[] = {user_syscall, user_ud, user_fault};
    static const uint64_t vectors[] = {TRAP_SYSCALL, 6, 14};
    static const uint64_t rsps[] = {USTACK + 2048, USTACK + 2041, 0, 0x7fffffffffff,
                                    0x1122334455667788};

    set_stack(sp);
    for (unsigned int i = 0; i < ARRAY_SIZE(labels); i++) {
        for (unsigned int k = 0; k < ARRAY_SIZE(rsps); k++) {
            struct trap_frame f = enter(labels[i], rsps[k]);

            frame_end = 0;
            run_user(&f);
            CHECK_EQ(f.vector, vectors[i], "%s, entry %u: vector", where, i);
            CHECK_EQ(frame_end, sp & ~15ul, "%s, entry %u: end of the frame", where, i);
            CHECK_EQ(f.rsp, rsps[k], "%s, entry %u: user rsp", where, i);
        }
    }
}

static void check_alignment(void)
{
    uint8_t *stack = page_alloc();

    for (unsigned int k = 0; k < 20; k++) {
        unsigned long touched = 0;

        memset(stack + 3072, 0xa5, 1024);
        check_entries((uintptr_t)stack + 3072 + k, "alignment");
        for (unsigned int i = k & ~15u; i < 1024; i++)
            touched += stack[3072 + i] != 0xa5;
        CHECK_EQ(touched, 0, "bytes changed above the stack at offset %u", k);
    }
}

/* The frame lies half on one page and half on another, whose frames are no neighbours. */
static void check_boundary(uint64_t at, const char *where)
{
    uint8_t *low = page_alloc(), *between = page_alloc(), *high = page_alloc();

    (void)between;
    CHECK_EQ(map(at, va_to_mfn(high), PTE_P | PTE_RW), 0, "map");
    CHECK_EQ(map(at + PAGE_SIZE, va_to_mfn(low), PTE_P | PTE_RW), 0, "map");
    for (unsigned int k = 0; k < 80; k += 8)
        check_entries(at + PAGE_SIZE + k, where);
}

static volatile uint64_t *flag;
static uint64_t other_stack;

/* In the upcall from user mode: the next entries are to use another stack. */
static void change_stack(void)
{
    set_stack(other_stack);
    *flag = 1;
}

static void check_change(void)
{
    uint64_t first = (uintptr_t)page_alloc() + 4000;
    struct vcpu_set_singleshot_timer timer;
    struct trap_frame f = enter(user_loop, USTACK + 2048);

    other_stack = (uintptr_t)page_alloc() + 2000;
    *flag = 0;
    set_stack(first);
    timer = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = now() + 2000000};
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    on_user_event = change_stack;
    run_user(&f);
    on_user_event = NULL;
    CHECK_EQ(f.vector, TRAP_SYSCALL, "end of the loop");
    CHECK_EQ(frame_end, other_stack & ~15ul, "end of the frame on the new stack");
}

static uint64_t kernel_frame_end, kernel_rsp;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector != 6)
        return false;
    kernel_frame_end = (uintptr_t)(&frame->ss + 1);
    kernel_rsp = frame->rsp;
    frame->rip += 2;
    return true;
}

static void check_kernel_entry(void)
{
    set_stack(0x1234); /* of no importance */
    trap_hook = hook;
    asm volatile("ud2" : : : "memory");
    trap_hook = NULL;
    CHECK_EQ(kernel_frame_end, kernel_rsp & ~15ul, "frame of an exception in kernel mode");
}

void test_main(void)
{
    extern char trap_stack_top[];
    uint8_t *ustack = page_alloc();

    flag = (volatile uint64_t *)ustack;
    bind_virq(VIRQ_TIMER);
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL); /* no frames but those asked for */
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_syscall & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(USTACK, va_to_mfn(ustack), PTE_P | PTE_RW | PTE_U);
    check_alignment();
    check_boundary(FAR, "far away");
    check_boundary(0xffffffffd0000000, "top");
    check_boundary(0x600000, "user half");
    check_change();
    check_kernel_entry();
    set_stack((uintptr_t)trap_stack_top);
}
