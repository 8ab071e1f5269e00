/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * code-from-xen - claim: code that Xen writes into a page (GNTTABOP_copy) is what runs there next,
 * kernel code and a program's, however often the old code has run.
 *
 * Blind spots: devices' writes (they take the same way), other vCPUs.
 */
#include "guest.h"

#include <xen/grant_table.h>

#define CODE 0x400000ul
#define STACK 0x7ffffff000ul
#define ROUNDS 200

static uint8_t *from, *kernel_code, *user_code;

/* What `from` holds := mov $value, %eax; then ret, or syscall. */
static void put_function(uint32_t value, bool user)
{
    static const uint8_t ret[] = {0xc3, 0x90}, syscall[] = {0x0f, 0x05};

    from[0] = 0xb8;
    memcpy(from + 1, &value, 4);
    memcpy(from + 5, user ? syscall : ret, 2);
}

static int copy_to(const uint8_t *page)
{
    struct gnttab_copy copy = {.len = 16};

    copy.source.domid = copy.dest.domid = DOMID_SELF;
    copy.source.u.gmfn = va_to_mfn(from);
    copy.dest.u.gmfn = va_to_mfn(page);
    return (int)grant_table_op(GNTTABOP_copy, &copy, 1) ?: copy.status;
}

static uint32_t run_code(void)
{
    struct trap_frame f = program_frame(CODE, STACK + 4000);

    run_user(&f);
    return f.vector == TRAP_SYSCALL ? (uint32_t)f.rax : ~0u;
}

static void check_kernel(void)
{
    unsigned long wrong = 0;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        put_function(i, false);
        CHECK_EQ(copy_to(kernel_code), 0, "copy");
        for (unsigned int n = 0; n < 3; n++)
            wrong += ((uint32_t(*)(void))(uintptr_t)kernel_code)() != i;
    }
    CHECK_EQ(wrong, 0, "calls that ran old code");
}

static void check_program(void)
{
    unsigned long wrong = 0;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        put_function(i, true);
        CHECK_EQ(copy_to(user_code), 0, "copy");
        for (unsigned int n = 0; n < i % 40; n++)
            wrong += run_code() != i;
    }
    CHECK_EQ(wrong, 0, "programs that ran old code");
}

void test_main(void)
{
    uint8_t *stack = page_alloc();

    from = page_alloc();
    kernel_code = page_alloc();
    user_code = page_alloc();
    user_root_init();
    map(CODE, va_to_mfn(user_code), PTE_P | PTE_U);
    map(STACK, va_to_mfn(stack), PTE_P | PTE_RW | PTE_U);
    check_kernel();
    check_program();
}
