/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event-2l - claim: event channels by the 2-level ABI: allocation, binding, status and
 * closing with Xen's error numbers; sending sets pending and selector bits in order; a masked
 * port stays pending without upcall until unmasked; a masked upcall comes at the next
 * hypercall after unmasking; block returns by an event, poll by a masked one.
 *
 * Blind spots: more than one vCPU, ports above a few dozen, interdomain with another domain.
 */
#include "guest.h"

static void check_errors(void)
{
    struct evtchn_send send = {.port = 4000};
    struct evtchn_close close = {.port = 4000};
    struct evtchn_status status = {.dom = DOMID_SELF, .port = 0x10000000};
    struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER, .vcpu = 1};
    struct evtchn_bind_ipi ipi = {.vcpu = 999};
    struct evtchn_bind_interdomain inter = {.remote_dom = DOMID_SELF, .remote_port = 4000};

    CHECK_EQ(event_channel_op(EVTCHNOP_send, &send), -XEN_EINVAL, "send on a free port");
    send.port = 0;
    CHECK_EQ(event_channel_op(EVTCHNOP_send, &send), -XEN_EINVAL, "send on port 0");
    send.port = 0xffffffff;
    CHECK_EQ(event_channel_op(EVTCHNOP_send, &send), -XEN_EINVAL, "send on port ~0");
    CHECK_EQ(event_channel_op(EVTCHNOP_close, &close), -XEN_EINVAL, "close of a free port");
    CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), -XEN_EINVAL, "status of no port");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &virq), -XEN_ENOENT, "virq on no vcpu");
    virq.virq = 24;
    virq.vcpu = 0;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &virq), -XEN_EINVAL, "virq 24");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_ipi, &ipi), -XEN_ENOENT, "ipi on no vcpu");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_interdomain, &inter), -XEN_EINVAL,
             "interdomain to a free port");
    CHECK_EQ(event_channel_op(99, &send), -XEN_ENOSYS, "operation 99");
}

static uint32_t status_of(unsigned int port)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = port};

    return event_channel_op(EVTCHNOP_status, &status) ? ~0u : status.status;
}

static void check_binding(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_virq virq = {.virq = VIRQ_DEBUG, .vcpu = 0};

    CHECK_EQ(event_channel_op(EVTCHNOP_alloc_unbound, &alloc), 0, "alloc_unbound");
    CHECK_EQ(status_of(alloc.port), EVTCHNSTAT_unbound, "its status");
    CHECK_EQ(event_send(alloc.port), 0, "send on an unbound port");

    struct evtchn_bind_interdomain inter = {.remote_dom = DOMID_SELF, .remote_port = alloc.port};
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_interdomain, &inter), 0, "bind_interdomain");
    CHECK_EQ(status_of(inter.local_port), EVTCHNSTAT_interdomain, "status of the local end");
    CHECK_EQ(status_of(alloc.port), EVTCHNSTAT_interdomain, "status of the remote end");
    CHECK(event_pending(inter.local_port), "the local end does not start pending");
    event_clear(inter.local_port);
    CHECK_EQ(event_send(inter.local_port), 0, "send");
    CHECK(event_pending(alloc.port), "the peer is not pending");
    CHECK(!event_pending(inter.local_port), "the sender is pending");

    struct evtchn_close close = {.port = inter.local_port};
    CHECK_EQ(event_channel_op(EVTCHNOP_close, &close), 0, "close");
    CHECK_EQ(status_of(inter.local_port), EVTCHNSTAT_closed, "status after close");
    CHECK_EQ(status_of(alloc.port), EVTCHNSTAT_unbound, "status of the peer after close");
    close.port = alloc.port;
    CHECK_EQ(event_channel_op(EVTCHNOP_close, &close), 0, "close of the peer");

    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &virq), 0, "bind_virq");
    CHECK_EQ(status_of(virq.port), EVTCHNSTAT_virq, "its status");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &virq), -XEN_EEXIST, "bind_virq again");
    close.port = virq.port;
    event_channel_op(EVTCHNOP_close, &close);
    CHECK_EQ(status_of(start_info->console.domU.evtchn), EVTCHNSTAT_interdomain, "console port");
}

static void check_masking(unsigned int port)
{
    unsigned long before = event_count[port];

    CHECK_EQ(event_send(port), 0, "send");
    CHECK_EQ(event_count[port], before + 1, "upcall at the end of the send");
    CHECK(!event_pending(port), "pending bit after the handler");

    event_mask(port);
    event_send(port);
    CHECK_EQ(event_count[port], before + 1, "upcall for a masked port");
    CHECK(event_pending(port), "a masked port does not stay pending");
    event_unmask(port);
    CHECK_EQ(event_count[port], before + 2, "upcall after unmask");

    events_off();
    event_send(port);
    event_send(port);
    CHECK_EQ(event_count[port], before + 2, "upcall with upcalls masked");
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 1, "upcall_pending");
    CHECK(vcpu0()->evtchn_pending_sel >> (port / 64) & 1, "selector bit");
    events_on();
    CHECK_EQ(event_count[port], before + 3, "upcalls after unmasking (two sends, one event)");

    /* A port that becomes pending while masked by the guest itself. */
    event_mask(port);
    event_send(port);
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 0, "upcall_pending for a masked port");
    event_clear(port);
    event_unmask(port);
    CHECK_EQ(event_count[port], before + 3, "upcall for a port that was cleared again");
}

static void check_waiting(unsigned int port)
{
    unsigned long before = event_count[port];
    evtchn_port_t ports[1] = {port};
    struct sched_poll poll = {.nr_ports = 1};

    events_off();
    event_send(port);
    CHECK_EQ(block(), 0, "block");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask after block");
    CHECK_EQ(event_count[port], before + 1, "upcall by block");

    event_mask(port);
    event_send(port);
    set_xen_guest_handle(poll.ports, ports);
    CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0, "poll on a masked pending port");
    event_clear(port);
    event_unmask(port);
    uint64_t start = now();
    poll.timeout = start + 5000000;
    CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0, "poll with a timeout");
    CHECK(now() - start >= 4000000, "poll came back %lu ns early", 5000000 - (now() - start));
    poll.nr_ports = 129;
    CHECK_EQ(sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL, "poll on 129 ports");
    ports[0] = 0xffffffff;
    poll.nr_ports = 1;
    CHECK_EQ(sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL, "poll on port ~0");
}

static void check_exhaustion(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = 0};
    static uint16_t got[8192];
    unsigned int n = 0;
    long rc;

    while ((rc = event_channel_op(EVTCHNOP_alloc_unbound, &alloc)) == 0 && n < ARRAY_SIZE(got))
        got[n++] = (uint16_t)alloc.port;
    print("%u more ports, then %ld\n", n, rc);
    CHECK_EQ(rc, -XEN_ENOSPC, "when the ports are used up");
    CHECK(n >= 500, "only %u ports", n);
    while (n) {
        struct evtchn_close close = {.port = got[--n]};

        if (event_channel_op(EVTCHNOP_close, &close)) {
            failure("close of port %u", close.port);
            break;
        }
    }
    CHECK_EQ(event_channel_op(EVTCHNOP_alloc_unbound, &alloc), 0, "alloc after closing all");
}

void test_main(void)
{
    long port = bind_ipi();

    if (port <= 0) {
        error("bind_ipi: %ld", port);
        return;
    }
    check_errors();
    check_binding();
    check_masking((unsigned int)port);
    check_waiting((unsigned int)port);
    check_exhaustion();
}
