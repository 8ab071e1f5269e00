/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-no-handler - claim: an exception for which the guest has no handler ends the domain
 * as crashed, with a reason; the runner expects that, not a result line.
 *
 * Blind spots: which text the reason has.
 */
#include "guest.h"

void test_main(void)
{
    if (set_trap_table(NULL))
        error("set_trap_table(NULL)");
    print("expecting a crash\n");
    console_drain();
    asm volatile("ud2");
    failure("still running");
}
