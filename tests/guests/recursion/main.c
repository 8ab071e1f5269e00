/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * recursion - claim: recursion as deep as its stack allows works in kernel code, with calls
 * and returns far beyond any predictor or cache of them, also when events interrupt it; user
 * code that recurses without end gets a page fault at the guard page of its stack, with the
 * user's registers in the frame, every time.
 *
 * Blind spots: kernel recursion without end (see crash-recursion).
 */
#include "guest.h"

#define KSTACK 0xffffc90000000000ul
#define KSTACK_PAGES 40
#define CODE 0x400000ul
#define USTACK 0x7ffff0000000ul
#define USTACK_PAGES 8

static __attribute__((noinline)) uint64_t sum_to(uint64_t n)
{
    if (!n)
        return 0;
    return n + sum_to(n - 1) + (*(volatile uint64_t *)&n - n); /* no tail call */
}

static __attribute__((noinline)) uint64_t fibonacci(uint64_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t call_on_stack(uint64_t stack, uint64_t (*function)(uint64_t), uint64_t n)
{
    uint64_t ret;

    asm volatile("mov %%rsp, %%rbx\n mov %[stack], %%rsp\n call *%[function]\n mov %%rbx, %%rsp\n"
                 : "=a"(ret), "+D"(n)
                 : [stack] "r"(stack), [function] "r"(function)
                 : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return ret;
}

static void check_kernel(void)
{
    uint64_t give_up = now() + 5000000000, top = KSTACK + KSTACK_PAGES * PAGE_SIZE;
    struct vcpu_set_periodic_timer timer = {.period_ns = 1000000};
    long port = bind_virq(VIRQ_TIMER);

    for (unsigned int i = 0; i < KSTACK_PAGES; i++)
        map(KSTACK + i * PAGE_SIZE, va_to_mfn(page_alloc()), PTE_P | PTE_RW);
    for (uint64_t n = 3; n <= 3000; n *= 10)
        CHECK_EQ(call_on_stack(top, sum_to, n), n * (n + 1) / 2, "sum to %lu", n);
    vcpu_op(VCPUOP_set_periodic_timer, 0, &timer);
    while (event_count[port] < 20 && now() < give_up)
        CHECK_EQ(call_on_stack(top, sum_to, 3000), 3000ul * 3001 / 2, "sum with timer");
    CHECK(event_count[port] >= 20, "%lu timer events", event_count[port]);
    CHECK_EQ(call_on_stack(top, fibonacci, 27), 196418, "Fibonacci number with timer");
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
}

asm(".section .user, \"ax\"\n"
    "user_recurse: inc %rax; call user_recurse\n"
    ".text\n");
extern char user_recurse[];

static void check_user(void)
{
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_recurse & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    for (unsigned int i = 0; i < USTACK_PAGES; i++)
        map(USTACK + i * PAGE_SIZE, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    for (unsigned int round = 0; round < 10; round++) {
        struct trap_frame f = {.rip = CODE + (uintptr_t)user_recurse % PAGE_SIZE,
                               .cs = FLAT_USER_CS,
                               .ss = FLAT_USER_SS,
                               .rsp = USTACK + USTACK_PAGES * PAGE_SIZE,
                               .rflags = 0x202};

        run_user(&f);
        CHECK_EQ(f.vector, 14, "end of a user recursion");
        CHECK_EQ(f.error, 6, "its error code");
        CHECK_EQ(last_trap.cr2, USTACK - 8, "its cr2");
        CHECK_EQ(f.rsp, USTACK, "rsp then");
        CHECK_EQ(f.rax, USTACK_PAGES * PAGE_SIZE / 8 + 1, "depth");
    }
}

void test_main(void)
{
    check_kernel();
    check_user();
}
