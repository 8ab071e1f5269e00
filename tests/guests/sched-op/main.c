/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sched-op - claim: the letter of ABI 3.11 and 3.12. block clears the upcall mask and lets
 * what is pending come; poll ends at once for a pending port, also a masked one, for an upcall
 * that is due and for a time that has passed, and otherwise when one of its ports is raised or
 * its time comes; no ports and a time is a sleep. Watchdogs have numbers and errors. What is
 * for other domains is refused. vm_assist knows its types; physdev_op, console_io and the old
 * forms of calls answer as the ABI says; fpu_taskswitch is CR0.TS, which #NM clears.
 *
 * Blind spots: shutdown (see crash-shutdown); several vCPUs (see smp-vcpus).
 */
#include "guest.h"

#define MS 1000000ul

static unsigned int port, other_port;

static long poll(const evtchn_port_t *ports, unsigned int nr, uint64_t timeout)
{
    struct sched_poll arg = {.nr_ports = nr, .timeout = timeout};

    set_xen_guest_handle(arg.ports, (evtchn_port_t *)ports);
    return sched_op(SCHEDOP_poll, &arg);
}

static void check_block(void)
{
    unsigned long before = event_count[port];

    events_off();
    event_send(port);
    CHECK_EQ(event_count[port], before, "upcall while masked");
    CHECK_EQ(block(), 0, "block with an event pending");
    CHECK_EQ(event_count[port], before + 1, "it came before block returned");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask behind block");
    events_off();
    event_send(port);
    CHECK_EQ(hypercall2(__HYPERVISOR_sched_op_compat, 1, 0), 0, "the old block");
    CHECK_EQ(event_count[port], before + 2, "it came before that returned");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask behind it");
    CHECK_EQ(sched_op(SCHEDOP_yield, NULL), 0, "yield");
    CHECK_EQ(hypercall2(__HYPERVISOR_sched_op_compat, 0, 0), 0, "the old yield");
    CHECK_EQ(hypercall2(__HYPERVISOR_sched_op_compat, 3, 0), -XEN_ENOSYS, "the old poll");
}

/* The timer that runs at the start (ABI 8) has no port yet: it ends neither of them. */
static void check_long_waits(void)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 35 * MS};
    unsigned int virq_port = (unsigned int)bind_virq(VIRQ_TIMER);
    struct evtchn_close close = {.port = virq_port};
    unsigned long before;
    uint64_t start = now();

    event_mask(virq_port);
    CHECK_EQ(event_channel_op(EVTCHNOP_close, &close), 0, "close");
    CHECK_EQ(poll(NULL, 0, start + 35 * MS), 0, "a sleep over some ticks without a port");
    CHECK(now() - start >= 34 * MS, "it came back after %lu ns", now() - start);
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop_periodic_timer");
    virq_port = (unsigned int)bind_virq(VIRQ_TIMER);
    for (unsigned int i = 0; i < 5; i++) {
        events_off();
        before = event_count[virq_port];
        timer.timeout_abs_ns = now() + 3 * MS;
        CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0, "set_singleshot_timer");
        CHECK_EQ(block(), 0, "block");
        CHECK_EQ(event_count[virq_port], before + 1, "the timer's event when block returns");
    }
}

static void check_poll(void)
{
    evtchn_port_t ports[128] = {other_port, port};
    uint64_t start;

    for (unsigned int i = 2; i < ARRAY_SIZE(ports); i++)
        ports[i] = other_port;
    event_mask(port);
    event_mask(other_port);
    event_send(port);
    start = now();
    CHECK_EQ(poll(ports, 2, start + 2000 * MS), 0, "poll with the second port pending");
    CHECK(now() - start < 1000 * MS, "it waited");
    CHECK_EQ(poll(ports, 128, start + 2000 * MS), 0, "poll of 128 ports");
    CHECK(now() - start < 1000 * MS, "it waited");
    CHECK(event_pending(port), "poll took the pending bit");
    CHECK_EQ(poll(ports, 129, 1), -XEN_EINVAL, "poll of 129 ports");
    event_clear(port);
    CHECK_EQ(poll(ports, 2, 1), 0, "poll until a time that has passed");
    start = now();
    CHECK_EQ(poll(ports, 2, start + 20 * MS), 0, "poll with a time");
    CHECK(now() - start >= 19 * MS, "it came back after %lu ns", now() - start);
    start = now();
    CHECK_EQ(poll(NULL, 0, start + 20 * MS), 0, "a sleep");
    CHECK(now() - start >= 19 * MS, "it came back after %lu ns", now() - start);

    /* An upcall that is due ends a poll of other ports; one that is masked does not. */
    event_unmask(port);
    events_off();
    event_send(port);
    start = now();
    CHECK_EQ(poll(ports, 1, start + 20 * MS), 0, "poll while an event is pending behind the mask");
    CHECK(now() - start >= 19 * MS, "it came back after %lu ns", now() - start);
    start =
        now(); /* before: rdtsc is Xen's where its TSC is not steady, and the upcall comes there */
    vcpu0()->evtchn_upcall_mask = 0;
    barrier();
    CHECK_EQ(poll(ports, 1, start + 2000 * MS), 0, "poll while an upcall is due");
    CHECK(now() - start < 1000 * MS, "it waited %lu ns", now() - start);
    CHECK_EQ(poll((void *)NOWHERE, 1, 1), -XEN_EFAULT, "a list at no address");
    ports[1] = 4000;
    CHECK_EQ(poll(ports, 2, 1), -XEN_EINVAL, "a port beyond those there are");
    ports[1] = ~0u;
    CHECK_EQ(poll(ports, 2, 1), -XEN_EINVAL, "port ~0");
    event_unmask(other_port);
}

static long watchdog(uint32_t id, uint32_t seconds)
{
    struct sched_watchdog arg = {.id = id, .timeout = seconds};

    return (int)sched_op(SCHEDOP_watchdog, &arg); /* Xen's own is an int */
}

static void check_watchdog(void)
{
    long a = watchdog(0, 300), b = watchdog(0, 300);

    CHECK(a >= 1 && a <= 2 && b >= 1 && b <= 2 && a != b, "watchdogs %ld and %ld", a, b);
    CHECK_EQ(watchdog(0, 300), -XEN_ENOSPC, "a third one");
    CHECK_EQ(watchdog((uint32_t)a, 200), 0, "feeding the first");
    CHECK_EQ(watchdog((uint32_t)a, 0), 0, "stopping it");
    CHECK(watchdog((uint32_t)a, 100) < 0, "feeding it then");
    CHECK_EQ(watchdog(0, 300), a, "a new one");
    CHECK_EQ(watchdog((uint32_t)a, 0), 0, "stopping it");
    CHECK_EQ(watchdog((uint32_t)b, 0), 0, "stopping the other");
    CHECK(watchdog(3, 10) < 0, "number 3");
    CHECK(watchdog(~0u, 10) < 0, "number ~0");
}

static void check_refused(void)
{
    struct sched_remote_shutdown remote = {.domain_id = 0x1234, .reason = SHUTDOWN_poweroff};
    struct sched_pin_override pin = {.pcpu = 0};

    long rc = sched_op(SCHEDOP_remote_shutdown, &remote);

    CHECK(rc == -XEN_EPERM || rc == -XEN_ESRCH, "remote_shutdown: %ld", rc);
    CHECK_EQ(sched_op(SCHEDOP_pin_override, &pin), -XEN_EPERM, "pin_override");
    CHECK_EQ(sched_op(8, &pin), -XEN_ENOSYS, "operation 8");
    CHECK_EQ(sched_op(SCHEDOP_poll, (void *)NOWHERE), -XEN_EFAULT, "poll at no address");
    CHECK_EQ(sched_op(SCHEDOP_shutdown, (void *)NOWHERE), -XEN_EFAULT, "shutdown at no address");
}

static void check_vm_assist(void)
{
    for (unsigned int type = 0; type < 70; type++) {
        long want = type <= 5 || type == 32 ? 0 : -XEN_EINVAL;

        for (unsigned int cmd = 0; cmd < 2; cmd++)
            CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, cmd, type), want, "vm_assist %u, type %u",
                     cmd, type);
    }
    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, 0, ~0u), -XEN_EINVAL, "vm_assist of type ~0");
    CHECK(hypercall2(__HYPERVISOR_vm_assist, 2, 0) < 0, "vm_assist command 2");
}

static void check_physdev(void)
{
    static uint64_t zeros[64];
    static const unsigned int failing[] = {10, 13, 15, 17, 20, 22, 24, 25, 26, 28, 99};

    for (unsigned int i = 0; i < ARRAY_SIZE(failing); i++)
        CHECK(physdev_op(failing[i], zeros) < 0, "physdev_op %u", failing[i]);
    CHECK_EQ(physdev_op(8, zeros), -XEN_EPERM, "apic_read");
    CHECK_EQ(physdev_op(9, zeros), -XEN_EPERM, "apic_write");
    CHECK_EQ(physdev_op(99, zeros), -XEN_ENOSYS, "physdev_op 99");
    struct physdev_set_iopl iopl = {.iopl = ~0u};
    CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL, "IOPL ~0");
    CHECK_EQ(physdev_op(PHYSDEVOP_set_iobitmap, (void *)NOWHERE), -XEN_EFAULT, "set_iobitmap");
}

static void check_console_io(void)
{
    static char text[] = "console_io says\nhello\n";
    long rc = hypercall3(__HYPERVISOR_console_io, 0, sizeof(text) - 1, text);

    CHECK(rc == 0 || rc == -XEN_EPERM, "console_io write: %ld", rc);
    if (rc)
        return;
    CHECK_EQ(hypercall3(__HYPERVISOR_console_io, 0, 0, NULL), 0, "write of nothing");
    CHECK_EQ(hypercall3(__HYPERVISOR_console_io, 0, 5, NOWHERE), -XEN_EFAULT, "at no address");
    CHECK_EQ(hypercall3(__HYPERVISOR_console_io, 1, sizeof(text), text), 0, "read");
    CHECK_EQ(hypercall3(__HYPERVISOR_console_io, 2, 0, NULL), -XEN_ENOSYS, "command 2");
}

/* {u32 cmd; union} instead of two arguments. */
static void check_old_events(void)
{
    struct {
        uint32_t cmd;
        union {
            struct evtchn_send send;
            struct evtchn_status status;
            struct evtchn_close close;
        } u;
    } op = {.cmd = EVTCHNOP_send, .u.send.port = port};
    unsigned long before = event_count[port];

    CHECK_EQ(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), 0, "the old send");
    CHECK_EQ(event_count[port], before + 1, "upcalls of it");
    memset(&op, 0, sizeof(op));
    op.cmd = EVTCHNOP_status;
    op.u.status.dom = DOMID_SELF;
    op.u.status.port = port;
    CHECK_EQ(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), 0, "the old status");
    CHECK_EQ(op.u.status.status, EVTCHNSTAT_ipi, "its result");
    op.cmd = EVTCHNOP_close;
    op.u.close.port = 4000;
    CHECK_EQ(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), -XEN_EINVAL, "the old close");
    op.cmd = 99;
    CHECK_EQ(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), -XEN_ENOSYS, "operation 99");
    CHECK_EQ(hypercall1(__HYPERVISOR_event_channel_op_compat, NOWHERE), -XEN_EFAULT, "no address");
}

static uint64_t cr0(void)
{
    uint64_t value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static uint64_t cr0_in_handler;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector != 7)
        return false;
    cr0_in_handler = cr0();
    return true; /* to the instruction again */
}

static void check_fpu(void)
{
    trap_hook = hook;
    for (unsigned int round = 0; round < 3; round++) {
        cr0_in_handler = 0;
        CHECK_EQ(hypercall1(__HYPERVISOR_fpu_taskswitch, round + 1), 0, "fpu_taskswitch");
        CHECK_EQ(cr0() & 8, 8, "TS after it");
        asm volatile("fninit");
        CHECK_EQ(cr0_in_handler & 8, 0, "TS in the handler");
        CHECK(cr0_in_handler != 0, "no #NM");
        CHECK_EQ(cr0() & 8, 0, "TS behind it");
    }
    asm volatile("mov %0, %%cr0" : : "r"(cr0() | 8));
    cr0_in_handler = 0;
    asm volatile("movaps %%xmm0, %%xmm0" : : : "memory");
    CHECK(cr0_in_handler != 0, "no #NM for SSE after mov to cr0");
    CHECK_EQ(hypercall1(__HYPERVISOR_fpu_taskswitch, 0), 0, "fpu_taskswitch off");
    trap_hook = NULL;
}

void test_main(void)
{
    port = (unsigned int)bind_ipi();
    other_port = (unsigned int)bind_ipi();
    check_block();
    check_long_waits();
    check_poll();
    check_watchdog();
    check_refused();
    check_vm_assist();
    check_physdev();
    check_console_io();
    check_old_events();
    check_fpu();
}
