/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * garbage-shared - claim: whatever the guest writes into memory that it shares with the
 * hypervisor (shared_info, vcpu_info, registered areas, FIFO control blocks and event words,
 * grant table, xenstore ring), hypercalls go on to answer, and nothing outside the guest is
 * harmed: with sane content back, events, timers and the console work.
 *
 * Blind spots: the console ring (see console-ring-abuse); writes at the same time as the
 * hypervisor reads, but for another vCPU's; what the garbage makes of the guest's own events.
 */
#include "guest.h"

#include <xen/io/xs_wire.h>

#define ROUNDS 200

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Of one kind: all random, sparse bits, all ones, zero. */
static void garbage(volatile void *at, size_t size)
{
    volatile uint8_t *bytes = at;
    unsigned int kind = random() & 3;

    for (size_t i = 0; i < size; i++)
        bytes[i] = kind == 0   ? (uint8_t)random()
                   : kind == 1 ? (uint8_t)(1u << (random() & 7) & -(random() >> 62 == 0))
                   : kind == 2 ? 0xff
                               : 0;
}

static unsigned int ports[8];

/* Calls that read or write what was spoilt. Results do not matter. */
static void poke_hypervisor(void)
{
    struct evtchn_unmask unmask;
    struct evtchn_send send;
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 50000};
    struct sched_poll poll = {.nr_ports = 1};
    struct vcpu_runstate_info state;
    evtchn_port_t port = ports[0];

    set_xen_guest_handle(poll.ports, &port);
    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        send.port = unmask.port = ports[i];
        event_channel_op(EVTCHNOP_send, &send);
        event_channel_op(EVTCHNOP_unmask, &unmask);
        event_channel_op(EVTCHNOP_send, &send);
    }
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    poll.timeout = 1; /* long ago */
    sched_op(SCHEDOP_poll, &poll);
    sched_op(SCHEDOP_yield, NULL);
    vcpu_op(VCPUOP_get_runstate_info, 0, &state);
    xen_version(XENVER_version, NULL);
}

static shared_info_t saved;

static void restore(void)
{
    /* Behind our own time record, which the hypervisor may have renewed. */
    memcpy(&shared_info->vcpu_info[1], &saved.vcpu_info[1],
           sizeof(saved) - offsetof(shared_info_t, vcpu_info[1]));
    vcpu0()->evtchn_upcall_mask = 1;
    vcpu0()->evtchn_upcall_pending = 0;
    memset((void *)shared_info->evtchn_pending, 0, sizeof(shared_info->evtchn_pending));
    /* The periodic timer may have fired in between: look at everything, or its port stays pending.
     */
    vcpu0()->evtchn_pending_sel = ~0ul;
    vcpu0()->evtchn_upcall_pending = 1;
    events_on();
}

static void check_alive(unsigned int timer_port, const char *after)
{
    unsigned long before = event_count[timer_port], sent;
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 1000000};
    uint64_t until = now() + 2 * SECOND;

    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    while (event_count[timer_port] == before && now() < until) /* the host may be busy */
        spin_ns(100000);
    CHECK(event_count[timer_port] > before, "no timer event after %s", after);
    sent = event_count[ports[1]];
    event_unmask(ports[1]);
    event_send(ports[1]);
    CHECK(event_count[ports[1]] > sent, "no event after %s", after);
    CHECK(xen_version(XENVER_version, NULL) > 0, "no answer after %s", after);
}

static void check_shared_info(unsigned int timer_port)
{
    /* The area that holds our own time is left alone: the rounds would last for ever. */
    size_t parts[][2] = {
        {0, offsetof(vcpu_info_t, time)},
        {sizeof(vcpu_info_t), offsetof(shared_info_t, evtchn_pending) - sizeof(vcpu_info_t)},
        {offsetof(shared_info_t, evtchn_pending),
         offsetof(shared_info_t, wc_version) - offsetof(shared_info_t, evtchn_pending)},
        {offsetof(shared_info_t, wc_version), PAGE_SIZE - offsetof(shared_info_t, wc_version)},
    };

    memcpy(&saved, shared_info, sizeof(saved));
    for (unsigned int i = 0; i < ROUNDS; i++) {
        for (unsigned int k = 0; k < ARRAY_SIZE(parts); k++) {
            if (random() & 1)
                garbage((uint8_t *)shared_info + parts[k][0], parts[k][1]);
        }
        poke_hypervisor();
    }
    restore();
    check_alive(timer_port, "garbage in shared_info");
}

static void check_areas(unsigned int timer_port)
{
    static const uint64_t bad[] = {0x1000, 0xffff800000000000, 0x0000800000000000, ~0ul, ~7ul};
    uint8_t *ro = page_alloc();
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_register_time_memory_area time;

    remap(ro, PTE_P);
    for (unsigned int i = 0; i <= ARRAY_SIZE(bad); i++) {
        uint64_t at = i < ARRAY_SIZE(bad) ? bad[i] : (uintptr_t)ro;

        area.addr.p = at;
        time.addr.p = at;
        vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
        vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time);
        poke_hypervisor();
        struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 500000};
        vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
        block(); /* the run state changes */
    }
    CHECK_EQ(ro[0], 0, "a read-only area was written to");
    /* One that is taken away again. */
    area.addr.p = (uintptr_t)page_alloc();
    time.addr.p = area.addr.p + 512;
    vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
    vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time);
    remap((void *)area.addr.p, 0);
    poke_hypervisor();
    check_alive(timer_port, "bad areas");
}

static void check_grant_table(unsigned int timer_port)
{
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_query_size query = {.dom = DOMID_SELF};
    struct gnttab_copy copy;
    xen_pfn_t frame;
    uint64_t window = 0xffffe00000000000;

    set_xen_guest_handle(setup.frame_list, &frame);
    if (grant_table_op(GNTTABOP_setup_table, &setup, 1) || setup.status) {
        error("no grant table");
        return;
    }
    CHECK_EQ(map(window, frame, PTE_P | PTE_RW), 0, "map of the grant table");
    /* Entries 0 and 1 are the console's and the store's. */
    for (unsigned int i = 0; i < ROUNDS; i++) {
        garbage((uint8_t *)window + 2 * sizeof(grant_entry_v1_t),
                PAGE_SIZE - 2 * sizeof(grant_entry_v1_t));
        garbage(&copy, sizeof(copy));
        if (i & 1)
            copy.source.domid = copy.dest.domid = DOMID_SELF;
        if (i & 2)
            copy.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
        if (copy.flags & GNTCOPY_dest_gref) /* else it might hit us */
            grant_table_op(GNTTABOP_copy, &copy, 1);
        grant_table_op(GNTTABOP_query_size, &query, 1);
    }
    memset((uint8_t *)window + 2 * sizeof(grant_entry_v1_t), 0,
           PAGE_SIZE - 2 * sizeof(grant_entry_v1_t));
    check_alive(timer_port, "garbage in the grant table");
}

static void check_store_ring(unsigned int timer_port)
{
    uint8_t *ring = mfn_to_va(start_info->store_mfn);

    for (unsigned int i = 0; i < ROUNDS; i++) {
        garbage(ring, sizeof(struct xenstore_domain_interface));
        event_send(start_info->store_evtchn);
        sched_op(SCHEDOP_yield, NULL);
    }
    check_alive(timer_port, "garbage in the xenstore ring");
}

/* The last one: there is no way back from the FIFO ABI. */
static void check_fifo(void)
{
    struct evtchn_init_control init = {.vcpu = 0};
    uint8_t *control = page_alloc();
    struct evtchn_expand_array expand;
    uint32_t *words = (uint32_t *)page_alloc();
    struct vcpu_runstate_info state;

    init.control_gfn = va_to_mfn(control);
    if (event_channel_op(EVTCHNOP_init_control, &init))
        return;
    expand.array_gfn = va_to_mfn(words);
    CHECK_EQ(event_channel_op(EVTCHNOP_expand_array, &expand), 0, "expand_array");
    for (unsigned int i = 0; i < ROUNDS; i++) {
        struct evtchn_set_priority priority = {.port = ports[i % 8], .priority = random() & 15};

        garbage(words, PAGE_SIZE);
        garbage(control, sizeof(evtchn_fifo_control_block_t) + 64);
        event_channel_op(EVTCHNOP_set_priority, &priority);
        poke_hypervisor();
        /* The words' links lead back to themselves, with LINKED. */
        for (unsigned int k = 0; k < PAGE_SIZE / 4; k++)
            words[k] = 1u << EVTCHN_FIFO_LINKED | k;
        poke_hypervisor();
    }
    vcpu0()->evtchn_upcall_pending = 0;
    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &state), 0,
             "runstate after garbage in the queues");
    CHECK(xen_version(XENVER_version, NULL) > 0, "no answer after garbage in the queues");
}

void test_main(void)
{
    unsigned int timer_port = (unsigned int)bind_virq(VIRQ_TIMER);

    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++)
        ports[i] = (unsigned int)bind_ipi();
    print("shared_info\n");
    check_shared_info(timer_port);
    print("areas\n");
    check_areas(timer_port);
    print("grant table\n");
    check_grant_table(timer_port);
    print("xenstore ring\n");
    check_store_ring(timer_port);
    print("FIFO\n");
    check_fifo();
}
