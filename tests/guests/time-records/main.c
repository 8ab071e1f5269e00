/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * time-records - claim: the letter of ABI 8: scale, flags and version of the time record, which
 * agrees with CPUID's leaf; the same record in the secondary area; a wall clock; a 100 Hz timer
 * that runs from the start; one that is far in the future fires after 100 ms by set_timer_op;
 * the flag "only in the future" is ignored; runstate areas with and without the update mark,
 * whose times sum up to the time that has passed.
 *
 * Blind spots: accuracy; changes of the TSC's frequency.
 */
#include "guest.h"

#define MS 1000000ul

static unsigned int port;

static void check_record(void)
{
    const volatile vcpu_time_info_t *t = &vcpu0()->time;
    uint64_t hz = (1000000000ull << 32) / t->tsc_to_system_mul;
    uint32_t r[4];

    hz = t->tsc_shift >= 0 ? hz >> t->tsc_shift : hz << -t->tsc_shift;
    CHECK(t->version && !(t->version & 1), "version %u", t->version);
    CHECK(t->tsc_to_system_mul >> 31, "scale 0x%x is below 2^31", t->tsc_to_system_mul);
    CHECK(t->tsc_shift > -32 && t->tsc_shift < 32, "shift %d", t->tsc_shift);
    CHECK_EQ(t->flags, 1, "flags: stable, and nothing else");
    CHECK(t->tsc_timestamp <= rdtsc(), "its TSC value is in the future");
    cpuid_forced(0x40000003, 0, r);
    CHECK(r[2] > hz / 1000 - 10 && r[2] < hz / 1000 + 10, "leaf: %u kHz, record: %lu", r[2],
          hz / 1000);
    CHECK(r[0] & 6, "leaf: flags 0x%x", r[0]);
    cpuid_forced(0x40000003, 1, r);
    CHECK_EQ(r[2], t->tsc_to_system_mul, "scale in the leaf");
    CHECK_EQ((int8_t)r[3], t->tsc_shift, "shift in the leaf");
    cpuid_forced(0x40000003, 2, r);
    CHECK(r[0] > 100000, "host's kHz %u", r[0]);
}

static void check_wallclock(void)
{
    const volatile shared_info_t *s = shared_info;
    uint64_t seconds = (uint64_t)s->wc_sec_hi << 32 | s->wc_sec;

    CHECK(s->wc_version && !(s->wc_version & 1), "version %u", s->wc_version);
    CHECK(seconds > 1700000000 && seconds < 1ul << 34, "%lu s", seconds);
    CHECK(s->wc_nsec < 1000000000, "%u ns", s->wc_nsec);
}

static void check_area(void)
{
    static struct vcpu_time_info area[2];
    struct vcpu_register_time_memory_area reg;
    const volatile vcpu_time_info_t *t = &vcpu0()->time;

    memset(&reg, 0, sizeof(reg));
    reg.addr.v = &area[0];
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg), 0, "time area");
    CHECK(area[0].version && !(area[0].version & 1), "its version %u", area[0].version);
    CHECK_EQ(area[0].tsc_to_system_mul, t->tsc_to_system_mul, "its scale");
    CHECK_EQ(area[0].tsc_shift, t->tsc_shift, "its shift");
    CHECK_EQ(area[0].system_time, t->system_time, "its time");
    CHECK_EQ(area[0].flags, t->flags, "its flags");
    CHECK_EQ(area[1].version, 0, "what is behind it");
    reg.addr.v = NULL;
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg), 0, "no time area");
    reg.addr.v = (void *)0xffff800000000000;
    vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg); /* refused, or without effect */
    CHECK_EQ(m2p()[start_info->store_mfn], ((uint64_t *)0xffff800000000000)[start_info->store_mfn],
             "a time area over the m2p has written there");
    reg.addr.v = NULL;
    vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg);
}

static void check_first_timer(void)
{
    unsigned long before = event_count[port], ticks;
    uint64_t start = now();

    while (event_count[port] < before + 10 && now() - start < 2000 * MS)
        spin_ns(MS / 10);
    ticks = event_count[port] - before;
    CHECK(ticks >= 10 && ticks <= (now() - start) / (10 * MS) + 1, "%lu ticks in %lu ns", ticks,
          now() - start);
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop_periodic_timer");
    before = event_count[port];
    spin_ns(40 * MS);
    CHECK(event_count[port] <= before + 1, "ticks after the stop");
}

/* Returns after how long the timer came. */
static uint64_t until_event(unsigned long before)
{
    uint64_t start = now();

    while (event_count[port] == before && now() - start < 5000 * MS)
        spin_ns(MS / 10);
    return now() - start;
}

static void check_odd_times(void)
{
    struct vcpu_set_singleshot_timer set = {.timeout_abs_ns = 1, .flags = 1};
    unsigned long before = event_count[port];
    uint64_t took;

    CHECK_EQ(hypercall1(__HYPERVISOR_set_timer_op, now() + (1ul << 51)), 0, "set_timer_op");
    took = until_event(before);
    CHECK(took >= 90 * MS && took < 4000 * MS, "far in the future: it came after %lu ns", took);
    before = event_count[port];
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &set), 0, "in the past, with its flag");
    CHECK(until_event(before) < 4000 * MS, "it did not come");
    before = event_count[port];
    set.timeout_abs_ns = now() + 3 * MS;
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &set), 0, "in the future, with its flag");
    CHECK(until_event(before) < 4000 * MS, "it did not come");
    before = event_count[port];
    CHECK_EQ(hypercall1(__HYPERVISOR_set_timer_op, 1), 0, "set_timer_op in the past");
    CHECK(until_event(before) < 4000 * MS, "it did not come");
    before = event_count[port];
    spin_ns(5 * MS);
    CHECK_EQ(event_count[port], before, "a one-shot timer came twice");
    /* One timer, whoever sets it. */
    set.timeout_abs_ns = now() + 10 * MS;
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &set);
    hypercall1(__HYPERVISOR_set_timer_op, 0);
    spin_ns(20 * MS);
    CHECK_EQ(event_count[port], before, "set_timer_op(0) did not stop the vCPU's timer");
}

static uint64_t sum(const struct vcpu_runstate_info *r)
{
    return r->time[0] + r->time[1] + r->time[2] + r->time[3];
}

/* The times count since the domain was made, which may be later than system time does. */
static void check_runstate(bool marked)
{
    static uint64_t made = ~0ul;
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area reg;
    struct vcpu_set_singleshot_timer set;
    struct vcpu_runstate_info a, b;
    uint64_t blocked, before, after;

    hypercall2(__HYPERVISOR_vm_assist, marked ? VMASST_CMD_enable : VMASST_CMD_disable, 5);
    memset(&reg, 0, sizeof(reg));
    memset(&area, 0xff, sizeof(area));
    reg.addr.v = &area;
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0, "runstate area");
    CHECK_EQ(area.state, RUNSTATE_running, "its state");
    CHECK_EQ(area.state_entry_time >> 63, 0, "its mark");
    CHECK(area.state_entry_time <= now(), "its entry time");
    blocked = area.time[RUNSTATE_blocked];
    set = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = now() + 5 * MS};
    events_off();
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &set);
    block();
    CHECK_EQ(area.state, RUNSTATE_running, "its state after block");
    CHECK_EQ(area.state_entry_time >> 63, 0, "its mark after block");
    CHECK(area.time[RUNSTATE_blocked] >= blocked + 2 * MS, "time blocked: %lu, then %lu", blocked,
          (uint64_t)area.time[RUNSTATE_blocked]);
    before = now();
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &a), 0, "get_runstate_info");
    after = now();
    CHECK(sum(&a) <= after + 1000, "times sum up to %lu at %lu", sum(&a), after);
    if (made == ~0ul)
        made = before - sum(&a);
    CHECK(made + sum(&a) + 1000 + MS >= before && made + sum(&a) <= after + 1000 + MS,
          "times sum up to %lu, not %lu", sum(&a), before - made);
    spin_ns(2 * MS);
    vcpu_op(VCPUOP_get_runstate_info, 0, &b);
    CHECK(sum(&b) >= sum(&a) + 2 * MS, "the sum does not grow with the time");
    for (unsigned int i = 0; i < 4; i++)
        CHECK(b.time[i] >= a.time[i], "time %u went back", i);
}

void test_main(void)
{
    check_record();
    check_wallclock();
    port = (unsigned int)bind_virq(VIRQ_TIMER);
    check_first_timer();
    check_area();
    check_odd_times();
    check_runstate(false);
    check_runstate(true);
}
