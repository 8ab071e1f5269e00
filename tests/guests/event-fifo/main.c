/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event-fifo - claim: event channels by the FIFO ABI: init_control and expand_array with
 * their errors; a raised event is linked on the queue of its priority, in order; a masked one
 * is pending but not linked until unmasked; priorities are separate queues; garbage that the
 * guest writes into links and heads does not hurt the hypervisor.
 *
 * Blind spots: several vCPUs, array pages beyond the first, migration of ports between queues.
 */
#include "guest.h"

#include <xen/event_channel.h>

static volatile uint32_t *words; /* the event array */
static volatile struct evtchn_fifo_control_block *control;

#define W_PENDING (1u << EVTCHN_FIFO_PENDING)
#define W_MASKED (1u << EVTCHN_FIFO_MASKED)
#define W_LINKED (1u << EVTCHN_FIFO_LINKED)

static bool init(void)
{
    struct evtchn_init_control arg = {.control_gfn = ~0ul >> 12, .vcpu = 0};
    struct evtchn_expand_array expand;
    uint32_t *page = page_alloc();
    long rc;

    expand.array_gfn = va_to_mfn(page);
    rc = event_channel_op(EVTCHNOP_expand_array, &expand);
    if (rc == -XEN_ENOSYS)
        return false;
    CHECK_EQ(rc, -XEN_EOPNOTSUPP, "expand_array before init_control");
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &arg), -XEN_EINVAL, "control at no frame");
    control = page_alloc();
    arg.control_gfn = va_to_mfn((void *)control);
    arg.offset = 4092;
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &arg), -XEN_EINVAL, "control over the end");
    arg.offset = 4;
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &arg), -XEN_EINVAL, "misaligned control");
    arg.offset = 0;
    arg.vcpu = 99;
    CHECK_EQ(event_channel_op(EVTCHNOP_init_control, &arg), -XEN_ENOENT, "control of no vcpu");
    arg.vcpu = 0;
    rc = event_channel_op(EVTCHNOP_init_control, &arg);
    CHECK_EQ(rc, 0, "init_control");
    CHECK_EQ(arg.link_bits, 17, "link_bits");
    if (rc)
        return false;
    for (unsigned int i = 0; i < 1024; i++)
        page[i] = W_MASKED;
    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), 0, "expand_array");
    words = page;
    expand.array_gfn = ~0ul >> 12;
    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), -XEN_EINVAL, "array at no frame");
    return true;
}

/* Take everything off a queue as a guest does; returns the number, ports in `out`. */
static unsigned int consume(unsigned int priority, uint32_t *out, unsigned int max)
{
    uint32_t port = control->head[priority];
    unsigned int n = 0;

    __atomic_fetch_and((uint32_t *)&control->ready, ~(1u << priority), __ATOMIC_SEQ_CST);
    while (port && n < max) {
        uint32_t word = __atomic_fetch_and((uint32_t *)&words[port],
                                           ~(W_LINKED | EVTCHN_FIFO_LINK_MASK), __ATOMIC_SEQ_CST);

        if (word & W_PENDING && !(word & W_MASKED)) {
            out[n++] = port;
            __atomic_fetch_and((uint32_t *)&words[port], ~W_PENDING, __ATOMIC_SEQ_CST);
        }
        port = word & EVTCHN_FIFO_LINK_MASK;
    }
    control->head[priority] = 0;
    vcpu0()->evtchn_upcall_pending = 0;
    return n;
}

static void drain(void)
{
    uint32_t ports[64];

    for (unsigned int q = 0; q < 16; q++)
        consume(q, ports, 64);
}

static bool hook(struct trap_frame *frame)
{
    return frame->vector == TRAP_EVENT;
}

static unsigned int new_port(void)
{
    struct evtchn_bind_ipi bind = {.vcpu = 0};

    if (event_channel_op(EVTCHNOP_bind_ipi, &bind)) {
        error("bind_ipi");
        return 1;
    }
    event_unmask(bind.port);
    return bind.port;
}

static void check_order(const unsigned int port[3])
{
    uint32_t got[8];

    CHECK_EQ(words[port[0]] & W_MASKED, 0, "MASKED after unmask");
    for (unsigned int i = 0; i < 3; i++)
        CHECK_EQ(event_send(port[i]), 0, "send");
    event_send(port[0]);
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 1, "upcall_pending");
    CHECK_EQ(control->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT, "ready bits");
    CHECK_EQ(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], port[0], "head");
    CHECK_EQ(consume(EVTCHN_FIFO_PRIORITY_DEFAULT, got, 8), 3, "events on the queue");
    for (unsigned int i = 0; i < 3; i++)
        CHECK_EQ(got[i], port[i], "order of event %u", i);
}

static void check_mask(unsigned int port)
{
    uint32_t got[8];

    __atomic_fetch_or((uint32_t *)&words[port], W_MASKED, __ATOMIC_SEQ_CST);
    event_send(port);
    CHECK_EQ(words[port] & (W_PENDING | W_LINKED), W_PENDING, "a masked event");
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 0, "upcall for a masked event");
    event_unmask(port);
    CHECK_EQ(words[port] & (W_PENDING | W_LINKED), W_PENDING | W_LINKED, "after unmask");
    CHECK_EQ(consume(EVTCHN_FIFO_PRIORITY_DEFAULT, got, 8), 1, "events after unmask");
}

static void check_priority(unsigned int port)
{
    struct evtchn_set_priority set = {.port = port, .priority = 2};
    uint32_t got[8];

    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &set), 0, "set_priority");
    event_send(port);
    CHECK_EQ(control->head[2], port, "head of queue 2");
    CHECK_EQ(consume(2, got, 8), 1, "events on queue 2");
    set.priority = 16;
    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &set), -XEN_EINVAL, "priority 16");
    set.port = 4000000;
    set.priority = 7;
    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &set), -XEN_EINVAL, "priority of no port");
}

static void check_garbage(const unsigned int port[3])
{
    static const uint32_t junk[] = {0xffffffff, 0x0001ffff, 0xa0000000 | 0x1fff0, 0x30000001,
                                    0x10000000};

    for (unsigned int i = 0; i < ARRAY_SIZE(junk); i++) {
        for (unsigned int p = 0; p < 3; p++)
            words[port[p]] = junk[i] & ~W_PENDING & ~W_LINKED;
        for (unsigned int q = 0; q < 16; q++)
            control->head[q] = junk[i];
        control->ready = junk[i];
        for (unsigned int p = 0; p < 3; p++) {
            event_send(port[p]);
            event_unmask(port[p]);
            words[port[p]] = junk[i];
            event_send(port[(p + 1) % 3]);
        }
    }
    /* And back in order: a sane guest must be able to go on. */
    for (unsigned int i = 1; i < 1024; i++)
        words[i] = W_MASKED;
    memset((void *)control, 0, sizeof(*control));
    CHECK(xen_version(XENVER_version, NULL) > 0, "no answer after garbage");
}

void test_main(void)
{
    unsigned int port[3];

    events_off();
    trap_hook = hook;
    if (!init()) {
        skip("the FIFO ABI is not offered");
        return;
    }
    for (unsigned int i = 0; i < 3; i++)
        port[i] = new_port();
    drain();
    check_order(port);
    check_mask(port[1]);
    check_priority(port[2]);
    check_garbage(port);
}
