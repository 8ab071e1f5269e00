/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * event-errors - claim: the letter of ABI 9 for one vCPU: what each operation refuses and with
 * which error, and what status says of each kind of port; ports are given out from the lowest
 * free one; what was closed is pending no more; a port that is pending, or whose selector bit
 * is set, raises no second upcall; unmasking by the guest itself changes nothing until it asks.
 *
 * Blind spots: the FIFO ABI (see event-fifo*); reset; several vCPUs (see smp-vcpus).
 */
#include "guest.h"

#define OTHER_DOMAIN 0x1234

static long bind_virq_on(unsigned int virq, unsigned int vcpu)
{
    struct evtchn_bind_virq arg = {.virq = virq, .vcpu = vcpu};
    long rc = event_channel_op(EVTCHNOP_bind_virq, &arg);

    return rc ? rc : arg.port;
}

static long close(unsigned int port)
{
    struct evtchn_close arg = {.port = port};

    return event_channel_op(EVTCHNOP_close, &arg);
}

static struct evtchn_status status(unsigned int port)
{
    struct evtchn_status arg = {.dom = DOMID_SELF, .port = port, .status = 99};

    CHECK_EQ(event_channel_op(EVTCHNOP_status, &arg), 0, "status of port %u", port);
    return arg;
}

static long alloc(domid_t remote)
{
    struct evtchn_alloc_unbound arg = {.dom = DOMID_SELF, .remote_dom = remote};
    long rc = event_channel_op(EVTCHNOP_alloc_unbound, &arg);

    return rc ? rc : arg.port;
}

static long bind_to(domid_t dom, unsigned int port)
{
    struct evtchn_bind_interdomain arg = {.remote_dom = dom, .remote_port = port};
    long rc = event_channel_op(EVTCHNOP_bind_interdomain, &arg);

    return rc ? rc : arg.local_port;
}

static void check_virqs(void)
{
    static const unsigned int per_vcpu[] = {0, 1, 7, 13}, global[] = {2, 3, 4, 5, 6, 8, 9};
    long port;

    for (unsigned int i = 0; i < ARRAY_SIZE(per_vcpu); i++) {
        port = bind_virq_on(per_vcpu[i], 0);
        CHECK(port > 0, "virq %u: %ld", per_vcpu[i], port);
        CHECK_EQ(bind_virq_on(per_vcpu[i], 0), -XEN_EEXIST, "virq %u again", per_vcpu[i]);
        CHECK_EQ(bind_virq_on(per_vcpu[i], 1), -XEN_ENOENT, "virq %u on no vCPU", per_vcpu[i]);
        struct evtchn_status s = status((unsigned int)port);
        CHECK_EQ(s.status, EVTCHNSTAT_virq, "status of virq %u", per_vcpu[i]);
        CHECK_EQ(s.u.virq, per_vcpu[i], "its number in the status");
        CHECK_EQ(s.vcpu, 0, "its vCPU in the status");
        CHECK_EQ(event_send((unsigned int)port), -XEN_EINVAL, "send on a virq's port");
        struct evtchn_bind_vcpu move = {.port = (unsigned int)port, .vcpu = 0};
        CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), -XEN_EINVAL, "moving virq %u",
                 per_vcpu[i]);
        CHECK_EQ(close((unsigned int)port), 0, "close");
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(global); i++) {
        port = bind_virq_on(global[i], 0);
        /* Xen lets a domain have its own where nobody else has it; it will not fire. */
        CHECK(port == -XEN_EBUSY || port == -XEN_EPERM || port > 0, "virq %u: %ld", global[i],
              port);
        if (port > 0)
            close((unsigned int)port);
        CHECK_EQ(bind_virq_on(global[i], 1), -XEN_EINVAL, "virq %u on vCPU 1", global[i]);
        CHECK_EQ(bind_virq_on(global[i], 99), -XEN_EINVAL, "virq %u on vCPU 99", global[i]);
    }
    CHECK_EQ(bind_virq_on(24, 0), -XEN_EINVAL, "virq 24");
    CHECK_EQ(bind_virq_on(24, 99), -XEN_EINVAL, "virq 24 on vCPU 99");
    CHECK_EQ(bind_virq_on(~0u, 0), -XEN_EINVAL, "virq ~0");
    struct evtchn_bind_pirq pirq = {.pirq = 1};
    port = event_channel_op(EVTCHNOP_bind_pirq, &pirq);
    CHECK(port == -XEN_EPERM || port == -XEN_EINVAL, "bind_pirq: %ld", port);
}

static void check_interdomain(void)
{
    long a = alloc(DOMID_SELF), b, rc;
    struct evtchn_status s = status((unsigned int)a);
    domid_t self = s.u.unbound.dom;

    CHECK_EQ(s.status, EVTCHNSTAT_unbound, "an unbound port");
    CHECK(self && self < DOMID_FIRST_RESERVED, "the domain it waits for: %u", self);
    CHECK_EQ(event_send((unsigned int)a), 0, "send on it");
    b = bind_to(self, (unsigned int)a);
    CHECK(b > 0, "bind_interdomain by our number: %ld", b);
    CHECK(event_pending((unsigned int)b), "it does not start pending");
    event_clear((unsigned int)b);
    s = status((unsigned int)a);
    CHECK(s.status == EVTCHNSTAT_interdomain && s.u.interdomain.dom == self &&
              s.u.interdomain.port == (unsigned long)b,
          "status of the one end: %u %u %u", s.status, s.u.interdomain.dom, s.u.interdomain.port);
    s = status((unsigned int)b);
    CHECK(s.status == EVTCHNSTAT_interdomain && s.u.interdomain.port == (unsigned long)a,
          "status of the other end");
    CHECK_EQ(bind_to(DOMID_SELF, (unsigned int)a), -XEN_EINVAL, "binding to it a second time");
    CHECK_EQ(bind_to(DOMID_SELF, (unsigned int)b), -XEN_EINVAL, "binding to the other end");
    event_send((unsigned int)a);
    CHECK(event_pending((unsigned int)b) && !event_pending((unsigned int)a), "a send by one end");
    CHECK_EQ(close((unsigned int)a), 0, "close of one end");
    CHECK_EQ(close((unsigned int)a), -XEN_EINVAL, "and again");
    s = status((unsigned int)b);
    CHECK(s.status == EVTCHNSTAT_unbound && s.u.unbound.dom == self, "the other end then");
    CHECK_EQ(event_send((unsigned int)b), 0, "send by it");
    CHECK_EQ(bind_to(DOMID_SELF, (unsigned int)b), a, "a new peer, on the lowest free port");
    CHECK_EQ(close((unsigned int)b), 0, "close");
    CHECK(!event_pending((unsigned int)b), "a closed port is pending");
    close((unsigned int)a);

    a = alloc(0);
    CHECK_EQ(bind_to(DOMID_SELF, (unsigned int)a), -XEN_EINVAL, "a port that waits for domain 0");
    CHECK_EQ(status((unsigned int)a).u.unbound.dom, 0, "whom it waits for");
    close((unsigned int)a);
    rc = bind_to(OTHER_DOMAIN, 1);
    CHECK(rc == -XEN_ESRCH || rc == -XEN_EINVAL, "a port of no domain: %ld", rc);
    CHECK_EQ(bind_to(DOMID_SELF, 0), -XEN_EINVAL, "port 0");
    CHECK_EQ(bind_to(DOMID_SELF, ~0u), -XEN_EINVAL, "port ~0");
}

static void check_ports(void)
{
    static const unsigned int bad[] = {0, 4096, 131072, 0x7fffffff, 0xffffffff};
    long ipi = bind_ipi(), rc;
    struct evtchn_bind_vcpu move = {.port = (unsigned int)ipi, .vcpu = 0};
    struct evtchn_status other = {.dom = OTHER_DOMAIN, .port = 1};
    struct evtchn_alloc_unbound foreign = {.dom = OTHER_DOMAIN, .remote_dom = DOMID_SELF};
    struct evtchn_bind_ipi nowhere = {.vcpu = 1};

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        struct evtchn_status s = {.dom = DOMID_SELF, .port = bad[i]};
        struct evtchn_bind_vcpu v = {.port = bad[i], .vcpu = 0};

        CHECK_EQ(event_send(bad[i]), -XEN_EINVAL, "send on port %u", bad[i]);
        CHECK_EQ(close(bad[i]), -XEN_EINVAL, "close of port %u", bad[i]);
        CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &v), -XEN_EINVAL, "bind_vcpu, %u", bad[i]);
        if (bad[i]) {
            CHECK_EQ(event_channel_op(EVTCHNOP_status, &s), -XEN_EINVAL, "status of %u", bad[i]);
            struct evtchn_unmask u = {.port = bad[i]};
            CHECK_EQ(event_channel_op(EVTCHNOP_unmask, &u), -XEN_EINVAL, "unmask of %u", bad[i]);
        }
    }
    CHECK_EQ(status((unsigned int)ipi).status, EVTCHNSTAT_ipi, "an IPI's port");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), -XEN_EINVAL, "moving an IPI");
    move.vcpu = 99;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), -XEN_ENOENT, "to no vCPU");
    move.port = (unsigned int)alloc(0);
    move.vcpu = 0;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), 0, "moving an unbound port");
    close(move.port);
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_ipi, &nowhere), -XEN_ENOENT, "an IPI to no vCPU");
    rc = event_channel_op(EVTCHNOP_status, &other);
    CHECK(rc == -XEN_ESRCH || rc == -XEN_EPERM, "status of another domain: %ld", rc);
    rc = event_channel_op(EVTCHNOP_alloc_unbound, &foreign);
    CHECK(rc == -XEN_ESRCH || rc == -XEN_EPERM, "alloc_unbound for another domain: %ld", rc);
    struct evtchn_set_priority prio = {.port = (unsigned int)ipi, .priority = 3};
    CHECK_EQ(event_channel_op(EVTCHNOP_set_priority, &prio), -XEN_ENOSYS, "set_priority");
    struct evtchn_reset reset = {.dom = OTHER_DOMAIN};
    rc = event_channel_op(EVTCHNOP_reset, &reset);
    CHECK(rc == -XEN_ESRCH || rc == -XEN_EPERM, "reset of another domain: %ld", rc);
    CHECK_EQ(event_channel_op(99, &reset), -XEN_ENOSYS, "operation 99");
    CHECK_EQ(close((unsigned int)ipi), 0, "close");
    CHECK_EQ(status((unsigned int)ipi).status, EVTCHNSTAT_closed, "a free port");
}

static void check_raising(void)
{
    unsigned int port = (unsigned int)bind_ipi();
    unsigned long *pending = &shared_info->evtchn_pending[port / 64], bit = 1ul << port % 64;
    unsigned long before;

    events_off();
    __atomic_fetch_or(pending, bit, __ATOMIC_SEQ_CST);
    event_send(port);
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 0, "an upcall for a port that was pending already");
    __atomic_fetch_and(pending, ~bit, __ATOMIC_SEQ_CST);
    vcpu0()->evtchn_pending_sel = 1ul << port / 64;
    event_send(port);
    CHECK(*pending & bit, "it is not pending");
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 0, "an upcall although its selector bit was set");
    vcpu0()->evtchn_pending_sel = 0;
    event_clear(port);
    event_mask(port);
    event_send(port);
    CHECK_EQ(vcpu0()->evtchn_pending_sel | vcpu0()->evtchn_upcall_pending, 0, "for a masked port");
    __atomic_fetch_and(&shared_info->evtchn_mask[port / 64], ~bit, __ATOMIC_SEQ_CST);
    xen_version(XENVER_version, NULL);
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 0, "an upcall because the guest unmasked it itself");
    event_mask(port);
    event_unmask(port);
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 1, "no upcall by the unmask operation");
    before = event_count[port];
    events_on();
    CHECK_EQ(event_count[port], before + 1, "upcalls then");
    event_unmask(port);
    CHECK_EQ(event_count[port], before + 1, "upcalls by unmasking what is not pending");
    /* A handler that does not clear the bit is not called again. */
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask");
    CHECK_EQ(close(port), 0, "close");
}

void test_main(void)
{
    check_virqs();
    check_interdomain();
    check_ports();
    check_raising();
}
