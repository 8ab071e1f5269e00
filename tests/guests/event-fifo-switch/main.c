/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event-fifo-switch - claim: the first init_control switches the domain to the FIFO ABI and
 * takes along what is pending; a port whose array page is missing waits for it; a vCPU's
 * control block is given once; the array grows to 128 pages and no further; poll sees masked
 * ports there, too; the store's and the console's ports go on working.
 *
 * Blind spots: several vCPUs.
 */
#include "guest.h"

#define W_PENDING (1u << EVTCHN_FIFO_PENDING)
#define W_MASKED (1u << EVTCHN_FIFO_MASKED)
#define W_LINKED (1u << EVTCHN_FIFO_LINKED)

static volatile uint32_t *words;
static volatile struct evtchn_fifo_control_block *control;

static bool no_upcalls(struct trap_frame *frame)
{
    return frame->vector == TRAP_EVENT;
}

static long unmask(unsigned int port)
{
    struct evtchn_unmask arg = {.port = port};

    return event_channel_op(EVTCHNOP_unmask, &arg);
}

static void check_switch(unsigned int open, unsigned int masked, unsigned int quiet)
{
    struct evtchn_init_control init = {.vcpu = 0};
    struct evtchn_expand_array expand;
    long rc;

    event_mask(masked);
    event_send(open);
    event_send(masked);
    control = page_alloc();
    words = page_alloc();
    init.control_gfn = va_to_mfn((void *)control);
    init.offset = PAGE_SIZE - 72;
    rc = event_channel_op(EVTCHNOP_init_control, &init);
    if (rc == -XEN_ENOSYS) {
        skip("the FIFO ABI is not offered");
        finish();
    }
    CHECK_EQ(rc, 0, "init_control in the last bytes of a page");
    control = (void *)((uintptr_t)control + PAGE_SIZE - 72);
    CHECK_EQ(init.link_bits, 17, "link_bits");
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &init), -XEN_EINVAL, "init_control again");
    event_send(quiet); /* has no word yet */
    for (unsigned int i = 0; i < 1024; i++)
        words[i] = W_MASKED;
    expand.array_gfn = va_to_mfn((void *)words);
    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), 0, "expand_array");
    CHECK_EQ(words[open], W_MASKED | W_PENDING, "a port that was pending");
    CHECK_EQ(words[masked], W_MASKED | W_PENDING, "one that was pending and masked");
    CHECK_EQ(words[quiet], W_MASKED | W_PENDING, "one that was raised without an array");
    CHECK_EQ(words[quiet + 1], W_MASKED, "one that was not");
    vcpu0()->evtchn_upcall_pending = 0;
    CHECK_EQ(unmask(open), 0, "unmask");
    CHECK_EQ(words[open], W_LINKED | W_PENDING, "the first one unmasked");
    CHECK_EQ(control->head[7], open, "head of queue 7");
    CHECK_EQ(control->ready, 1u << 7, "ready");
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 1, "upcall_pending");
    unmask(masked);
    CHECK_EQ(words[open] & EVTCHN_FIFO_LINK_MASK, masked, "the second one behind it");
    CHECK_EQ(unmask(open), 0, "unmask of what is unmasked");
    CHECK_EQ(words[open] & EVTCHN_FIFO_LINK_MASK, masked, "it is queued once");
}

static void check_poll(unsigned int port)
{
    evtchn_port_t ports[1] = {port};
    struct sched_poll poll = {.nr_ports = 1, .timeout = now() + 2000000000ul};
    uint64_t start = now();

    set_xen_guest_handle(poll.ports, ports);
    words[port] |= W_MASKED;
    event_send(port);
    CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0, "poll of a masked port");
    CHECK(now() - start < 1000000000ul, "it waited");
    words[port] &= ~W_PENDING;
    start = now();
    poll.timeout = start + 10000000;
    CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0, "poll of a port that is not pending");
    CHECK(now() - start >= 9000000, "it came back after %lu ns", now() - start);
}

static void check_growth(void)
{
    struct evtchn_expand_array expand = {.array_gfn = va_to_mfn(page_alloc())};
    struct evtchn_init_control init = {.vcpu = 1, .control_gfn = expand.array_gfn};
    unsigned int pages = 1;
    long rc;

    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &init), -XEN_ENOENT, "control of no vCPU");
    while ((rc = event_channel_op(EVTCHNOP_expand_array, &expand)) == 0 && pages < 200)
        pages++;
    CHECK_EQ(rc, -XEN_ENOSPC, "at the end of the array");
    CHECK_EQ(pages, 128, "pages of the array");
    struct evtchn_set_priority set = {.port = 900, .priority = 1};
    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &set), -XEN_EINVAL, "priority of a free port");
}

void test_main(void)
{
    unsigned int a = (unsigned int)bind_ipi(), b = (unsigned int)bind_ipi(),
                 c = (unsigned int)bind_ipi();

    events_off();
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    trap_hook = no_upcalls;
    check_switch(a, b, c);
    check_poll(c);
    check_growth();
}
