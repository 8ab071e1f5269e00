/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * timer - claim: system time advances, never goes back, at the wall clock's pace of the TSC;
 * the one-shot timer fires at its time and not before, at once for a time in the past, a new
 * one replaces the old; set_timer_op too; stopping works; block sleeps until it fires; the
 * periodic timer ticks.
 *
 * Blind spots: accuracy in absolute terms (a busy host may be late by anything), other vCPUs.
 */
#include "guest.h"

static unsigned int port;

static long set_timer(uint64_t at)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = at};

    return vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
}

static void check_clock(void)
{
    uint64_t last = now(), steps = 0;

    for (unsigned int i = 0; i < 100000; i++) {
        uint64_t t = now();

        if (t < last) {
            failure("time went back by %lu ns", last - t);
            return;
        }
        steps += t > last;
        last = t;
    }
    CHECK(steps > 100, "time stands still");
    CHECK_EQ(vcpu0()->time.version & 1, 0, "version of the time record");
    CHECK(shared_info->wc_sec > 1500000000, "wall clock %u", shared_info->wc_sec);
}

/* Block until there are more events than `before`, which is how many there were when the timer
 * was set: on a busy host it may have fired already. Returns how late it was, ns. */
static int64_t sleep_until(uint64_t at, unsigned long before)
{
    while (event_count[port] == before) {
        events_off();
        if (event_count[port] != before)
            break;
        block();
    }
    events_on();
    return (int64_t)(now() - at);
}

static void check_oneshot(void)
{
    int64_t worst = 0;

    for (unsigned int i = 1; i <= 20; i++) {
        unsigned long before = event_count[port];
        uint64_t at = now() + i * 500000;
        int64_t late;

        CHECK_EQ(set_timer(at), 0, "set_singleshot_timer");
        late = sleep_until(at, before);
        CHECK(late >= -100000, "fired %ld ns early", -late);
        worst = late > worst ? late : worst;
    }
    print("at most %ld ns late\n", worst);
    CHECK(worst < 500000000, "%ld ns late", worst);
}

static void check_past_and_replace(void)
{
    unsigned long before = event_count[port];
    uint64_t at, replaced;

    CHECK_EQ(set_timer(now() - 1000000), 0, "a timer in the past");
    spin_ns(2000000);
    CHECK_EQ(event_count[port], before + 1, "events of it");

    /* Tried again where the host was too busy to replace it in time. */
    do {
        before = event_count[port];
        replaced = now() + 3000000;
        set_timer(replaced);
        at = now() + 20000000;
        set_timer(at);
    } while (now() >= replaced);
    spin_ns(8000000);
    CHECK(event_count[port] == before || now() >= at, "an event of a timer that was replaced");
    sleep_until(at, before);
    CHECK(now() >= at - 100000, "the replacement was early");

    before = event_count[port];
    set_timer(now() + 5000000);
    CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stop_singleshot_timer");
    spin_ns(10000000);
    CHECK_EQ(event_count[port], before, "events of a stopped timer");
}

static void check_timer_op(void)
{
    unsigned long before = event_count[port];
    uint64_t at = now() + 2000000;

    CHECK_EQ(hypercall1(__HYPERVISOR_set_timer_op, at), 0, "set_timer_op");
    CHECK(sleep_until(at, before) >= -100000, "set_timer_op was early");
    before = event_count[port];
    hypercall1(__HYPERVISOR_set_timer_op, now() + 5000000);
    CHECK_EQ(hypercall1(__HYPERVISOR_set_timer_op, 0), 0, "set_timer_op(0)");
    spin_ns(10000000);
    CHECK_EQ(event_count[port], before, "events after set_timer_op(0)");
}

static void check_periodic(void)
{
    struct vcpu_set_periodic_timer timer = {.period_ns = 2000000};
    unsigned long before = event_count[port], ticks;

    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), 0, "set_periodic_timer");
    spin_ns(50000000);
    ticks = event_count[port] - before;
    print("%lu ticks in 50 ms at 2 ms\n", ticks);
    CHECK(ticks >= 2 && ticks <= 60, "%lu ticks", ticks);
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop_periodic_timer");
    spin_ns(3000000);
    before = event_count[port];
    spin_ns(20000000);
    CHECK_EQ(event_count[port], before, "ticks after the stop");
    timer.period_ns = 1000;
    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), -XEN_EINVAL, "a period of 1 us");
}

void test_main(void)
{
    long rc;

    check_clock();
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop_periodic_timer at start");
    rc = bind_virq(VIRQ_TIMER);
    if (rc <= 0) {
        error("bind_virq: %ld", rc);
        return;
    }
    port = (unsigned int)rc;
    spin_ns(1000000);
    check_oneshot();
    check_past_and_replace();
    check_timer_op();
    check_periodic();
}
