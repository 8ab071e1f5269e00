/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * null-calls - claim: a call or jump to an address without code gives #PF with rip and cr2 at
 * that address, the fetch bit set, and the return address on the stack; so do returns to it.
 * In kernel mode and in user mode; at 0, in the user half, in the kernel half; a page that
 * comes later can then be run.
 *
 * Blind spots: non-canonical targets (see code-anywhere).
 */
#include "guest.h"

static struct trap_frame seen;
static uint64_t seen_cr2, seen_return;
uint64_t resume, slot; /* asm */
static unsigned int count;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector != 14)
        return false;
    if (!count++) {
        seen = *frame;
        seen_cr2 = vcpu0()->arch.cr2;
        seen_return = *(uint64_t *)frame->rsp;
    }
    frame->rip = resume;
    return true;
}

#define GO(insn)                                                                                   \
    do {                                                                                           \
        count = 0;                                                                                 \
        trap_hook = hook;                                                                          \
        asm volatile("mov %%rsp, %%rbx\n lea 1f(%%rip), %%rcx\n mov %%rcx, resume(%%rip)\n"        \
                     "push %%rcx\n" insn "\n"                                                      \
                     "1: mov %%rbx, %%rsp\n"                                                       \
                     :                                                                             \
                     : [at] "a"(target)                                                            \
                     : "rbx", "rcx", "memory");                                                    \
        trap_hook = NULL;                                                                          \
    } while (0)

static void expect(uint64_t target, const char *how)
{
    CHECK_EQ(count, 1, "%s 0x%lx: faults", how, target);
    CHECK_EQ(seen.rip, target, "%s 0x%lx: rip", how, target);
    CHECK_EQ(seen_cr2, target, "%s 0x%lx: cr2", how, target);
    CHECK_EQ(seen.error, 0x10, "%s 0x%lx: error code", how, target);
    CHECK_EQ(seen_return, resume, "%s 0x%lx: top of the stack", how, target);
}

static void check_kernel(uint64_t target)
{
    slot = target;
    GO("call *%[at]");
    expect(target, "call");
    GO("call *slot(%%rip)");
    expect(target, "call through memory");
    GO("jmp *%[at]");
    expect(target, "jmp");
    GO("push %[at]\n ret");
    expect(target, "ret");
    for (unsigned int i = 0; i < 5; i++) {
        GO("call *%[at]"); /* again, now that it is known */
        expect(target, "call");
    }
}

/* mov $7, %eax; ret */
static const uint8_t code[] = {0xb8, 7, 0, 0, 0, 0xc3};

static void check_later(uint64_t target)
{
    uint8_t *page = page_alloc();
    uint64_t result = 0;

    memcpy(page + target % PAGE_SIZE, code, sizeof(code));
    CHECK_EQ(map(target, va_to_mfn(page), PTE_P), 0, "map at 0x%lx", target);
    count = 0;
    trap_hook = hook;
    asm volatile("lea 1f(%%rip), %%rcx\n mov %%rcx, resume(%%rip)\n call *%[at]\n 1:\n"
                 : "=a"(result)
                 : [at] "r"(target)
                 : "rcx", "memory");
    trap_hook = NULL;
    CHECK_EQ(count, 0, "faults at 0x%lx with a page there", target);
    CHECK_EQ(result, 7, "result of the code at 0x%lx", target);
    unmap(target);
    check_kernel(target);
}

asm(".section .user, \"ax\"\n"
    "user_call: call *%rdi\n"
    "user_jump: jmp *%rdi\n"
    "user_ret: push %rdi; ret\n"
    ".text\n");
extern char user_call[], user_jump[], user_ret[];

#define CODE 0x400000ul
#define STACK 0x500000ul

static void check_user(uint64_t target)
{
    const char *const how[] = {user_call, user_jump, user_ret};

    for (unsigned int i = 0; i < ARRAY_SIZE(how); i++) {
        struct trap_frame f = {.rip = CODE + (uintptr_t)how[i] % PAGE_SIZE,
                               .cs = FLAT_USER_CS,
                               .ss = FLAT_USER_SS,
                               .rsp = STACK + 2048,
                               .rdi = target,
                               .rflags = 0x202};

        run_user(&f);
        CHECK_EQ(f.vector, 14, "user %u to 0x%lx: vector", i, target);
        CHECK_EQ(f.error, 0x14, "user %u to 0x%lx: error code", i, target);
        CHECK_EQ(f.rip, target, "user %u to 0x%lx: rip", i, target);
        CHECK_EQ(last_trap.cr2, target, "user %u to 0x%lx: cr2", i, target);
        CHECK_EQ(f.rsp, STACK + 2048 - (i == 0 ? 8 : 0), "user %u to 0x%lx: rsp", i, target);
    }
}

void test_main(void)
{
    static const uint64_t targets[] = {
        0x0, 0x10, 0x12345678, 0x7fffffff0000, 0xffff900000000000, 0xffffffffd0000000};

    for (unsigned int i = 0; i < ARRAY_SIZE(targets); i++)
        check_kernel(targets[i]);
    check_later(0x12345678);
    check_later(0xffffffffd0000000);
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_call & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    check_user(0);
    check_user(0x10);
    check_user(0x7fffffff0000 - PAGE_SIZE);
}
