/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp-events - claim: ABI 9 with several vCPUs. An event goes to the vCPU its port is bound to,
 * by that vCPU's selector and pending flag alone; bind_vcpu moves ports that may move, and the
 * next event goes where they are then; unmasking on one vCPU wakes another; vcpu_info that has
 * moved is where events go; poll on one vCPU ends by a raise on another, of any of its ports,
 * masked or not, and not by a port that it does not list; block ends by an event only, whatever
 * else goes on; per-vCPU virqs are one for each.
 *
 * Blind spots: the FIFO ABI.
 */
#include "guest.h"

#define MS 1000000ul
#define HELPER 1

static volatile unsigned long step, done;
static void (*volatile job)(void);
static unsigned int here, there, movable; /* ports */

/* vCPU 1: does one job after the other; spins in between. */
static void serve(unsigned int id)
{
    (void)id;
    for (unsigned long next = 1;; next++) {
        while (step < next)
            asm volatile("pause");
        job();
        done = next;
    }
}

static void start(void (*what)(void))
{
    job = what;
    barrier();
    step++;
}

static bool finished(void)
{
    return wait_for(&done, step, SECOND);
}

static void count_nothing(void)
{
}

static void check_place(void)
{
    vcpu_info_t *info = &shared_info->vcpu_info[HELPER];
    unsigned long before = event_count[there];

    CHECK_EQ(event_send(there), 0, "send to the other");
    CHECK(wait_for(&event_count[there], before + 1, SECOND), "it does not come");
    CHECK_EQ(vcpu0()->evtchn_pending_sel, 0, "our selector");
    /* With the other one's upcalls masked: pending there, not here. */
    spin_ns(MS); /* its handler is over by then: iret sets the mask */
    info->evtchn_upcall_mask = 1;
    CHECK_EQ(event_send(there), 0, "send to the other, masked");
    CHECK_EQ(info->evtchn_upcall_pending, 1, "its pending flag");
    CHECK(info->evtchn_pending_sel >> (there / 64) & 1, "its selector");
    CHECK_EQ(vcpu0()->evtchn_upcall_pending, 0, "our pending flag");
    spin_ns(5 * MS);
    CHECK_EQ(event_count[there], before + 1, "upcalls while it masks them");
    start(own_events_on);
    CHECK(finished(), "it does not go on");
    CHECK_EQ(event_count[there], before + 2, "upcalls when it has enabled them");
}

static volatile unsigned long got_on[MAX_VCPUS];

static bool note_vcpu(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT && event_pending(movable))
        got_on[vcpu_self()]++;
    return false;
}

static void check_moving(void)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF};
    struct evtchn_bind_vcpu move = {.vcpu = HELPER};
    struct evtchn_status status = {.dom = DOMID_SELF};
    unsigned int sender;

    CHECK_EQ(event_channel_op(EVTCHNOP_alloc_unbound, &alloc), 0, "alloc_unbound");
    bind.remote_port = sender = alloc.port;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_interdomain, &bind), 0, "bind_interdomain");
    movable = status.port = move.port = bind.local_port;
    event_clear(movable);
    event_unmask(movable);
    trap_hook = note_vcpu;
    event_send(sender);
    CHECK(wait_for(&got_on[0], 1, SECOND), "an event on vCPU 0");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), 0, "bind_vcpu");
    CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), 0, "status");
    CHECK_EQ(status.vcpu, HELPER, "its vCPU in the status");
    event_send(sender);
    CHECK(wait_for(&got_on[HELPER], 1, SECOND), "an event on vCPU 1");
    CHECK_EQ(got_on[0], 1, "events on vCPU 0");
    event_mask(movable);
    event_send(sender);
    spin_ns(5 * MS);
    CHECK_EQ(got_on[HELPER], 1, "events of a masked port");
    event_unmask(movable); /* here: it has to wake the other one */
    CHECK(wait_for(&got_on[HELPER], 2, SECOND), "an event that this vCPU unmasked");
    move.vcpu = 0;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), 0, "bind_vcpu back");
    event_send(sender);
    CHECK(wait_for(&got_on[0], 2, SECOND), "an event on vCPU 0 again");
    CHECK_EQ(got_on[HELPER], 2, "events on vCPU 1");
    move.vcpu = 99;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), -XEN_ENOENT, "to no vCPU");
    move.vcpu = HELPER;
    move.port = there;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_vcpu, &move), -XEN_EINVAL, "an IPI");
    trap_hook = NULL;
}

static volatile uint64_t poll_took;
static volatile long poll_rc;
static evtchn_port_t poll_ports[2];
static unsigned int poll_nr;
static uint64_t poll_limit;

static void do_poll(void)
{
    struct sched_poll poll = {.nr_ports = poll_nr};
    uint64_t begin = now();

    poll.timeout = poll_limit ? begin + poll_limit : 0;
    set_xen_guest_handle(poll.ports, poll_ports);
    poll_rc = sched_op(SCHEDOP_poll, &poll);
    poll_took = now() - begin;
}

static void check_poll(void)
{
    event_mask(here);
    event_mask(there);
    poll_ports[0] = here;
    poll_ports[1] = there;
    for (unsigned int nr = 1; nr <= 2; nr++) {
        poll_nr = nr;
        poll_limit = 0;
        start(do_poll);
        spin_ns(20 * MS);
        CHECK_EQ(done, step - 1, "poll of %u ports ended before its event", nr);
        event_send(poll_ports[nr - 1]);
        CHECK(finished(), "poll of %u ports does not end", nr);
        CHECK_EQ(poll_rc, 0, "its result");
        event_clear(poll_ports[nr - 1]);
    }
    /* A port that is not on its list. */
    poll_nr = 1;
    poll_limit = 60 * MS;
    start(do_poll);
    spin_ns(10 * MS);
    event_send(there);
    CHECK(finished(), "poll with a time does not end");
    CHECK(poll_took >= 59 * MS, "another port ended it after %lu ns", poll_took);
    event_clear(there);
    event_unmask(here);
    event_unmask(there);
}

static volatile unsigned long events_at_return;
static unsigned long events_before;

static void do_block(void)
{
    own_vcpu()->evtchn_upcall_mask = 1;
    barrier();
    block();
    events_at_return = event_count[there] - events_before;
}

/* What disturbs a vCPU that sleeps: flushes, questions, timers without a port. */
static void check_block(void)
{
    struct vcpu_set_periodic_timer tick = {.period_ns = 2 * MS};
    struct mmuext_op flush = {.cmd = MMUEXT_TLB_FLUSH_ALL};
    struct vcpu_runstate_info r;

    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, HELPER, &tick), 0, "set_periodic_timer");
    events_before = event_count[there];
    start(do_block);
    spin_ns(10 * MS);
    for (unsigned int i = 0; i < 10; i++) {
        mmuext_op(&flush, 1, NULL);
        vcpu_op(VCPUOP_get_runstate_info, HELPER, &r);
        spin_ns(2 * MS);
    }
    CHECK_EQ(done, step - 1, "block ended without an event");
    CHECK_EQ(r.state, RUNSTATE_blocked, "its runstate");
    event_send(there);
    CHECK(finished(), "block does not end");
    CHECK_EQ(events_at_return, 1, "events when it returned");
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, HELPER, NULL), 0, "stop_periodic_timer");
}

static void check_virqs(void)
{
    struct evtchn_bind_virq a = {.virq = VIRQ_DEBUG, .vcpu = 0},
                            b = {.virq = VIRQ_DEBUG, .vcpu = 1};

    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &a), 0, "VIRQ_DEBUG on vCPU 0");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &b), 0, "VIRQ_DEBUG on vCPU 1");
    CHECK(a.port != b.port, "both on port %u", a.port);
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &b), -XEN_EEXIST, "a second time");
    b.virq = VIRQ_CONSOLE;
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &b), -XEN_EINVAL, "a global one on vCPU 1");
}

void test_main(void)
{
    if (count_vcpus() < 2) {
        skip("needs two vCPUs");
        return;
    }
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    vcpu_start(HELPER, serve);
    start(count_nothing);
    CHECK(finished(), "vCPU 1 does not start");
    here = (unsigned int)bind_ipi_to(0);
    there = (unsigned int)bind_ipi_to(HELPER);
    check_place();
    check_moving();
    check_poll();
    check_block();
    check_virqs();
}
