/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-shutdown - claim: SCHEDOP_shutdown with reason "crash" is reported as a crash, and
 * the call does not return.
 *
 * Blind spots: the other reasons (power off is how every test ends).
 */
#include "guest.h"

void test_main(void)
{
    print("expecting a crash\n");
    shutdown(SHUTDOWN_crash);
}
