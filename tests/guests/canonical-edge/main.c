/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * canonical-edge - claim: a system call at the very end of the lower half leaves a rip that is not
 * canonical. In the kernel the hypercall is done, and #GP(0) comes with that rip, on the stack that
 * was in use, even one in the same page; of a program the kernel gets the call, with that rip, and
 * #GP(0) from the program if it returns there. So it is with any instruction that ends there. A
 * fetch across the edge is #GP(0) at the instruction. An iret to such a rip is #GP of the new
 * context.
 *
 * Blind spots: five-level paging.
 */
#include "guest.h"

#define LAST 0x7ffffffff000ul
#define EDGE 0x800000000000ul
#define STACK 0x500000ul

static uint8_t *page;

static void put(unsigned int before_end, const void *code, size_t size)
{
    memset(page, 0xcc, PAGE_SIZE);
    memcpy(page + PAGE_SIZE - before_end, code, size);
    barrier();
}

static bool is_edge(struct trap_frame *frame)
{
    extern char edge_back[];

    if (frame->vector != 13 && frame->vector != 14)
        return false;
    last_trap.vector = (long)frame->vector;
    last_trap.error = frame->error;
    last_trap.rip = frame->rip;
    last_trap.rsp = frame->rsp;
    frame->rip = (uintptr_t)edge_back;
    return true;
}

/* A function with a label in asm is there once; clang copies none. */
#if __has_attribute(noclone)
#define ONE_COPY __attribute__((noinline, noclone))
#else
#define ONE_COPY __attribute__((noinline))
#endif

/* Go to `at` in the last page with the stack there too; what the trap says is in last_trap. */
static ONE_COPY long visit(uint64_t at, uint64_t rax)
{
    long ret;

    trap_reset();
    trap_hook = is_edge;
    asm volatile("mov %%rsp, %%rbx\n mov %[sp], %%rsp\n jmp *%[at]\n"
                 "edge_back: mov %%rbx, %%rsp"
                 : "=a"(ret)
                 : "0"(rax), "D"(XENVER_version), "S"(0), [at] "r"(at), [sp] "r"(LAST + 2048)
                 : "rbx", "rcx", "r11", "memory");
    trap_hook = NULL;
    return ret;
}

static void check_kernel(void)
{
    long ret, version = hypercall2(__HYPERVISOR_xen_version, XENVER_version, NULL);

    put(2, "\x0f\x05", 2);
    ret = visit(EDGE - 2, __HYPERVISOR_xen_version);
    CHECK_EQ(ret, version, "the hypercall");
    CHECK_EQ(last_trap.vector, 13, "behind it: vector");
    CHECK_EQ(last_trap.error, 0, "behind it: error code");
    CHECK_EQ(last_trap.rip, EDGE, "behind it: rip");
    CHECK_EQ(last_trap.rsp, LAST + 2048, "behind it: rsp");
    put(1, "\x90", 1);
    visit(EDGE - 1, 0);
    CHECK_EQ(last_trap.vector, 13, "behind a nop: vector");
    CHECK_EQ(last_trap.rip, EDGE, "behind a nop: rip");
    put(1, "\x0f", 1);
    visit(EDGE - 1, 0);
    CHECK_EQ(last_trap.vector, 13, "an instruction across the edge: vector");
    CHECK_EQ(last_trap.rip, EDGE - 1, "an instruction across the edge: rip");
}

static void check_user(void)
{
    struct trap_frame f = program_frame(EDGE - 2, STACK + 2048);

    put(2, "\x0f\x05", 2);
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "a program's call: vector");
    CHECK_EQ(f.rip, EDGE, "a program's call: rip");
    run_user(&f);
    CHECK_EQ(f.vector, 13, "return from it: vector");
    CHECK_EQ(f.error, 0, "return from it: error code");
    CHECK_EQ(f.rip, EDGE, "return from it: rip");
    put(1, "\x90", 1);
    f.rip = EDGE - 1;
    run_user(&f);
    CHECK_EQ(f.vector, 13, "behind a program's nop: vector");
    CHECK_EQ(f.rip, EDGE, "behind a program's nop: rip");
}

void test_main(void)
{
    page = page_alloc();
    user_root_init();
    CHECK_EQ(map(LAST, va_to_mfn(page), PTE_P | PTE_RW | PTE_U), 0, "the last page");
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    check_kernel();
    check_user();
}
