/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-bad-stack - claim: an exception whose frame cannot be written (the stack pointer is
 * not mapped) ends the domain as crashed, as a processor's triple fault would.
 *
 * Blind spots: frames that straddle a mapped and an unmapped page.
 */
#include "guest.h"

void test_main(void)
{
    print("expecting a crash\n");
    console_drain();
    asm volatile("mov $0x2000, %esp\n ud2");
    failure("still running");
}
