/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-hole-stack - claim: an exception of a program whose kernel's stack is in the
 * hypervisor's hole ends the domain as crashed, whatever is there.
 */
#include "guest.h"

#define CODE 0x400000ul
asm(".section .user, \"ax\"\n user_ud: ud2\n .text\n");
extern char user_ud[];

void test_main(void)
{
    struct trap_frame f = {.rip = CODE + (uintptr_t)user_ud % PAGE_SIZE,
                           .cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rflags = 0x202};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_ud & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    if (hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, 0xffff800000001000))
        error("stack_switch failed");
    print("expecting a crash\n");
    console_drain();
    run_user(&f);
    failure("the guest lives on");
}
