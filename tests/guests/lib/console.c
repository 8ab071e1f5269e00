/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console.c - output over the console ring, by polling. Goes on by itself when nobody drains
 * the ring for long: a test must end even then.
 */
#include "guest.h"

#include <xen/io/console.h>

#define WAIT_ROUNDS 200000

static struct xencons_interface *ring;

struct xencons_interface *console_page(void)
{
    return ring;
}

void console_init(void)
{
    ring = mfn_to_va(start_info->console.domU.mfn);
}

static void notify(void)
{
    struct evtchn_send send = {.port = start_info->console.domU.evtchn};

    event_channel_op(EVTCHNOP_send, &send);
}

bool console_by_hypercall;

static uint32_t in_flight(void)
{
    return ring->out_prod - *(volatile XENCONS_RING_IDX *)&ring->out_cons;
}

void console_write(const char *text, size_t size)
{
    /* Where that is not for guests the text stays in the ring, for who looks there. */
    if (console_by_hypercall && !hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, size, text))
        return;
    if (!ring)
        return;
    for (size_t i = 0; i < size; i++) {
        for (unsigned int round = 0; in_flight() >= sizeof(ring->out); round++) {
            if (round == WAIT_ROUNDS)
                return;
            notify();
            sched_op(SCHEDOP_yield, NULL);
        }
        ring->out[MASK_XENCONS_IDX(ring->out_prod, ring->out)] = text[i];
        barrier();
        ring->out_prod++;
    }
    notify();
}

void console_drain(void)
{
    if (console_by_hypercall)
        return;
    for (unsigned int round = 0; ring && in_flight() && round < WAIT_ROUNDS; round++) {
        notify();
        sched_op(SCHEDOP_yield, NULL);
    }
}
