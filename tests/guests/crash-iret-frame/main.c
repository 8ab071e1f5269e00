/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-iret-frame - claim: an iret hypercall whose frame cannot be read ends the
 * domain as crashed.
 */
#include "guest.h"

void test_main(void)
{
    print("expecting a crash\n");
    console_drain();
    asm volatile("mov $0x1000, %esp\n mov $23, %eax\n syscall\n");
    failure("the guest lives on");
}
