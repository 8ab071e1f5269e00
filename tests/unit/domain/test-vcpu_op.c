/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-vcpu_op.c - bringing vCPUs up and down, and moving vcpu_info.
 */
#include "harness.h"

#include "domain/pause.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/vcpu.h>

#define INFO_FRAME 70u

static struct vcpu_guest_context context;

static int64_t op(unsigned int cmd, unsigned int id, gva_t arg)
{
    return call(__HYPERVISOR_vcpu_op, cmd, id, arg);
}

static int64_t initialise(unsigned int id)
{
    /* Longer than the argument page, and across a page boundary. */
    memcpy((char *)frame(60) + 2000, &context, sizeof(context));
    return op(VCPUOP_initialise, id, VA(60) + 2000);
}

static void use_good_context(void)
{
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel | VGCF_syscall_disables_events;
    context.user_regs.rip = 0xffffffff81000000ull;
    context.user_regs.rsp = 0xffff888000002000ull;
    context.user_regs.r15 = 15;
    context.user_regs.rdi = 5;
    context.user_regs.cs = 0xe030;
    context.user_regs.ss = 0xe02b;
    context.user_regs.rflags = 0x1000 | 0x40 | 0x100000000000ull;
    context.trap_ctxt[14].address = 0xffffffff81001000ull;
    context.trap_ctxt[14].flags = 0xff;
    context.gdt_frames[0] = 50;
    context.gdt_ents = 16;
    context.kernel_sp = 0xffff888000003000ull;
    context.ctrlreg[3] = (uint64_t)FRAME_L4 << PAGE_SHIFT;
    context.event_callback_eip = 0xffffffff81002000ull;
    context.gs_base_kernel = 0xffff888000004000ull;
    context.gs_base_user = 0x1000;
}

static void test_unknown(void **state)
{
    for (unsigned int cmd = 0; cmd < 20; cmd++) {
        assert_int_equal(op(cmd, 4, ARG), -ENOENT);
        assert_int_equal(op(cmd, ~0u, ARG), -ENOENT);
    }
    assert_int_equal(op(99, 0, ARG), -ENOSYS);
    assert_int_equal(op(VCPUOP_get_physid, 0, ARG), -EINVAL);
    assert_int_equal(op(VCPUOP_set_singleshot_timer, 1, ARG), -EINVAL);
    assert_int_equal(op(VCPUOP_set_periodic_timer, 1, ARG), -EINVAL);
}

static void test_up_down(void **state)
{
    use_good_context();
    assert_int_equal(op(VCPUOP_is_up, 0, 0), 1);
    assert_int_equal(op(VCPUOP_is_up, 1, 0), 0);
    assert_int_equal(op(VCPUOP_up, 1, 0), -EINVAL);
    assert_int_equal(initialise(0), -EEXIST);
    assert_int_equal(initialise(1), 0);
    assert_int_equal(initialise(1), -EEXIST);
    assert_int_equal(op(VCPUOP_is_up, 1, 0), 0);
    assert_int_equal(op(VCPUOP_up, 1, 0), 0);
    assert_int_equal(op(VCPUOP_up, 1, 0), 0);
    assert_int_equal(op(VCPUOP_is_up, 1, 0), 1);
    assert_int_equal(op(VCPUOP_down, 1, 0), 0);
    assert_int_equal(op(VCPUOP_is_up, 1, 0), 0);
    assert_int_equal(fix->d.state, DOMAIN_RUNNING);
    assert_int_equal(op(VCPUOP_up, 1, 0), 0); /* without another initialise */
    assert_int_equal(op(VCPUOP_down, 0, 0), 0);
    assert_int_equal(fix->d.state, DOMAIN_RUNNING);
    assert_int_equal(op(VCPUOP_down, 1, 0), 0);
    assert_int_equal(fix->d.reason, SHUTDOWN_POWEROFF);
}

static void test_context(void **state)
{
    const struct vcpu *v = &fix->run[2].state;

    use_good_context();
    assert_int_equal(initialise(2), 0);
    assert_int_equal(v->id, 2);
    assert_true(v->rip == context.user_regs.rip);
    assert_true(v->gpr[RSP] == context.user_regs.rsp);
    assert_int_equal(v->gpr[R15], 15);
    assert_int_equal(v->gpr[RDI], 5);
    assert_int_equal(v->rflags, 0x242);
    assert_int_equal(v->pv.iopl, 1);
    assert_int_equal(v->cs, 0xe033);
    assert_false(v->user_mode);
    assert_int_equal(v->cr3_kernel, FRAME_L4);
    assert_true(v->cr3_user == INVALID_MFN);
    assert_true(v->gs_base == context.gs_base_kernel);
    assert_true(v->gs_base_other == context.gs_base_user);
    assert_true(v->pv.traps[14].address == context.trap_ctxt[14].address);
    assert_int_equal(v->pv.traps[14].flags, 7);
    assert_true(v->pv.cb_event.mask_events);
    assert_false(v->pv.cb_failsafe.mask_events);
    assert_true(v->pv.cb_syscall.mask_events);
    assert_int_equal(v->pv.gdt_frames[0], 50);
    assert_int_equal(v->pv.gdt_entries, 16);
    assert_true(v->pv.kernel_sp == context.kernel_sp);
    assert_int_equal(v->pv.vcpu_info, (fix->d.ram.shared_info << PAGE_SHIFT) + 128);
}

static void test_user_mode_context(void **state)
{
    const struct vcpu *v = &fix->run[1].state;

    use_good_context();
    context.flags = 0;
    context.ctrlreg[1] = 50ull << PAGE_SHIFT;
    assert_int_equal(initialise(1), 0);
    assert_true(v->user_mode);
    assert_int_equal(v->cr3_user, 50);
    assert_true(v->gs_base == context.gs_base_user);
}

static void test_zero_context(void **state)
{
    memset(&context, 0, sizeof(context));
    assert_int_equal(initialise(1), 0);
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        use_good_context();                                                                        \
        change;                                                                                    \
        assert_int_equal(initialise(1), -EINVAL);                                                  \
        assert_false(fix->d.vcpus[1].initialised);                                                 \
    } while (0)

static void test_bad_context(void **state)
{
    const uint64_t odd = 1ull << 50; /* not canonical */

    REFUSED(context.ctrlreg[3] = fix->d.ram.patch_first << PAGE_SHIFT);
    REFUSED(context.ctrlreg[3] = fix->d.ram.shared_info << PAGE_SHIFT);
    REFUSED(context.ctrlreg[3] = (uint64_t)(MAX_PAGES - 1) << PAGE_SHIFT);
    REFUSED(context.ctrlreg[1] = ~0ull);
    REFUSED(context.gdt_ents = 7169);
    REFUSED(context.gdt_ents = ~0ull);
    REFUSED(context.gdt_frames[0] = ~0ull);
    REFUSED(context.ldt_ents = 8193);
    REFUSED(context.ldt_base = 8);
    REFUSED(context.ldt_base = odd);
    REFUSED(context.trap_ctxt[255].address = odd);
    REFUSED(context.event_callback_eip = odd);
    REFUSED(context.failsafe_callback_eip = odd);
    REFUSED(context.syscall_callback_eip = odd);
    REFUSED(context.fs_base = odd);
    REFUSED(context.gs_base_kernel = odd);
    REFUSED(context.gs_base_user = odd);
    assert_int_equal(op(VCPUOP_initialise, 1, BAD_VA), -EFAULT);
}

/* --- vcpu_info -------------------------------------------------------------------------- */

static int64_t register_info(unsigned int id, uint64_t mfn, uint32_t offset)
{
    struct vcpu_register_vcpu_info r = {.mfn = mfn, .offset = offset};

    put_arg(&r, sizeof(r));
    return op(VCPUOP_register_vcpu_info, id, ARG);
}

static void test_register_info(void **state)
{
    struct shared_info *si = frame(fix->d.ram.shared_info);
    struct vcpu_info *vi = (struct vcpu_info *)((char *)frame(INFO_FRAME) + 4032);

    si->vcpu_info[0].arch.cr2 = 0x1234;
    si->vcpu_info[0].time.version = 6;
    assert_int_equal(register_info(0, INFO_FRAME, 4032), 0);
    assert_int_equal(vi->arch.cr2, 0x1234);
    assert_int_equal(vi->time.version, 6);
    assert_int_equal(vi->evtchn_upcall_mask, 1);
    assert_int_equal(vi->evtchn_upcall_pending, 1);
    assert_true(vi->evtchn_pending_sel == ~0ull);
    assert_int_equal(fix->run[0].vcpu_info, (maddr_t)INFO_FRAME << PAGE_SHIFT | 4032);
    assert_int_equal(fix->kicks[0], 1);
    assert_int_equal(register_info(0, INFO_FRAME, 0), -EBUSY);
    /* Events go there now. */
    vi->evtchn_pending_sel = 0;
    evtchn_notify(&fix->d, EVTCHN_PORT_CONSOLE);
    assert_int_equal(vi->evtchn_pending_sel, 1);
    assert_int_equal(si->vcpu_info[0].evtchn_pending_sel, 0);
}

static void test_register_info_errors(void **state)
{
    assert_int_equal(op(VCPUOP_register_vcpu_info, 0, BAD_VA), -EFAULT);
    assert_int_equal(register_info(0, INFO_FRAME, 4033), -ENXIO);
    assert_int_equal(register_info(0, INFO_FRAME, 4040), -ENXIO);
    assert_int_equal(register_info(0, INFO_FRAME, 4), -ENXIO);
    assert_int_equal(register_info(0, INFO_FRAME, ~0u), -ENXIO);
    assert_int_equal(register_info(0, ~0ull, 0), -EINVAL);
    assert_int_equal(register_info(0, MAX_PAGES - 1, 0), -EINVAL);
    assert_int_equal(register_info(0, fix->d.ram.shared_info, 0), -EINVAL);
    assert_int_equal(register_info(0, fix->d.ram.patch_first, 0), -EINVAL);
    fix->d.vcpus[1].up = true; /* another one that runs */
    assert_int_equal(register_info(1, INFO_FRAME, 0), -EINVAL);
    assert_int_equal(fix->shared.evtchn.vcpu_info[0], fix->d.ram.shared_info << PAGE_SHIFT);
}

/* As Linux does: register for a vCPU before it is brought up. */
static void test_register_for_other(void **state)
{
    const maddr_t where = (maddr_t)INFO_FRAME << PAGE_SHIFT | 64;

    use_good_context();
    assert_int_equal(register_info(1, INFO_FRAME, 64), 0);
    assert_int_equal(initialise(1), 0);
    assert_int_equal(fix->run[1].state.pv.vcpu_info, where);
    assert_int_equal(fix->shared.evtchn.vcpu_info[1], where);
    /* And between initialise and up. */
    assert_int_equal(initialise(2), 0);
    assert_int_equal(register_info(2, INFO_FRAME, 128), 0);
    /* One that was taken down may not have noticed: it is told, too. */
    assert_true(fix->run[2].request & RUN_REQ_AREAS);
    assert_int_equal(fix->run[2].state.pv.vcpu_info, where + 64);
}

static void test_nmi(void **state)
{
    assert_int_equal(op(VCPUOP_send_nmi, 2, 0), 0);
    assert_int_equal(fix->run[2].request, RUN_REQ_NMI);
    assert_int_equal(fix->kicks[2], 1);
}

static void test_random_contexts(void **state)
{
    srand(5);
    for (unsigned int i = 0; i < 2000; i++) {
        uint64_t *words = (uint64_t *)&context;

        use_good_context();
        for (unsigned int k = 0; k < 3; k++)
            words[(size_t)rand() % (sizeof(context) / 8)] = (uint64_t)rand() << (rand() % 33);
        (void)initialise(1);
        if (fix->d.vcpus[1].initialised) {
            assert_in_range(fix->run[1].state.cr3_kernel, 0, MAX_PAGES - 1);
            assert_in_range(fix->run[1].state.pv.gdt_entries, 0, 7168);
        }
        fix->d.vcpus[1].initialised = false;
    }
}

static void test_down_other(void **state)
{
    use_good_context();
    assert_int_equal(initialise(1), 0);
    assert_int_equal(op(VCPUOP_up, 1, 0), 0);
    assert_int_equal(op(VCPUOP_down, 1, 0), 0);
    assert_int_equal(fix->run[1].request, RUN_REQ_PAUSE); /* it does not stop by itself */
    assert_int_equal(fix->kicks[1], 1);
    assert_int_equal(op(VCPUOP_up, 1, 0), 0);
    assert_int_equal(fix->run[1].request, 0);
    fix->vcpu = 1;
    assert_int_equal(op(VCPUOP_down, 1, 0), 0); /* the caller does */
    assert_int_equal(fix->run[1].request, 0);
    fix->vcpu = 0;
}

static void test_pause(void **state)
{
    struct domain *d = &fix->d;

    use_good_context();
    assert_int_equal(initialise(1), 0);
    d->watchdog[0] = 1ull << 60;
    domain_pause(d, PAUSED_BY_ADMIN);
    assert_int_equal(fix->run[0].request, RUN_REQ_PAUSE);
    assert_int_equal(fix->kicks[0], 1);
    assert_int_equal(fix->run[1].request, 0); /* it is down */
    assert_false(domain_is_still(d));
    /* One that comes up meanwhile stops, too. */
    assert_int_equal(op(VCPUOP_up, 1, 0), 0);
    assert_int_equal(fix->run[1].request, RUN_REQ_PAUSE);
    d->vcpus[0].stopped = true;
    assert_false(domain_is_still(d));
    d->vcpus[1].stopped = true;
    assert_true(domain_is_still(d));
    /* The last one who wants it ends it. */
    domain_pause(d, PAUSED_FOR_DUMP);
    domain_unpause(d, PAUSED_BY_ADMIN);
    assert_int_equal(fix->run[0].request, RUN_REQ_PAUSE);
    domain_unpause(d, PAUSED_FOR_DUMP);
    assert_int_equal(fix->run[0].request, 0);
    assert_int_equal(fix->run[1].request, 0);
    assert_true(d->watchdog[0] > 1ull << 60); /* the guest could not feed it */
    domain_unpause(d, PAUSED_BY_ADMIN);
    assert_int_equal(d->paused, 0);
}

static void test_areas_of_other(void **state)
{
    const struct run *run = &fix->run[2];
    uint64_t where = 0xffff888000001008ull;

    put_arg(&where, sizeof(where));
    assert_int_equal(op(VCPUOP_register_runstate_memory_area, 2, ARG), 0);
    assert_int_equal(run->request, RUN_REQ_AREAS);
    assert_int_equal(run->areas_set, 1 << AREA_RUNSTATE_VA);
    assert_true(run->areas[AREA_RUNSTATE_VA] == where);
    assert_int_equal(fix->kicks[2], 1);
    assert_int_equal(op(14, 2, ARG), -EINVAL); /* by machine address: there is no such frame */
    where = 70 << PAGE_SHIFT | 0xfd8;
    put_arg(&where, sizeof(where));
    assert_int_equal(op(14, 2, ARG), -ENXIO); /* over the page's end */
    assert_int_equal(op(15, 2, ARG), 0);
    where++;
    put_arg(&where, sizeof(where));
    assert_int_equal(op(15, 2, ARG), -ENXIO);
    where = ~0ull;
    put_arg(&where, sizeof(where));
    assert_int_equal(op(14, 2, ARG), 0);
    assert_int_equal(run->areas_set,
                     1 << AREA_RUNSTATE_VA | 1 << AREA_TIME_PA | 1 << AREA_RUNSTATE_PA);
    assert_int_equal(op(5, 2, 0), -EFAULT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_four_vcpus, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_unknown),
        T(test_up_down),
        T(test_context),
        T(test_user_mode_context),
        T(test_zero_context),
        T(test_bad_context),
        T(test_register_info),
        T(test_register_info_errors),
        T(test_register_for_other),
        T(test_nmi),
        T(test_down_other),
        T(test_pause),
        T(test_areas_of_other),
        T(test_random_contexts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
