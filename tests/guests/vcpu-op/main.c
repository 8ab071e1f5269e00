/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu-op - claim: vCPUs are counted and described; vcpu_info moves once, with its content,
 * and events and time follow it; runstate and secondary time areas are kept up to date;
 * errors are Xen's.
 *
 * Blind spots: further vCPUs (see smp-vcpus).
 */
#include "guest.h"

static void check_counting(void)
{
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 0, NULL), 1, "is_up of vcpu 0");
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 31, NULL), -XEN_ENOENT, "is_up of vcpu 31");
    CHECK_EQ(vcpu_op(VCPUOP_is_up, 0xffffffff, NULL), -XEN_ENOENT, "is_up of vcpu ~0");
    CHECK_EQ(vcpu_op(99, 0, NULL), -XEN_ENOSYS, "operation 99");
    static uint8_t context[6000];
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 0, context), -XEN_EEXIST, "initialise of vcpu 0");
    CHECK_EQ(vcpu_op(VCPUOP_up, 0, NULL), 0, "up of vcpu 0");
}

static void check_runstate(void)
{
    static struct vcpu_runstate_info area __attribute__((aligned(64)));
    struct vcpu_runstate_info info;
    struct vcpu_register_runstate_memory_area reg;
    uint64_t sum = 0;

    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &info), 0, "get_runstate_info");
    CHECK_EQ(info.state, RUNSTATE_running, "state");
    for (unsigned int i = 0; i < 4; i++)
        sum += info.time[i];
    CHECK(sum > 0 && sum <= now(), "times sum up to %lu, now is %lu", sum, now());
    memset(&reg, 0, sizeof(reg));
    reg.addr.v = &area;
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0, "register area");
    CHECK_EQ(*(volatile int *)&area.state, RUNSTATE_running, "state in the area");
}

static void check_time_area(void)
{
    static struct vcpu_time_info area __attribute__((aligned(64)));
    struct vcpu_register_time_memory_area reg;
    long rc;

    memset(&reg, 0, sizeof(reg));
    reg.addr.v = &area;
    rc = vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg);
    if (rc == -XEN_ENOSYS)
        return;
    CHECK_EQ(rc, 0, "register time area");
again:
    spin_ns(1000000);
    xen_version(XENVER_version, NULL);
    if (area.version & 1)
        goto again;
    CHECK_EQ(area.tsc_to_system_mul, vcpu0()->time.tsc_to_system_mul, "multiplier in the area");
}

static void check_info(void)
{
    struct vcpu_register_vcpu_info reg = {.offset = 4090};
    uint8_t *page = page_alloc();
    vcpu_info_t *moved = (vcpu_info_t *)(page + 128);
    struct vcpu_time_info time;
    long port = bind_ipi();

    reg.mfn = va_to_mfn(page);
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &reg) < 0, "vcpu_info over the end of a page");
    reg.mfn = 0x7fffffffff;
    reg.offset = 128;
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &reg) < 0, "vcpu_info in no frame");
    reg.mfn = va_to_mfn(page);
    reg.offset = 130;
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &reg) < 0, "misaligned vcpu_info");
    reg.offset = 128;
    events_off();
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 0, &reg), 0, "register_vcpu_info");
    CHECK_EQ(moved->evtchn_upcall_pending, 1, "upcall_pending in the new place");
    CHECK_EQ(moved->evtchn_upcall_mask, 1, "upcall_mask in the new place");
    time = moved->time;
    CHECK(time.tsc_to_system_mul != 0, "time in the new place");
    moved->evtchn_upcall_pending = 0;
    moved->evtchn_pending_sel = 0;
    event_send((unsigned int)port);
    CHECK_EQ(moved->evtchn_upcall_pending, 1, "an event in the new place");
    CHECK(moved->evtchn_pending_sel & 1, "its selector bit");
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &reg) < 0, "registering a second time");
    /* A page fault's address comes there, too. */
    uint8_t byte;
    trap_reset();
    asm volatile(EX_TRY("movb (%1), %0") : "=q"(byte) : "r"(NOWHERE + 0x321));
    CHECK_EQ(moved->arch.cr2, NOWHERE + 0x321, "cr2 in the new place");
}

void test_main(void)
{
    check_counting();
    check_runstate();
    check_time_area();
    check_info(); /* last: the library looks at the old place */
}
