/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event-reset - claim: EVTCHNOP_reset closes all ports, the console's and the store's too, and
 * leaves nothing pending; numbers start again from the lowest; virqs can be bound again; after
 * it the domain speaks the 2-level ABI, whatever it spoke, and may switch again.
 *
 * The report goes out by console_io: the console's port is gone.
 */
#include "guest.h"

static bool any_upcall(struct trap_frame *frame)
{
    return frame->vector == TRAP_EVENT;
}

static uint32_t state(unsigned int port)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    return event_channel_op(EVTCHNOP_status, &status) ? ~0u : status.status;
}

static void reset(void)
{
    struct evtchn_reset arg = {.dom = DOMID_SELF};

    CHECK_EQ(event_channel_op(EVTCHNOP_reset, &arg), 0, "reset");
}

static void check_closed(void)
{
    unsigned int open = 0;
    unsigned long pending = 0;

    for (unsigned int port = 1; port < 64; port++)
        open += state(port) != EVTCHNSTAT_closed;
    CHECK_EQ(open, 0, "ports that are open");
    for (unsigned int i = 0; i < 64; i++)
        pending |= shared_info->evtchn_pending[i];
    CHECK_EQ(pending, 0, "pending bits");
    CHECK_EQ(event_send(start_info->console.domU.evtchn), -XEN_EINVAL,
             "send on the console's port");
}

static void switch_to_fifo(void)
{
    struct evtchn_init_control init = {.control_gfn = va_to_mfn(page_alloc())};
    uint32_t *words = page_alloc();
    struct evtchn_expand_array expand = {.array_gfn = va_to_mfn(words)};

    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), -XEN_EOPNOTSUPP, "expand_array");
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &init), 0, "init_control");
    for (unsigned int i = 0; i < 1024; i++)
        words[i] = 1u << EVTCHN_FIFO_MASKED;
    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), 0, "expand_array");
    long port = bind_ipi();
    event_send((unsigned int)port);
    CHECK(words[port] >> EVTCHN_FIFO_PENDING & 1, "no FIFO event");
    CHECK(!event_pending((unsigned int)port), "a 2-level event");
}

void test_main(void)
{
    long port;

    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    port = bind_ipi();
    CHECK(bind_virq(VIRQ_TIMER) > 0, "bind_virq");
    event_mask((unsigned int)port);
    event_send((unsigned int)port);
    CHECK(event_pending((unsigned int)port), "it is not pending");
    console_drain();
    console_by_hypercall = true;
    reset();
    check_closed();
    CHECK_EQ(bind_virq(VIRQ_TIMER), 1, "the first port, for a virq that was bound");
    port = bind_ipi();
    CHECK_EQ(port, 2, "the second port");
    event_send((unsigned int)port);
    CHECK_EQ(event_count[port], 1, "its upcall");
    events_off();
    trap_hook = any_upcall;
    for (unsigned int round = 0; round < 2; round++) {
        switch_to_fifo();
        reset();
        check_closed();
    }
    vcpu0()->evtchn_upcall_pending = 0;
    vcpu0()->evtchn_pending_sel = 0;
    port = bind_ipi();
    event_send((unsigned int)port);
    CHECK(event_pending((unsigned int)port), "no 2-level event after a reset of the FIFO ABI");
}
