/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * last-vcpu-down - claim: a domain whose last vCPU goes down powers off. The runner looks at
 * how it ended: the guest itself never asks for a shutdown.
 */
#include "guest.h"

void test_main(void)
{
    print("Test result: SUCCESS\n");
    console_drain();
    vcpu_op(VCPUOP_down, 0, NULL);
    failure("the call came back");
    shutdown(SHUTDOWN_crash);
}
