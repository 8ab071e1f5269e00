/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * huge-counts - claim: a hypercall that is given a huge count, over arrays that are readable
 * for a long way, ends (by an error at the array's end, or done), and events are delivered to
 * this vCPU meanwhile: no call keeps it for long. tests/guests/test_neighbours.py looks at
 * other domains at the same time.
 *
 * Blind spots: calls that wait; several vCPUs.
 */
#include "guest.h"

#define REGION 0xffffd00000000000ul
#define REGION_SIZE (24ul << 20)
#define LATE_NS 500000000ul /* on a busy host */

static uint64_t *page; /* every page of the region is this one */
static volatile uint64_t deadline, lateness;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector != TRAP_EVENT || !deadline)
        return false;
    lateness = now() > deadline ? now() - deadline : 0;
    deadline = 0;
    return false;
}

static void fill(uint64_t value)
{
    for (unsigned int i = 0; i < PAGE_SIZE / 8; i++)
        page[i] = value;
}

static uint64_t call_start;

static void begin(void)
{
    struct vcpu_set_singleshot_timer timer;

    call_start = now();
    lateness = 0;
    deadline = call_start + 2000000;
    timer = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = deadline};
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    trap_hook = hook;
}

static void end(const char *what, long rc)
{
    uint64_t took = now() - call_start;

    trap_hook = NULL;
    deadline = 0;
    print("%s: %ld after %lu ms, event %lu us late\n", what, rc, took / 1000000, lateness / 1000);
    CHECK(lateness < LATE_NS, "%s: an event came %lu ms late", what, lateness / 1000000);
    CHECK(took < 20000000000ul, "%s: took %lu s", what, took / 1000000000);
}

#define HUGE(what, call)                                                                           \
    do {                                                                                           \
        long rc_;                                                                                  \
                                                                                                   \
        begin();                                                                                   \
        rc_ = (call);                                                                              \
        end(what, rc_);                                                                            \
    } while (0)

static const uint64_t counts[] = {0x7fffffff, 0x80000000, 0xffffffff, ~0ul};

static void check_tables(uint64_t count)
{
    uint64_t scratch = va_to_maddr(page_alloc());
    unsigned int done;

    fill(scratch);
    HUGE("mmu_update", hypercall4(__HYPERVISOR_mmu_update, REGION, count, &done, DOMID_SELF));
    HUGE("mmu_update without done",
         hypercall4(__HYPERVISOR_mmu_update, REGION, count, NULL, DOMID_SELF));
    fill(MMUEXT_INVLPG_LOCAL);
    HUGE("mmuext_op", hypercall4(__HYPERVISOR_mmuext_op, REGION, count, &done, DOMID_SELF));
    fill(__HYPERVISOR_xen_version); /* of no such command */
    HUGE("multicall of slow calls",
         hypercall2(__HYPERVISOR_multicall, REGION + REGION_SIZE - (4 << 20), count));
    fill(__HYPERVISOR_update_descriptor);
    HUGE("multicall of update_descriptor", hypercall2(__HYPERVISOR_multicall, REGION, count));
    fill(__HYPERVISOR_memory_op);
    HUGE("multicall of memory_op",
         hypercall2(__HYPERVISOR_multicall, REGION + REGION_SIZE - (1 << 20), count));
}

static void check_lists(uint64_t count)
{
    fill(0xffffffff80000001); /* a handler for vector 1, without end */
    HUGE("set_trap_table", hypercall1(__HYPERVISOR_set_trap_table, REGION));
    trap_init();
    HUGE("set_gdt", hypercall2(__HYPERVISOR_set_gdt, REGION, count));
    HUGE("console_io", hypercall3(__HYPERVISOR_console_io, 0, count & ~0xffful, 0x1000));
}

static void check_grants(uint64_t count)
{
    uint64_t at = REGION + REGION_SIZE - (4 << 20);

    fill(0);
    for (unsigned int cmd = 0; cmd <= 12; cmd++) {
        print("gnttab %u ", cmd);
        HUGE("op", hypercall3(__HYPERVISOR_grant_table_op, cmd, at, count));
    }
    fill(0x00007ff000007ff0); /* DOMID_SELF wherever a domain id may be */
    for (unsigned int cmd = 0; cmd <= 12; cmd++) {
        print("gnttab %u ", cmd);
        HUGE("op for ourselves", hypercall3(__HYPERVISOR_grant_table_op, cmd, at, count));
    }
}

static void check_memory(uint64_t count)
{
    struct xen_memory_reservation r = {.nr_extents = count, .domid = DOMID_SELF};
    struct xen_memory_exchange x = {0};
    struct xen_memory_map map = {.nr_entries = (unsigned int)count};
    domid_t self = DOMID_SELF;
    long pages = memory_op(XENMEM_current_reservation, &self);

    set_xen_guest_handle(r.extent_start, (void *)(REGION + REGION_SIZE - (4 << 20)));
    fill(~0ul);
    HUGE("decrease of frame ~0", memory_op(XENMEM_decrease_reservation, &r));
    fill(start_info->nr_pages + 100000000);
    HUGE("decrease of a frame that is not there", memory_op(XENMEM_decrease_reservation, &r));
    CHECK_EQ(memory_op(XENMEM_current_reservation, &self), pages, "reservation");
    for (unsigned int order = 9; order < 64; order += 27) {
        r.extent_order = order;
        HUGE("increase by large extents", memory_op(XENMEM_increase_reservation, &r));
        HUGE("populate by large extents", memory_op(XENMEM_populate_physmap, &r));
        HUGE("decrease by large extents", memory_op(XENMEM_decrease_reservation, &r));
    }
    r.extent_order = 0;
    x.in = x.out = r;
    HUGE("exchange", memory_op(XENMEM_exchange, &x));
    set_xen_guest_handle(map.buffer, (void *)REGION);
    HUGE("memory_map", memory_op(XENMEM_memory_map, &map));
}

static void check_others(uint64_t count)
{
    struct sched_poll poll = {.nr_ports = (unsigned int)count, .timeout = now() + 1000000};
    struct physdev_set_iobitmap bitmap = {.nr_ports = (unsigned int)count};
    struct mmuext_op ldt = {.cmd = MMUEXT_SET_LDT, .arg1.linear_addr = REGION};

    set_xen_guest_handle(poll.ports, (void *)REGION);
    HUGE("poll", sched_op(SCHEDOP_poll, &poll));
    set_xen_guest_handle(bitmap.bitmap, (void *)REGION);
    HUGE("set_iobitmap", physdev_op(PHYSDEVOP_set_iobitmap, &bitmap));
    ldt.arg2.nr_ents = (unsigned int)count;
    HUGE("SET_LDT", mmuext_op(&ldt, 1, NULL));
    HUGE("multicall of nothing", hypercall2(__HYPERVISOR_multicall, 0x1000, count));
    HUGE("mmu_update of nothing",
         hypercall4(__HYPERVISOR_mmu_update, 0x1000, count, 0, DOMID_SELF));
}

void test_main(void)
{
    page = page_alloc();
    for (uint64_t at = 0; at < REGION_SIZE; at += PAGE_SIZE) {
        if (map(REGION + at, va_to_mfn(page), PTE_P | PTE_RW)) {
            error("cannot map the region");
            return;
        }
    }
    bind_virq(VIRQ_TIMER);
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL); /* it would come before ours */
    for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
        print("--- count 0x%lx\n", counts[i]);
        check_tables(counts[i]);
        check_lists(counts[i]);
        check_grants(counts[i]);
        check_memory(counts[i]);
        check_others(counts[i]);
    }
    CHECK(xen_version(XENVER_version, NULL) > 0, "the hypervisor does not answer any more");
}
