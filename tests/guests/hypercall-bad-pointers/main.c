/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall-bad-pointers - claim: no hypercall with pointers to nowhere, huge counts or
 * senseless numbers harms anything: each returns (an error, or 0 where nothing had to be
 * read), and the guest and its hypervisor go on.
 *
 * Every call is made with every combination of a few evil arguments, so most return values
 * are not checked one by one; a list of exact ones follows.
 *
 * Blind spots: pointers into memory that another vCPU unmaps meanwhile; calls that would
 * rightly end or stop this guest (shutdown, block, vcpu down, iret) are left out.
 */
#include "guest.h"

static uint64_t *page; /* readable, writable, full of ones */

static uint64_t evil[] = {
    0,
    1,
    0x7fffffff,
    0xffffffff,
    0x1000,             /* not mapped, user half */
    0x00007ffffffff000, /* last user page */
    0x0000800000000000, /* not canonical */
    0xffff7fffffffffff, /* not canonical */
    0xffff800000000000, /* the hypervisor's hole (m2p) */
    0xffff87fffffffff8, /* its end */
    0xfffffffffffff000, /* wraps */
    0xffffffffffffffff,
    0, /* [12]: a good page */
    0, /* [13]: its last byte */
};

struct target {
    unsigned int nr;
    unsigned int commands; /* first argument runs over 0.. this; 0: it is evil too */
    uint64_t skip;         /* bits of commands to leave out */
};

static const struct target targets[] = {
    {__HYPERVISOR_mmu_update, 0, 0},
    {__HYPERVISOR_set_gdt, 0, 0},
    {__HYPERVISOR_update_descriptor, 0, 0},
    {__HYPERVISOR_memory_op, 40, 0},
    {__HYPERVISOR_multicall, 0, 0},
    {__HYPERVISOR_update_va_mapping, 0, 0},
    {__HYPERVISOR_event_channel_op_compat, 0, 0},
    {__HYPERVISOR_xen_version, 20, 0},
    {__HYPERVISOR_console_io, 4, 0},
    {__HYPERVISOR_physdev_op_compat, 0, 0},
    {__HYPERVISOR_grant_table_op, 16, 0},
    {__HYPERVISOR_update_va_mapping_otherdomain, 0, 0},
    {__HYPERVISOR_mmuext_op, 0, 0},
    {__HYPERVISOR_xsm_op, 0, 0},
    {__HYPERVISOR_nmi_op, 4, 0},
    /* not shutdown and what is kept for it, and poll and watchdog would wait or end us */
    {__HYPERVISOR_sched_op, 8,
     1 << SCHEDOP_block | 1 << SCHEDOP_shutdown | 1 << SCHEDOP_shutdown_code | 1 << SCHEDOP_poll |
         1 << SCHEDOP_watchdog},
    {__HYPERVISOR_xenoprof_op, 4, 0},
    /* not reset: it would close the console's port */
    {__HYPERVISOR_event_channel_op, 16, 1 << EVTCHNOP_reset | 1 << EVTCHNOP_close},
    {__HYPERVISOR_physdev_op, 40, 0},
    {__HYPERVISOR_hvm_op, 26, 0},
    {__HYPERVISOR_sysctl, 0, 0},
    {__HYPERVISOR_domctl, 0, 0},
    {__HYPERVISOR_kexec_op, 0, 0},
    {__HYPERVISOR_argo_op, 0, 0},
    {__HYPERVISOR_xenpmu_op, 0, 0},
    {__HYPERVISOR_dm_op, 0, 0},
};

static bool fault_hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT || frame->vector >= 32)
        return false;
    failure("a hypercall raised vector %lu", frame->vector);
    return false;
}

/* update_va_mapping may rightly have unmapped the good page. */
static void repair(unsigned int nr)
{
    if (nr == __HYPERVISOR_update_va_mapping || nr == __HYPERVISOR_update_va_mapping_otherdomain)
        remap(page, PTE_P | PTE_RW);
}

static void sweep(const struct target *t)
{
    unsigned int first = t->commands ? t->commands : ARRAY_SIZE(evil);
    unsigned long calls = 0;

    for (unsigned int a = 0; a < first; a++) {
        if (t->commands && t->skip >> a & 1)
            continue;
        for (unsigned int b = 0; b < ARRAY_SIZE(evil); b++) {
            for (unsigned int c = 0; c < ARRAY_SIZE(evil); c++) {
                memset(page, 0xff, PAGE_SIZE);
                hypercall5(t->nr, t->commands ? a : evil[a], evil[b], evil[c], 0, DOMID_SELF);
                repair(t->nr);
                calls++;
            }
        }
    }
    print("hypercall %u: %lu calls\n", t->nr, calls);
}

static void check_exact(void)
{
    void *hole = (void *)0x1000, *odd = (void *)0x0000800000000000ul;
    void *bad[] = {hole, odd, (void *)0xfffffffffffffff8ul};

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_EQ(mmu_update(bad[i], 1, NULL), -XEN_EFAULT, "mmu_update %u", i);
        CHECK_EQ(mmuext_op(bad[i], 1, NULL), -XEN_EFAULT, "mmuext_op %u", i);
        CHECK_EQ(hypercall2(__HYPERVISOR_multicall, bad[i], 1), -XEN_EFAULT, "multicall %u", i);
        CHECK_EQ(event_channel_op(EVTCHNOP_send, bad[i]), -XEN_EFAULT, "evtchn send %u", i);
        CHECK_EQ(sched_op(SCHEDOP_poll, bad[i]), -XEN_EFAULT, "poll %u", i);
        CHECK_EQ(xen_version(XENVER_extraversion, bad[i]), -XEN_EFAULT, "extraversion %u", i);
        CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 0, bad[i]), -XEN_EFAULT, "timer %u", i);
        CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, bad[i]), -XEN_EFAULT, "runstate %u", i);
        CHECK_EQ(set_trap_table(bad[i]), -XEN_EFAULT, "set_trap_table %u", i);
        CHECK_EQ(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, bad[i]), -XEN_EFAULT,
                 "callback_op %u", i);
        CHECK_EQ(grant_table_op(GNTTABOP_query_size, bad[i], 1), -XEN_EFAULT, "gnttab %u", i);
        CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, bad[i]), -XEN_EFAULT, "set_iopl %u", i);
        CHECK_EQ(memory_op(XENMEM_increase_reservation, bad[i]), 0, "increase_reservation %u", i);
        CHECK_EQ(memory_op(XENMEM_decrease_reservation, bad[i]), 0, "decrease_reservation %u", i);
    }
}

/* A structure that begins on a good page and ends on a missing one. */
static void check_straddle(void)
{
    uint8_t *end = (uint8_t *)0x20000000 + PAGE_SIZE;

    CHECK_EQ(map((uintptr_t)end - PAGE_SIZE, va_to_mfn(page), PTE_P | PTE_RW), 0, "map");
    CHECK_EQ(event_channel_op(EVTCHNOP_status, end - 4), -XEN_EFAULT, "straddling status");
    CHECK_EQ(mmu_update((void *)(end - 8), 1, NULL), -XEN_EFAULT, "straddling mmu_update");
    CHECK_EQ(xen_version(XENVER_capabilities, end - 16), -XEN_EFAULT, "straddling output");
    CHECK_EQ(sched_op(SCHEDOP_poll, end - 20), -XEN_EFAULT, "straddling poll");
    unmap((uintptr_t)end - PAGE_SIZE);
}

static void check_read_only_result(void)
{
    uint8_t *ro = page_alloc();
    struct evtchn_alloc_unbound *alloc = (void *)ro;

    alloc->dom = DOMID_SELF;
    alloc->remote_dom = DOMID_SELF;
    CHECK_EQ(remap(ro, PTE_P), 0, "remap");
    CHECK_EQ(xen_version(XENVER_extraversion, ro), -XEN_EFAULT, "result to read-only memory");
    CHECK_EQ(event_channel_op(EVTCHNOP_alloc_unbound, alloc), -XEN_EFAULT,
             "alloc_unbound on read-only memory");
    remap(ro, PTE_P | PTE_RW);
}

void test_main(void)
{
    page = page_alloc();
    evil[12] = (uintptr_t)page;
    evil[13] = (uintptr_t)page + PAGE_SIZE - 1;
    check_exact();
    check_straddle();
    check_read_only_result();
    trap_hook = fault_hook;
    for (unsigned int i = 0; i < ARRAY_SIZE(targets); i++)
        sweep(&targets[i]);
    trap_hook = NULL;
    CHECK(xen_version(XENVER_version, NULL) > 0, "the hypervisor does not answer any more");
}
