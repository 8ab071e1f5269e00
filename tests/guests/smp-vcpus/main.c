/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp-vcpus - claim: further vCPUs are counted, initialised once, come up with the registers
 * they were given, go down by themselves and by others, and go on behind the hypercall when they
 * come up again; events reach the vCPU that they are bound to, whether it runs, blocks or polls;
 * each has its own timer and runstate.
 *
 * Blind spots: how fast any of it is; NMI; vCPUs that start in user mode.
 */
#include "guest.h"

static volatile unsigned long started[MAX_VCPUS], counter[MAX_VCPUS], resumed, pings, timers;
static volatile unsigned long polled, poll_rounds, spinning_seen;
static volatile uint64_t seen_rsp[MAX_VCPUS];
static volatile bool stop;
static long port_of[MAX_VCPUS], timer_port, poll_port;

static void count(unsigned int id)
{
    started[id] = id;
    seen_rsp[id] = (uint64_t)__builtin_frame_address(0);
    while (!stop)
        counter[id]++;
}

static void check_starting(unsigned int n)
{
    static uint8_t context[6000];

    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "is_up before it is");
    CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), -XEN_EINVAL, "up before initialise");
    CHECK_EQ(vcpu_op(VCPUOP_is_up, n, NULL), -XEN_ENOENT, "is_up of one too many");
    CHECK_EQ(vcpu_initialise(1, count), 0, "initialise");
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "is_up when initialised");
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, context), -XEN_EEXIST, "a second initialise");
    CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0, "up");
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 1, "is_up when up");
    CHECK(wait_for(&started[1], 1, SECOND), "vcpu 1 did not start");
    CHECK(wait_for(&counter[1], counter[1] + 1000, SECOND), "vcpu 1 does not run");
}

/* It spins without any hypercall. */
static void check_down_by_other(void)
{
    unsigned long before;

    CHECK_EQ(vcpu_op(VCPUOP_down, 1, NULL), 0, "down");
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "is_up when down");
    spin_ns(SECOND / 10); /* it may take a moment */
    before = counter[1];
    spin_ns(SECOND / 20);
    CHECK_EQ(counter[1], before, "counter of a vCPU that is down");
    CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0, "up again");
    CHECK(wait_for(&counter[1], before + 1000, SECOND), "vcpu 1 does not go on");
    stop = true;
    for (int i = 0; i < 1000 && vcpu_op(VCPUOP_is_up, 1, NULL) == 1; i++)
        spin_ns(SECOND / 1000);
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "is_up when its function has returned");
}

static void go_down_often(unsigned int id)
{
    for (unsigned long i = 1; i <= 20; i++) {
        CHECK_EQ(vcpu_op(VCPUOP_down, id, NULL), 0, "down, behind the hypercall");
        resumed = i;
    }
}

static void check_down_up(void)
{
    vcpu_start(2, go_down_often);
    for (unsigned long i = 1; i <= 20; i++) {
        for (int k = 0; k < 1000 && vcpu_op(VCPUOP_is_up, 2, NULL) == 1; k++)
            spin_ns(SECOND / 1000);
        CHECK_EQ(vcpu_op(VCPUOP_up, 2, NULL), 0, "up");
        CHECK(wait_for(&resumed, i, SECOND), "round %lu: it did not go on", i);
    }
}

static void answer(unsigned int id)
{
    unsigned long seen = 0;

    started[id] = id;
    while (seen < 500) {
        own_vcpu()->evtchn_upcall_mask = 1;
        barrier();
        if (event_count[port_of[id]] == seen)
            block();
        own_events_on();
        while (seen < event_count[port_of[id]]) {
            seen++;
            event_send((unsigned int)port_of[0]);
        }
    }
    pings = seen;
    /* Interrupted where it makes no hypercalls. */
    while (!stop)
        counter[id]++;
    spinning_seen = event_count[port_of[id]];
}

static void check_ipis(void)
{
    stop = false;
    port_of[0] = bind_ipi_to(0);
    port_of[3] = bind_ipi_to(3);
    CHECK(port_of[0] > 0 && port_of[3] > 0, "ports %ld and %ld", port_of[0], port_of[3]);
    vcpu_start(3, answer);
    CHECK(wait_for(&started[3], 3, SECOND), "vcpu 3 did not start");
    for (unsigned long i = 1; i <= 500; i++) {
        CHECK_EQ(event_send((unsigned int)port_of[3]), 0, "send");
        if (!wait_for(&event_count[port_of[0]], i, 5 * SECOND)) {
            failure("round %lu: no answer", i);
            return;
        }
    }
    CHECK(wait_for(&pings, 500, SECOND), "it saw %lu of 500", pings);
    CHECK(wait_for(&counter[3], 1, SECOND), "it does not spin");
    event_send((unsigned int)port_of[3]);
    CHECK(wait_for(&event_count[port_of[3]], 501, SECOND), "no event while it spins");
    stop = true;
    CHECK(wait_for(&spinning_seen, 501, SECOND), "it does not go on");
}

static void poll_then_tick(unsigned int id)
{
    evtchn_port_t ports[1] = {(evtchn_port_t)poll_port};
    struct sched_poll poll = {.nr_ports = 1};
    struct vcpu_set_singleshot_timer timer = {0};
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = id};

    poll.ports.p = ports;
    polled = 1;
    do
        CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0, "poll");
    while (!event_pending(ports[0]) && ++poll_rounds < 10); /* it may end early, rarely */
    polled = 2;
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, id, NULL), 0, "stop_periodic_timer");
    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &bind), 0, "bind_virq");
    timer_port = bind.port;
    event_unmask(bind.port);
    for (unsigned long i = 1; i <= 10; i++) {
        timer.timeout_abs_ns = now() + 2000000;
        CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, id, &timer), 0, "set_singleshot_timer");
        for (;;) {
            own_vcpu()->evtchn_upcall_mask = 1;
            barrier();
            if (event_count[timer_port] >= i)
                break;
            block();
        }
        own_events_on();
        timers = i;
    }
}

static void check_poll_timer_runstate(void)
{
    static struct vcpu_runstate_info area __attribute__((aligned(64)));
    struct vcpu_register_runstate_memory_area reg;
    const volatile struct vcpu_runstate_info *a = &area;

    memset(&reg, 0, sizeof(reg));
    reg.addr.v = &area;
    area.state = 77;
    poll_port = bind_ipi_to(2);
    event_mask((unsigned int)poll_port);
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 3, &reg), 0, "area of vcpu 3");
    /* vcpu 3 is down, behind `answer`. */
    for (int i = 0; i < 1000 && vcpu_op(VCPUOP_is_up, 3, NULL) == 1; i++)
        spin_ns(SECOND / 1000);
    vcpu_resume(3, poll_then_tick);
    CHECK(wait_for(&polled, 1, SECOND), "vcpu 3 did not go on");
    spin_ns(SECOND / 50);
    CHECK_EQ(polled, 1, "poll before the event");
    CHECK_EQ(a->state, RUNSTATE_blocked, "runstate while it polls");
    CHECK_EQ(event_send((unsigned int)poll_port), 0, "send of a masked port");
    CHECK(wait_for(&polled, 2, SECOND), "the poll does not end");
    CHECK(wait_for(&timers, 10, 2 * SECOND), "%lu of 10 timers", timers);
    CHECK(a->time[RUNSTATE_offline] > 0 && a->time[RUNSTATE_blocked] > 10000000,
          "times: offline %lu, blocked %lu", (unsigned long)a->time[RUNSTATE_offline],
          (unsigned long)a->time[RUNSTATE_blocked]);
}

void test_main(void)
{
    unsigned int n = count_vcpus();

    if (n < 4) {
        skip("needs four vCPUs, has %u", n);
        return;
    }
    check_starting(n);
    check_down_by_other();
    check_down_up();
    check_ipis();
    check_poll_timer_runstate();
}
