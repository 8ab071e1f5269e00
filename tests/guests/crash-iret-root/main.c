/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-iret-root - claim: an iret hypercall to user mode without a user page table ends the
 * domain as crashed.
 */
#include "guest.h"

void test_main(void)
{
    struct trap_frame f = {
        .rip = 0x400000, .cs = FLAT_USER_CS, .ss = FLAT_USER_SS, .rflags = 0x202};

    print("expecting a crash\n");
    console_drain();
    run_user(&f);
    failure("the guest lives on");
}
