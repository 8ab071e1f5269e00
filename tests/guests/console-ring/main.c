/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console-ring - claim: the console's page is as the protocol says: the other side takes output
 * up to out_prod in order and around the ring, tells that it has, also while the guest never
 * blocks; goes on where the indices are, just before they wrap too; and takes nothing behind
 * out_prod.
 *
 * The text it writes is looked at by test_guests.py. Blind spots: input (tests/boot/test_console).
 */
#include "guest.h"

#include <xen/io/console.h>

static struct xencons_interface *ring;

static void notify(void)
{
    event_send(start_info->console.domU.evtchn);
}

/* Only by yielding, as GRUB does. */
static bool wait_taken(uint32_t index)
{
    uint64_t limit = now() + 2 * SECOND;

    while (*(volatile XENCONS_RING_IDX *)&ring->out_cons != index) {
        if (now() > limit)
            return false;
        sched_op(SCHEDOP_yield, NULL);
    }
    return true;
}

static void check_layout(void)
{
    const uint8_t *page = (const uint8_t *)ring;

    CHECK((uintptr_t)ring % PAGE_SIZE == 0, "the ring at %p", (void *)ring);
    CHECK(sizeof(ring->in) == 1024 && sizeof(ring->out) == 2048, "sizes");
    CHECK((const uint8_t *)&ring->out_cons == page + 0xc08, "place of out_cons");
    CHECK(ring->in_cons == ring->in_prod, "input that nobody has given");
}

static void check_event(void)
{
    event_clear(start_info->console.domU.evtchn);
    ring->out[MASK_XENCONS_IDX(ring->out_prod, ring->out)] = '\n';
    barrier();
    ring->out_prod++;
    notify();
    CHECK(wait_taken(ring->out_prod), "one character is not taken");
    spin_ns(2000000);
    CHECK(event_pending(start_info->console.domU.evtchn), "no event for room in the ring");
}

/* Several times around, with a mark at each end. */
static void check_order(void)
{
    print("begin-of-order");
    for (unsigned int i = 0; i < 1000; i++)
        print("%05u,", i);
    print("end-of-order\n");
    console_drain();
    CHECK(wait_taken(ring->out_prod), "6000 characters are not taken");
}

static void check_behind(void)
{
    uint32_t prod = ring->out_prod;

    for (unsigned int i = 0; i < 100; i++)
        ring->out[MASK_XENCONS_IDX(prod + i, ring->out)] = '#';
    notify();
    spin_ns(2000000);
    CHECK_EQ(ring->out_cons, prod, "what was not given is taken");
}

/* Where a boot loader may have left them: the last 4 GiB index. */
static void check_wrap(void)
{
    ring->out_cons = ring->out_prod = 0xfffffffd;
    print("across-the-wrap\n");
    CHECK(wait_taken(0xfffffffd + 16), "out_cons is 0x%x", ring->out_cons);
}

void test_main(void)
{
    ring = console_page();
    console_drain();
    check_layout();
    check_event();
    check_order();
    check_behind();
    check_wrap();
}
