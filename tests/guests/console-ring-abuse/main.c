/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console-ring-abuse - claim: whatever a guest writes into its console ring's indices, the
 * other side neither reads nor writes outside the ring, nor hangs; when the indices are sane
 * again, output goes on or is refused for good, and the guest keeps running.
 *
 * Blind spots: what the other side shows of the garbage. The result line needs a working
 * console: if the backend gave up, this test has no result and counts as ERROR.
 */
#include "guest.h"

#include <xen/io/console.h>

static void notify(void)
{
    event_send(start_info->console.domU.evtchn);
    for (unsigned int i = 0; i < 20; i++)
        sched_op(SCHEDOP_yield, NULL);
    spin_ns(200000);
}

void test_main(void)
{
    static const uint32_t wild[] = {2049, 4096, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff7ff};
    struct xencons_interface *ring = console_page();
    uint8_t *guard = page_alloc();
    uint32_t out_cons, in_prod;

    console_drain();
    memset(guard, 0xa5, PAGE_SIZE);
    for (unsigned int i = 0; i < ARRAY_SIZE(wild); i++) {
        out_cons = ring->out_cons;
        in_prod = ring->in_prod;
        ring->out_prod = out_cons + wild[i];
        notify();
        ring->in_cons = in_prod + wild[i];
        notify();
        ring->out_cons = wild[i] * 3;
        notify();
        ring->in_prod = wild[i] * 5;
        notify();
        /* Sane again, at a place of our choice. */
        ring->in_cons = ring->in_prod = in_prod;
        ring->out_cons = ring->out_prod = out_cons;
        notify();
        ring->out_prod = ring->out_cons;
    }
    for (unsigned int i = 0; i < 10000; i++)
        event_send(start_info->console.domU.evtchn);
    for (unsigned int i = 0; i < PAGE_SIZE; i++)
        CHECK(guard[i] == 0xa5, "memory beside the ring changed");
    CHECK(xen_version(XENVER_version, NULL) > 0, "no answer");
    print("\nthe console still works\n");
}
