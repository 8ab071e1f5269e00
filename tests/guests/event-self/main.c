/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event-self - claim: a handler that sends its own event again, each time it is entered, does
 * not keep the code that it interrupts from ever running: on a CPU an IPI to oneself takes
 * long enough for a few instructions. Linux' RCU does this until the interrupted code has left
 * its read section.
 *
 * Blind spots: how many instructions run between two upcalls; user mode.
 */
#include "guest.h"

static unsigned int port;
static volatile bool moved;
static volatile unsigned long upcalls;

static bool sending_hook(struct trap_frame *frame)
{
    if (frame->vector != TRAP_EVENT)
        return false;
    event_scan();
    upcalls++;
    if (!moved)
        event_send(port);
    return true;
}

void test_main(void)
{
    port = (unsigned int)bind_ipi();
    trap_hook = sending_hook;
    events_on();
    event_send(port); /* the first upcall is at the end of this hypercall */
    moved = true;     /* where there is no progress the guest never gets here */
    events_off();
    trap_hook = NULL;
    print("%lu upcalls before the interrupted code went on\n", upcalls);
    CHECK(upcalls >= 2, "the handler did not interrupt again");
}
