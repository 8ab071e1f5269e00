/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-misc_op.c - dispatch, xen_version, sched_op, console_io, physdev_op, hvm_op, and what
 * is refused.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "domain/sched_op.h"
#include "domain/shared_info.h"

#include <xen/xen.h>
#include <xen/features.h>
#include <xen/hvm/hvm_op.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/version.h>

static void test_dispatch(void **state)
{
    const struct {
        uint64_t nr;
        int rc;
    } table[] = {{7, -EPERM},
                 {35, -EPERM},
                 {36, -EPERM},
                 {19, -ENOSYS},
                 {27, -ENOSYS},
                 {31, -ENOSYS},
                 {37, -ENOSYS},
                 {38, -ENOSYS},
                 {39, -ENOSYS},
                 {40, -ENOSYS},
                 {41, -ENOSYS},
                 {42, -ENOSYS},
                 {48, -ENOSYS},
                 {11, -ENOSYS},
                 {1, -ENOSYS},
                 {13, -ENOSYS},
                 {23, -ENOSYS},
                 {49, -ENOSYS},
                 {63, -ENOSYS},
                 {64, -ENOSYS},
                 {1000, -ENOSYS},
                 {~0ull, -ENOSYS},
                 {1ull << 32 | 17, -ENOSYS}};

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        assert_int_equal(call(table[i].nr, 0, ARG, 0), table[i].rc);
    fix->vcpu = 1; /* there is no such vCPU */
    assert_int_equal(call(17, 0, 0, 0), -ENOSYS);
}

/* --- xen_version ------------------------------------------------------------------------ */

static void check_text(unsigned int cmd, size_t size, const char *text)
{
    char *page = frame(FRAME_ARG);

    memset(page, 0xee, PAGE_SIZE);
    assert_int_equal(call(17, cmd, ARG, 0), 0);
    assert_memory_equal(page, text, strlen(text));
    for (size_t i = strlen(text); i < size; i++)
        assert_int_equal(page[i], 0); /* nothing leaks behind the text */
    assert_int_equal((uint8_t)page[size], 0xee);
    assert_int_equal(call(17, cmd, BAD_VA, 0), -EFAULT);
}

static void test_version_texts(void **state)
{
    check_text(XENVER_extraversion, 16, ".0-xenolith");
    check_text(XENVER_capabilities, 1024, "xen-3.0-x86_64 ");
    check_text(XENVER_changeset, 64, "unavailable");
    check_text(XENVER_commandline, 1024, "");
}

static void test_version_values(void **state)
{
    struct xen_compile_info *ci = frame(FRAME_ARG);
    uint64_t virt_start;

    assert_int_equal(call(17, XENVER_version, 0, 0), 4 << 16 | 17);
    assert_int_equal(call(17, XENVER_pagesize, 0, 0), 4096);
    assert_int_equal(call(17, XENVER_platform_parameters, ARG, 0), 0);
    get_arg(&virt_start, sizeof(virt_start));
    assert_true(virt_start == 0xffff800000000000ull);
    assert_int_equal(call(17, XENVER_guest_handle, ARG, 0), 0);
    assert_memory_equal(frame(FRAME_ARG), fix->d.uuid, 16);
    memset(ci, 0xee, sizeof(*ci) + 1);
    assert_int_equal(call(17, XENVER_compile_info, ARG, 0), 0);
    assert_int_equal(ci->compile_date[31], 0);
    assert_int_equal(((uint8_t *)ci)[144], 0xee);
    assert_int_equal(call(17, 15, ARG, 0), -ENOSYS);
    assert_int_equal(call(17, 0xffffffff, ARG, 0), -ENOSYS);
}

static uint32_t features(void)
{
    struct xen_feature_info fi = {.submap_idx = 0};

    assert_int_equal(CALL_ARG(17, XENVER_get_features, &fi), 0);
    return fi.submap;
}

static void test_version_features(void **state)
{
    struct xen_feature_info fi = {.submap_idx = 1};
    const uint32_t never = 1u << XENFEAT_writable_page_tables |
                           1u << XENFEAT_auto_translated_physmap |
                           1u << XENFEAT_supervisor_mode_kernel | 1u << XENFEAT_dom0;

    assert_int_equal(CALL_ARG(17, XENVER_get_features, &fi), -EINVAL);
    assert_int_equal(features() & never, 0);
    assert_true(features() & 1u << XENFEAT_mmu_pt_update_preserve_ad);
    assert_false(features() & 1u << XENFEAT_pae_pgdir_above_4gb);
    call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3, 0);
    assert_true(features() & 1u << XENFEAT_pae_pgdir_above_4gb);
    call(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_pae_extended_cr3, 0);
    assert_false(features() & 1u << XENFEAT_pae_pgdir_above_4gb);
    call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 0xffffffff, 0);
}

static void test_version_varbuf(void **state)
{
    struct {
        uint32_t len;
        char buf[60];
    } vb = {.len = 60};

    assert_int_equal(call(17, XENVER_build_id, 0, 0), 20);
    assert_int_equal(CALL_ARG(17, XENVER_build_id, &vb), 20);
    vb.len = 19;
    assert_int_equal(CALL_ARG(17, XENVER_build_id, &vb), -ENOBUFS);
    vb.len = 0;
    assert_int_equal(CALL_ARG(17, XENVER_build_id, &vb), -EINVAL);
    vb.len = 60;
    assert_int_equal(CALL_ARG(17, 12, &vb), 15);
    assert_memory_equal(vb.buf, "xen-3.0-x86_64 ", 15);
    assert_int_equal(call(17, 12, BAD_VA, 0), -EFAULT);
}

/* --- sched_op --------------------------------------------------------------------------- */

static int64_t shut_down(uint32_t reason)
{
    struct sched_shutdown s = {.reason = reason};

    return CALL_ARG(29, SCHEDOP_shutdown, &s);
}

/* Somebody waits for it: it stands still, and the answer is that it was not saved. */
static void test_suspend(void **state)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_suspend};

    fix->d.suspend = SUSPEND_WANTED;
    put_arg(&s, sizeof(s));
    assert_int_equal(call(29, SCHEDOP_shutdown, ARG, 77), 1);
    assert_int_equal(fix->d.state, DOMAIN_RUNNING);
    assert_int_equal(fix->d.paused, PAUSED_FOR_SAVE);
    assert_true(fix->d.suspend == SUSPEND_DONE && fix->d.suspend_info == 77);
    assert_true(fix->run[0].request & RUN_REQ_PAUSE);
    /* Another vCPU's call changes nothing any more. */
    assert_int_equal(call(29, SCHEDOP_shutdown, ARG, 78), 1);
    assert_int_equal(fix->d.suspend_info, 77);
}

static void test_shutdown(void **state)
{
    const struct {
        uint32_t abi;
        enum shutdown_reason reason;
    } table[] = {{0, SHUTDOWN_POWEROFF}, {1, SHUTDOWN_REBOOT}, {3, SHUTDOWN_CRASH},
                 {4, SHUTDOWN_WATCHDOG}, {5, SHUTDOWN_CRASH},  {~0u, SHUTDOWN_CRASH}};

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        uint64_t woken = 0;

        fix->d.state = DOMAIN_RUNNING;
        assert_int_equal(shut_down(table[i].abi), 0);
        assert_int_equal(fix->d.state, DOMAIN_DYING);
        assert_int_equal(fix->d.reason, table[i].reason);
        assert_true(fix->d.reason_text[0] != '\0');
        assert_int_equal(read(fix->d.wake_fd, &woken, sizeof(woken)), sizeof(woken));
    }
    /* The first reason stays. */
    shut_down(0);
    assert_int_equal(fix->d.reason, SHUTDOWN_CRASH);
}

static void test_shutdown_others(void **state)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_crash};

    assert_int_equal(call(29, SCHEDOP_shutdown, BAD_VA, 0), -EFAULT);
    assert_int_equal(shut_down(SHUTDOWN_suspend), 1); /* cancelled */
    assert_int_equal(fix->d.state, DOMAIN_RUNNING);
    assert_true(fix->d.suspend == SUSPEND_UNWANTED && !fix->d.paused);
    assert_int_equal(CALL_ARG(29, SCHEDOP_shutdown_code, &s), 0);
    assert_int_equal(fix->d.state, DOMAIN_RUNNING);
    shut_down(SHUTDOWN_poweroff); /* the latched code wins */
    assert_int_equal(fix->d.reason, SHUTDOWN_CRASH);
    assert_int_equal(call(29, SCHEDOP_remote_shutdown, ARG, 0), -EPERM);
    assert_int_equal(call(29, SCHEDOP_pin_override, ARG, 0), -EPERM);
    assert_int_equal(call(29, SCHEDOP_yield, 0, 0), 0);
    assert_int_equal(call(29, 99, 0, 0), -ENOSYS);
}

static void test_compat(void **state)
{
    assert_int_equal(call(6, 0, 0, 0), 0);
    assert_int_equal(call(6, 3, 0, 0), -ENOSYS);
    assert_int_equal(call(6, 2, SHUTDOWN_reboot, 0), 0);
    assert_int_equal(fix->d.reason, SHUTDOWN_REBOOT);
}

static int64_t watchdog(uint32_t id, uint32_t timeout)
{
    struct sched_watchdog w = {.id = id, .timeout = timeout};

    return CALL_ARG(29, SCHEDOP_watchdog, &w);
}

static void test_watchdog(void **state)
{
    assert_int_equal(call(29, SCHEDOP_watchdog, BAD_VA, 0), -EFAULT);
    assert_int_equal(sched_watchdog_next(&fix->d), 0);
    assert_int_equal(watchdog(0, 0), -EINVAL);
    assert_int_equal(watchdog(1, 10), -EINVAL); /* not armed */
    assert_int_equal(watchdog(3, 10), -EINVAL);
    assert_int_equal(watchdog(0, 1000), 1);
    assert_int_equal(watchdog(0, 500), 2);
    assert_int_equal(watchdog(0, 500), -ENOSPC);
    assert_true(sched_watchdog_next(&fix->d) == fix->d.watchdog[1]);
    assert_int_equal(watchdog(2, 0), 0);
    assert_true(sched_watchdog_next(&fix->d) == fix->d.watchdog[0]);
    assert_int_equal(watchdog(1, 2000), 0);
    sched_watchdog_check(&fix->d);
    assert_int_equal(fix->d.state, DOMAIN_RUNNING);
    fix->d.watchdog[0] = 1;
    sched_watchdog_check(&fix->d);
    assert_int_equal(fix->d.reason, SHUTDOWN_WATCHDOG);
}

/* --- others ----------------------------------------------------------------------------- */

static void test_console_io(void **state)
{
    memset(frame(60), 'a', PAGE_SIZE);
    memset(frame(61), 'b', PAGE_SIZE);
    assert_int_equal(call(18, CONSOLEIO_write, 3000, VA(61) - 1500), 0);
    assert_int_equal(console_len, 3000);
    assert_int_equal(console_text[1499], 'a');
    assert_int_equal(console_text[1500], 'b');
    assert_int_equal(call(18, CONSOLEIO_write, 10, BAD_VA), -EFAULT);
    assert_int_equal(call(18, CONSOLEIO_write, 0, BAD_VA), 0);
    assert_int_equal(call(18, CONSOLEIO_read, 10, ARG), 0);
    assert_int_equal(call(18, 2, 10, ARG), -ENOSYS);
    set_mapping(62, false, false);
    assert_int_equal(call(18, CONSOLEIO_write, 0xffffffff, VA(61)), -EFAULT);
}

static void test_physdev(void **state)
{
    assert_int_equal(call(33, PHYSDEVOP_apic_read, ARG, 0), -EPERM);
    assert_int_equal(call(33, PHYSDEVOP_apic_write, ARG, 0), -EPERM);
    assert_true(call(33, PHYSDEVOP_pirq_eoi_gmfn_v2, ARG, 0) < 0);
    assert_true(call(33, PHYSDEVOP_get_free_pirq, ARG, 0) < 0);
    assert_int_equal(call(33, 200, ARG, 0), -ENOSYS);
}

static void test_hvm_op(void **state)
{
    struct xen_hvm_param p = {.domid = DOMID_SELF};

    assert_int_equal(CALL_ARG(34, HVMOP_get_param, &p), -EINVAL);
    p.domid = 99;
    assert_int_equal(CALL_ARG(34, HVMOP_set_param, &p), -ESRCH);
    assert_int_equal(call(34, HVMOP_get_param, BAD_VA, 0), -EFAULT);
    assert_int_equal(call(34, 77, ARG, 0), -ENOSYS);
}

static void test_wallclock(void **state)
{
    struct shared_info *si = frame(fix->d.ram.shared_info);
    uint32_t version = si->wc_version, before = si->wc_sec;

    assert_int_equal(version % 2, 0);
    fix->d.wallclock_offset = 1000;
    shared_info_set_wallclock(&fix->d);
    assert_int_equal(si->wc_version, version + 2);
    assert_in_range(si->wc_sec - before, 998, 1003);
    assert_true(si->wc_nsec < 1000000000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_one_vcpu, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_dispatch),         T(test_version_texts),   T(test_version_values),
        T(test_version_features), T(test_version_varbuf),  T(test_shutdown),
        T(test_suspend),          T(test_shutdown_others), T(test_compat),
        T(test_watchdog),         T(test_console_io),      T(test_physdev),
        T(test_hvm_op),           T(test_wallclock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
