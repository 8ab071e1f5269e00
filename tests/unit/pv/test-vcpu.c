/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-vcpu.c - what a PV vCPU sets up and asks for itself: entry points, segments, debug
 * registers, timers, time records, runstate, and giving the CPU away.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_env.h"

#include "cpu/pv/pv.h"
#include <xen/vcpu.h>

#define MS 1000000ull

struct trap {
    uint8_t vector, flags;
    uint16_t cs;
    uint64_t address;
};

static int64_t set_traps(const struct trap *t, unsigned int n)
{
    memcpy(fake_at(ARGS), t, n * sizeof(*t));
    return fake_hypercall(0, ARGS, 0, 0, 0, 0);
}

static void test_trap_table(void **state)
{
    struct trap first[] = {{13, 4, 0xe030, HANDLER}, {0x80, 3, 0xe030, HANDLER + 8}, {0}};
    struct trap second[] = {{14, 0, 0xe033, HANDLER + 16}, {15, 0, 0, 1ull << 63}, {13, 0, 0, 1}};

    assert_int_equal(set_traps(first, 3), 0);
    assert_int_equal(vcpu.pv.traps[13].address, HANDLER);
    assert_int_equal(vcpu.pv.traps[13].flags, 4);
    assert_int_equal(vcpu.pv.traps[0x80].flags, 3);
    assert_int_equal(set_traps(second, 3), -XEN_EINVAL);
    assert_int_equal(vcpu.pv.traps[14].address, HANDLER + 16); /* merged */
    assert_int_equal(vcpu.pv.traps[13].address, HANDLER);
    assert_int_equal(fake_hypercall(0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(vcpu.pv.traps[13].address, 0);
}

static void test_trap_table_at_edge_of_memory(void **state)
{
    struct trap t[] = {{1, 0, 0, HANDLER}, {0}};
    gva_t at = KVA(FRAME_HOLE) - sizeof(t);

    memcpy(fake_at(at), t, sizeof(t));
    assert_int_equal(fake_hypercall(0, at, 0, 0, 0, 0), 0);
    assert_int_equal(vcpu.pv.traps[1].address, HANDLER);
    ((struct trap *)fake_at(at))[1].address = 5; /* no end */
    assert_int_equal(fake_hypercall(0, at, 0, 0, 0, 0), -XEN_EFAULT);
}

static int64_t callback(unsigned int cmd, unsigned int type, unsigned int flags, uint64_t address)
{
    uint64_t arg[] = {type | flags << 16, address};

    memcpy(fake_at(ARGS), arg, sizeof(arg));
    return fake_hypercall(30, cmd, ARGS, 0, 0, 0);
}

static void test_callbacks(void **state)
{
    assert_int_equal(callback(0, 0, 0, HANDLER), 0);
    assert_true(vcpu.pv.cb_event.mask_events);
    assert_int_equal(callback(0, 2, 1, HANDLER + 1), 0);
    assert_int_equal(vcpu.pv.cb_syscall.address, HANDLER + 1);
    assert_true(vcpu.pv.cb_syscall.mask_events);
    assert_int_equal(callback(0, 1, 0, HANDLER + 2), 0);
    assert_int_equal(vcpu.pv.cb_failsafe.address, HANDLER + 2);
    assert_int_equal(callback(0, 5, 1, HANDLER + 3), 0);
    assert_int_equal(vcpu.pv.cb_sysenter.address, HANDLER + 3);
    assert_int_equal(callback(0, 7, 0, HANDLER + 4), 0);
    assert_int_equal(vcpu.pv.cb_syscall32.address, HANDLER + 4);
    assert_false(vcpu.pv.cb_syscall32.mask_events);
    assert_int_equal(callback(0, 4, 0, HANDLER + 5), 0);
    assert_int_equal(vcpu.pv.traps[2].address, HANDLER + 5);
    assert_int_equal(vcpu.pv.traps[2].flags & 4, 4);
    assert_int_equal(callback(0, 3, 0, HANDLER), -XEN_ENOSYS);
    assert_int_equal(callback(0, 0, 0, 1ull << 50), -XEN_EINVAL);
    assert_int_equal(callback(1, 4, 0, 0), 0);
    assert_int_equal(vcpu.pv.traps[2].address, 0);
    assert_int_equal(callback(1, 0, 0, 0), -XEN_EINVAL);
    assert_int_equal(callback(2, 0, 0, 0), -XEN_ENOSYS);
    assert_int_equal(fake_hypercall(30, 0, KVA(FRAME_HOLE), 0, 0, 0), -XEN_EFAULT);

    assert_int_equal(fake_hypercall(4, 0x10, 0x20, 0x30, 0, 0), 0);
    assert_int_equal(vcpu.pv.cb_event.address, 0x10);
    assert_int_equal(vcpu.pv.cb_failsafe.address, 0x20);
    assert_int_equal(vcpu.pv.cb_syscall.address, 0x30);
}

static void test_gdt(void **state)
{
    uint64_t frames[] = {FRAME_GDT, FRAME_GDT + 1, NR_FRAMES}, desc;

    ((uint64_t *)fake_at(KVA(FRAME_GDT)))[6] = 0xaf;
    ((uint64_t *)fake_at(KVA(FRAME_GDT + 1)))[0] = 0xbf;
    memcpy(fake_at(ARGS), frames, sizeof(frames));
    assert_int_equal(fake_hypercall(2, ARGS, 513, 0, 0, 0), 0);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x33, &desc), 0);
    assert_int_equal(desc, 0xaf);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x1000, &desc), 0);
    assert_int_equal(desc, 0xbf);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x1008, &desc), -1);
    assert_int_equal(pv_descriptor_read(&vcpu, 3, &desc), -1);
    assert_int_equal(fake_hypercall(2, ARGS, 1025, 0, 0, 0), -XEN_EINVAL); /* third frame */
    assert_int_equal(fake_hypercall(2, ARGS, 7169, 0, 0, 0), -XEN_EINVAL);
    assert_int_equal(fake_hypercall(2, KVA(FRAME_HOLE), 1, 0, 0, 0), -XEN_EFAULT);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x1000, &desc), 0); /* untouched by failures */

    assert_int_equal(pv_descriptor_read(&vcpu, 0xe033, &desc), 0);
    assert_int_equal(desc, 0x00affb000000ffff);
    assert_int_equal(pv_descriptor_read(&vcpu, 0xe02b, &desc), 0);
    assert_int_equal(pv_descriptor_read(&vcpu, 0xe023, &desc), 0);
    assert_int_equal(pv_descriptor_read(&vcpu, 0xe01b, &desc), -1);
    assert_int_equal(pv_descriptor_read(&vcpu, 0xfffb, &desc), -1);
    assert_int_equal(fake_hypercall(2, 0, 0, 0, 0, 0), 0);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x33, &desc), -1);
}

static int64_t update_descriptor(uint64_t desc)
{
    return fake_hypercall(10, FRAME_GDT * PAGE_SIZE + 48, desc, 0, 0, 0);
}

static void test_update_descriptor(void **state)
{
    gva_t at = KVA(FRAME_GDT) + 48;

    assert_int_equal(update_descriptor(0x00af9b000000ffff), 0);
    assert_int_equal(fake_word(at), 0x00affb000000ffff); /* DPL 3 */
    assert_int_equal(fake.written[FRAME_GDT], 1);
    assert_int_equal(update_descriptor(0x00af1b000000ffff), 0); /* not present: as it is */
    assert_int_equal(fake_word(at), 0x00af1b000000ffff);
    assert_int_equal(update_descriptor(0x0000890000000067), -XEN_EINVAL); /* TSS */
    assert_int_equal(update_descriptor(0x0000ec00e0330000), 0);
    assert_int_equal(fake_word(at), 0x00008c00e0330000); /* call gate: DPL 0 */
    assert_int_equal(fake_hypercall(10, FRAME_GDT * PAGE_SIZE + 4, 0, 0, 0, 0), -XEN_EINVAL);
    assert_int_equal(fake_hypercall(10, NR_FRAMES * PAGE_SIZE, 0, 0, 0, 0), -XEN_EINVAL);
}

static void test_segment_bases(void **state)
{
    uint64_t frame = FRAME_GDT;

    assert_int_equal(fake_hypercall(25, 0, 0x7f0000001000, 0, 0, 0), 0);
    assert_int_equal(vcpu.fs_base, 0x7f0000001000);
    assert_int_equal(fake_hypercall(25, 1, 0x1000, 0, 0, 0), 0);
    assert_int_equal(vcpu.gs_base_other, 0x1000);
    assert_int_equal(fake_hypercall(25, 2, 0x2000, 0, 0, 0), 0);
    assert_int_equal(vcpu.gs_base, 0x2000);
    assert_int_equal(fake_hypercall(25, 0, 1ull << 47, 0, 0, 0), -XEN_EINVAL);
    assert_int_equal(fake_hypercall(25, 4, 0, 0, 0, 0), -XEN_EINVAL);

    /* The user's %gs: a TLS segment with base 0x12345678, then nonsense. */
    ((uint64_t *)fake_at(KVA(FRAME_GDT)))[12] = 0x12cff3345678ffff;
    memcpy(fake_at(ARGS), &frame, 8);
    assert_int_equal(fake_hypercall(2, ARGS, 16, 0, 0, 0), 0);
    assert_int_equal(fake_hypercall(25, 3, 0x63, 0, 0, 0), 0);
    assert_int_equal(vcpu.gs, 0x63);
    assert_int_equal(vcpu.gs_base_other, 0x12345678);
    assert_int_equal(fake_hypercall(25, 3, 0x6b, 0, 0, 0), 0);
    assert_int_equal(vcpu.gs, 0);
    assert_int_equal(vcpu.gs_base_other, 0);
    assert_int_equal(fake_hypercall(3, 0x2b, KVA(9), 0, 0, 0), 0);
    assert_int_equal(vcpu.pv.kernel_sp, KVA(9));
}

static int64_t setdr(unsigned int reg, uint64_t val)
{
    return fake_hypercall(8, reg, val, 0, 0, 0);
}

static void test_debug_registers(void **state)
{
    assert_int_equal(fake_hypercall(9, 6, 0, 0, 0, 0), 0xffff0ff0);
    assert_int_equal(fake_hypercall(9, 7, 0, 0, 0, 0), 0x400);
    assert_int_equal(setdr(0, 0x401000), 0);
    assert_int_equal(fake_hypercall(9, 0, 0, 0, 0, 0), 0x401000);
    assert_int_equal(setdr(3, PV_HOLE_START), -XEN_EPERM);
    assert_int_equal(setdr(3, 1ull << 47), -XEN_EPERM);
    assert_int_equal(setdr(7, 1ull << 32), -XEN_EINVAL);
    assert_int_equal(setdr(6, 1ull << 32), -XEN_EINVAL);
    assert_int_equal(setdr(7, 0x2401), -XEN_EPERM);  /* GD */
    assert_int_equal(setdr(7, 0x20401), -XEN_EPERM); /* I/O without CR4.DE */
    assert_int_equal(setdr(5, 0xf0401), 0);          /* dr5 is dr7 */
    assert_int_equal(fake_hypercall(9, 7, 0, 0, 0, 0), 0xf0401);
    vcpu.cr4 = 8;
    assert_int_equal(setdr(7, 0x20401), 0);
    assert_int_equal(setdr(5, 0x401), -XEN_ENODEV);
    assert_int_equal(setdr(8, 0), -XEN_ENODEV);
    assert_int_equal(fake_hypercall(9, 99, 0, 0, 0, 0), -XEN_ENODEV);
    vcpu.cr4 = 0;
    assert_int_equal(setdr(4, 0xffff), 0);
    assert_int_equal(fake_hypercall(9, 6, 0, 0, 0, 0), 0xffffeffful);
}

static int64_t vcpu_op(unsigned int cmd, uint64_t a, uint64_t b)
{
    uint64_t arg[] = {a, b};

    memcpy(fake_at(ARGS), arg, sizeof(arg));
    return fake_hypercall(24, cmd, 0, ARGS, 0, 0);
}

/* A kernel asks for thousands of vCPUs at its start: nobody else is bothered. */
static void test_absent_vcpus(void **state)
{
    fake.have_evtchn = true;
    fake.domain_ret = 77;
    assert_int_equal(fake_hypercall(24, 3, 2, 0, 0, 0), -XEN_ENOENT);
    assert_int_equal(fake_hypercall(24, 3, ~0u, 0, 0, 0), -XEN_ENOENT);
    assert_int_equal(fake.domain_calls, 0);
    assert_int_equal(fake_hypercall(24, 3, 1, 0, 0, 0), 77);
    assert_int_equal(fake.domain_calls, 1);
}

static void test_periodic_timer(void **state)
{
    uint64_t start = fake.now;

    /* 100 Hz from the start. */
    assert_int_equal(fake.timer, start + 10 * MS);
    pv_timers_run(&vcpu);
    assert_int_equal(fake.timer_raises, 0);
    fake.now += 10 * MS;
    pv_timers_run(&vcpu);
    assert_int_equal(fake.timer_raises, 1);
    assert_int_equal(fake.timer, start + 20 * MS);
    fake.now += 35 * MS; /* three ticks late: one event */
    pv_timers_run(&vcpu);
    assert_int_equal(fake.timer_raises, 2);
    assert_int_equal(fake.timer, start + 50 * MS);
    assert_int_equal(vcpu_op(7, 0, 0), 0);
    assert_int_equal(fake.timer, 0);
    assert_int_equal(vcpu_op(6, MS - 1, 0), -XEN_EINVAL);
    assert_int_equal(vcpu_op(6, ~0ull, 0), -XEN_EINVAL);
    assert_int_equal(vcpu_op(6, MS, 0), 0);
    assert_int_equal(fake.timer, fake.now + MS);
}

static void test_singleshot_timer(void **state)
{
    vcpu_op(7, 0, 0);
    assert_int_equal(vcpu_op(8, fake.now + 5, 1), 0);
    assert_int_equal(fake.timer, fake.now + 5);
    assert_int_equal(vcpu_op(8, fake.now + 3, 0), 0); /* replaces */
    assert_int_equal(fake.timer, fake.now + 3);
    fake.now += 3;
    pv_timers_run(&vcpu);
    assert_int_equal(fake.timer_raises, 1);
    assert_int_equal(fake.timer, 0);
    assert_int_equal(vcpu_op(8, fake.now - 1, 1), 0); /* past: now, never -ETIME */
    assert_int_equal(fake.timer_raises, 2);
    assert_int_equal(vcpu_op(8, 0, 0), 0);
    assert_int_equal(fake.timer_raises, 3);
    vcpu_op(8, fake.now + 5, 0);
    assert_int_equal(vcpu_op(9, 0, 0), 0);
    assert_int_equal(fake.timer, 0);

    assert_int_equal(fake_hypercall(15, fake.now + 9, 0, 0, 0, 0), 0);
    assert_int_equal(fake.timer, fake.now + 9);
    assert_int_equal(fake_hypercall(15, 0, 0, 0, 0, 0), 0);
    assert_int_equal(fake.timer, 0);
    assert_int_equal(fake_hypercall(15, ~0ull, 0, 0, 0, 0), 0);
    assert_int_equal(fake.timer, fake.now + 100 * MS); /* an overflow, surely */
    assert_int_equal(fake.timer_raises, 3);
}

static void check_record(const struct vcpu_time_info *t)
{
    assert_int_equal(t->version & 1, 0);
    assert_int_not_equal(t->version, 0);
    assert_int_equal(t->tsc_timestamp, 0x123456789a);
    assert_int_equal(t->system_time, 77);
    assert_int_equal(t->tsc_to_system_mul, 0x80000001);
    assert_int_equal(t->tsc_shift, -1);
    assert_int_equal(t->flags, 1);
}

static void test_time_records(void **state)
{
    gva_t va = KVA(FRAME_DATA) + 0x20, straddle = KVA(FRAME_HOLE) - 16;
    uint64_t *l1 = fake_at(KVA(FRAME_L1)), saved;
    uint32_t version;

    check_record(&fake_info()->time);
    assert_int_equal(vcpu_op(13, va, 0), 0);
    check_record(fake_at(va));
    version = fake_info()->time.version;
    assert_int_equal(vcpu_op(14 + 1, FRAME_DATA * PAGE_SIZE + 0x80, 0), 0);
    check_record(fake_at(KVA(FRAME_DATA) + 0x80));
    assert_true(fake_info()->time.version > version);

    assert_int_equal(vcpu_op(15, FRAME_DATA * PAGE_SIZE + 0xff0, 0), -XEN_ENXIO);
    assert_int_equal(vcpu_op(15, FRAME_DATA * PAGE_SIZE + 4, 0), -XEN_ENXIO);
    assert_int_equal(vcpu_op(15, NR_FRAMES * PAGE_SIZE, 0), -XEN_EINVAL);
    assert_int_equal(vcpu_op(15, ~0ull, 0), 0);

    /* Not mapped: skipped, and written when it is. */
    assert_int_equal(vcpu_op(13, straddle, 0), 0);
    saved = l1[FRAME_HOLE];
    l1[FRAME_HOLE] = FRAME_HOLE * PAGE_SIZE | 3;
    pv_timers_run(&vcpu);
    check_record(fake_at(straddle));
    l1[FRAME_HOLE] = saved;
}

static void test_vcpu_info_moves(void **state)
{
    struct vcpu_info *moved = env_frame(FRAME_DATA);

    vcpu.pv.vcpu_info = FRAME_DATA * PAGE_SIZE; /* as the engine does meanwhile */
    assert_int_equal(vcpu_op(10, FRAME_DATA, 0), 0);
    assert_int_equal(fake.domain_nr, 24);
    check_record(&moved->time);
    moved->evtchn_upcall_pending = 1;
    assert_true(pv_event_due(&vcpu));
}

static uint64_t total(const struct vcpu_runstate_info *r)
{
    return r->time[0] + r->time[1] + r->time[2] + r->time[3];
}

static void test_runstate(void **state)
{
    struct vcpu_runstate_info *va = fake_at(KVA(FRAME_DATA)), *pa = fake_at(KVA(FRAME_DATA) + 64);
    struct vcpu_runstate_info r;
    uint64_t start = fake.now;

    assert_int_equal(vcpu_op(5, KVA(FRAME_DATA), 0), 0);
    assert_int_equal(va->state, RUNSTATE_running);
    assert_int_equal(va->state_entry_time, start);
    assert_int_equal(total(va), start); /* sums to system time */
    assert_int_equal(vcpu_op(14, FRAME_DATA * PAGE_SIZE + 64, 0), 0);
    assert_int_equal(fake_hypercall(21, 0, 5, 0, 0, 0), 0);

    fake.now += 100;
    pv_runstate_change(&vcpu, RUNSTATE_blocked);
    fake.now += 1000;
    pv_runstate_change(&vcpu, RUNSTATE_running);
    assert_int_equal(va->time[RUNSTATE_running], 100);
    assert_int_equal(va->time[RUNSTATE_blocked], 1000);
    assert_int_equal(va->state_entry_time, start + 1100); /* no update flag left */
    assert_int_equal(total(va), fake.now);
    assert_memory_equal(va, pa, sizeof(*va));

    fake.now += 10;
    assert_int_equal(fake_hypercall(24, 4, 0, KVA(FRAME_DATA) + 256, 0, 0), 0);
    memcpy(&r, fake_at(KVA(FRAME_DATA) + 256), sizeof(r));
    assert_int_equal(r.time[RUNSTATE_running], 110);
    assert_int_equal(total(&r), fake.now);
    assert_int_equal(fake_hypercall(24, 4, 0, KVA(FRAME_HOLE), 0, 0), -XEN_EFAULT);
    assert_int_equal(vcpu_op(14, FRAME_DATA * PAGE_SIZE + 0xfd8, 0), -XEN_ENXIO);
    assert_int_equal(vcpu_op(5, KVA(FRAME_HOLE), 0), 0); /* skipped while unmapped */
}

static void test_vcpu_op_others(void **state)
{
    fake.domain_ret = -XEN_ENOENT;
    assert_int_equal(fake_hypercall(24, 3, 1, 0, 0, 0), -XEN_ENOENT);
    assert_int_equal(fake_hypercall(24, 0, 0, ARGS, 0, 0), -XEN_ENOENT);
    assert_int_equal(fake.domain_calls, 2);
    assert_int_equal(fake_hypercall(24, 3, 0, 0, 0, 0), 1);
    assert_int_equal(fake.domain_calls, 2);
}

static void pend(struct vcpu *v)
{
    assert_int_equal(v->pv.runstate, RUNSTATE_blocked);
    fake_info()->evtchn_upcall_pending = 1;
}

static void test_block(void **state)
{
    fake_info()->evtchn_upcall_mask = 1;
    fake.on_wait = pend;
    assert_int_equal(fake_hypercall(29, 1, 0, 0, 0, 0), 0);
    assert_int_equal(fake.waits, 1);
    assert_int_equal(fake.wait_deadline, fake.now + 10 * MS);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 0);
    assert_int_equal(vcpu.pv.runstate, RUNSTATE_running);
    assert_true(pv_event_due(&vcpu));
    fake_info()->evtchn_upcall_mask = 1;
    assert_int_equal(fake_hypercall(6, 1, 0, 0, 0, 0), 0); /* pending: no sleep */
    assert_int_equal(fake.waits, 1);
}

static void expire(struct vcpu *v)
{
    fake.now = fake.wait_deadline;
    pend(v);
}

static void test_block_until_timer(void **state)
{
    fake.on_wait = expire;
    vcpu_op(7, 0, 0);
    vcpu_op(8, fake.now + 50, 0);
    assert_int_equal(fake_hypercall(29, 1, 0, 0, 0, 0), 0);
    assert_int_equal(fake.wait_deadline, fake.now);
    assert_int_equal(fake.timer_raises, 1);
    assert_int_equal(vcpu.pv.runstate_time[RUNSTATE_blocked], 50);
}

static int64_t poll(unsigned int nr, uint64_t timeout)
{
    uint64_t arg[] = {ARGS + 0x100, nr, timeout};

    memcpy(fake_at(ARGS), arg, sizeof(arg));
    return fake_hypercall(29, 3, ARGS, 0, 0, 0);
}

static void check_polling(struct vcpu *v)
{
    assert_int_equal(fake.sh.polling, 1);
    if (fake.wait_deadline)
        fake.now = fake.wait_deadline;
}

/* As a raise of a port does. */
static void wake_poller(struct vcpu *v)
{
    fake.sh.polling = 0;
}

static void test_poll(void **state)
{
    uint32_t port = 4096;

    fake.have_evtchn = true;
    fake.on_wait = check_polling;
    fake_info()->evtchn_upcall_mask = 1;
    /* Only a timeout: our own periodic timer does not end it. */
    assert_int_equal(poll(0, fake.now + 35 * MS), 0);
    assert_int_equal(fake.waits, 4);
    assert_int_equal(fake.timer_raises, 3);
    assert_int_equal(fake.now, 1000000000 + 35 * MS);
    assert_int_equal(fake.sh.polling, 0);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 1);
    assert_int_equal(vcpu.pv.runstate, RUNSTATE_running);

    assert_int_equal(poll(0, fake.now - 1), 0); /* past */
    assert_int_equal(fake.waits, 4);
    vcpu_op(7, 0, 0);
    fake.on_wait = wake_poller;
    assert_int_equal(poll(0, 0), 0);
    assert_int_equal(fake.waits, 5);

    memcpy(fake_at(ARGS + 0x100), &port, 4);
    assert_int_equal(poll(1, 0), -XEN_EINVAL);
    assert_int_equal(poll(129, 0), -XEN_EINVAL);
    assert_int_equal(fake_hypercall(29, 3, KVA(FRAME_HOLE), 0, 0, 0), -XEN_EFAULT);
    assert_int_equal(fake.domain_calls, 0);
}

/* The engine is wanted meanwhile: the call is executed again, and is over once an event is
 * delivered. */
static void test_interrupted_waits(void **state)
{
    static const unsigned int commands[] = {1, 3};
    uint64_t arg[] = {ARGS + 0x100, 0, fake.now + 35 * MS};

    fake.have_evtchn = true;
    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        uint64_t rsp = KVA(FRAME_DATA) + 0x800;

        memcpy(fake_at(ARGS), arg, sizeof(arg));
        fake_info()->evtchn_upcall_mask = fake_info()->evtchn_upcall_pending = 0;
        fake.kicked = true;
        vcpu.gpr[RAX] = 29;
        vcpu.gpr[RDI] = commands[i];
        vcpu.gpr[RSI] = ARGS;
        vcpu.gpr[RSP] = rsp;
        vcpu.rip = TEXT + 2;
        pv_hypercall(&vcpu);
        assert_int_equal(fake.waits, 0);
        assert_int_equal(fake.sh.polling, 0);
        assert_int_equal(vcpu.rip, TEXT);
        assert_int_equal(vcpu.gpr[RAX], 29);
        vcpu.pv.cb_event.address = TEXT + 0x100;
        fake_info()->evtchn_upcall_pending = 1;
        pv_deliver_event(&vcpu);
        assert_int_equal(vcpu.rip, TEXT + 0x100);
        assert_int_equal(vcpu.gpr[RAX], 0);
        assert_int_equal(((uint64_t *)fake_at(rsp - 40))[0], TEXT + 2);
        fake_info()->evtchn_upcall_mask = 0;
        vcpu.rip = TEXT + 0x50; /* and this happens once */
        pv_deliver_event(&vcpu);
        assert_int_equal(((uint64_t *)fake_at(vcpu.gpr[RSP] + 16))[0], TEXT + 0x50);
    }
}

static void test_sched_rest(void **state)
{
    assert_int_equal(fake_hypercall(29, 0, 0, 0, 0, 0), 0);
    assert_int_equal(fake.relaxes, 1);
    fake.domain_ret = -XEN_EINVAL;
    assert_int_equal(fake_hypercall(29, 2, ARGS, 0x33, 0, 0), -XEN_EINVAL);
    assert_int_equal(fake.domain_args[2], 0x33);
    assert_int_equal(fake.domain_nr, 29);
    assert_int_equal(fake_hypercall(6, 2, 1, 0, 0, 0), -XEN_EINVAL);
    assert_int_equal(fake.domain_nr, 6);
}

static void set_port(port_t port, enum evtchn_kind kind, unsigned int notify)
{
    fake.sh.port[port].kind = kind;
    fake.sh.port[port].vcpu = notify;
}

static int64_t event_op(unsigned int cmd, uint32_t port)
{
    memcpy(fake_at(ARGS), &port, sizeof(port));
    return fake_hypercall(32, cmd, ARGS, 0, 0, 0);
}

static void test_own_event_channels(void **state)
{
    fake.domain_ret = -XEN_EPERM; /* so that we see who answered */
    set_port(5, EVTCHN_IPI, 0);
    set_port(6, EVTCHN_IPI, 1);
    set_port(7, EVTCHN_INTERDOMAIN, 0);
    assert_int_equal(event_op(4, 5), -XEN_EPERM); /* no shared state: not here */
    fake.have_evtchn = true;
    assert_int_equal(event_op(4, 5), 0);
    assert_int_equal(event_op(9, 5), 0);
    assert_int_equal(event_op(9, 7), 0);
    assert_int_equal(fake.kicks[1], 0);
    fake.sh.vcpu_info[1] = FRAME_INFO * PAGE_SIZE + 128;
    fake.sh.shared_info = FRAME_SHARED;
    assert_int_equal(event_op(4, 6), 0);
    assert_int_equal(fake.kicks[1], 1);
    assert_int_equal(event_op(4, 6), 0); /* is pending already */
    assert_int_equal(fake.kicks[1], 1);
    assert_int_equal(event_op(9, 6), 0);
    fake.sh.polling = 1 << 2 | 1 << 3 | 1ull << 40;
    fake.sh.poll_port[2] = 6;
    fake.sh.poll_port[3] = 5;
    fake.sh.poll_port[40 % EVTCHN_MAX_VCPUS] = 7; /* there is no such vCPU */
    assert_int_equal(event_op(4, 6), 0);
    assert_int_equal(fake.kicks[2], 1);
    assert_int_equal(fake.kicks[3], 0);
    assert_int_equal(event_op(4, 7), -XEN_EPERM); /* the peer is the domain's business */
    assert_int_equal(event_op(9, 8), -XEN_EPERM); /* free */
    assert_int_equal(event_op(9, 0), -XEN_EPERM);
    assert_int_equal(event_op(9, 0xffffffff), -XEN_EPERM);
    assert_int_equal(event_op(3, 5), -XEN_EPERM);
    assert_int_equal(fake_hypercall(32, 9, KVA(FRAME_HOLE), 0, 0, 0), -XEN_EPERM);
}

static void test_small_calls(void **state)
{
    uint32_t iopl = 1;

    struct {
        uint64_t bitmap;
        uint32_t ports;
    } io = {0x5000, 65536};

    assert_int_equal(fake_hypercall(5, 1, 0, 0, 0, 0), 0);
    assert_true(vcpu.cr0_ts);
    memcpy(fake_at(ARGS), &iopl, 4);
    assert_int_equal(fake_hypercall(33, 6, ARGS, 0, 0, 0), 0);
    assert_int_equal(vcpu.pv.iopl, 1);
    iopl = 4;
    memcpy(fake_at(ARGS), &iopl, 4);
    assert_int_equal(fake_hypercall(33, 6, ARGS, 0, 0, 0), -XEN_EINVAL);
    memcpy(fake_at(ARGS), &io, sizeof(io));
    assert_int_equal(fake_hypercall(33, 7, ARGS, 0, 0, 0), 0);
    assert_int_equal(vcpu.pv.iobitmap_ports, 65536);
    io.ports++;
    memcpy(fake_at(ARGS), &io, sizeof(io));
    assert_int_equal(fake_hypercall(33, 7, ARGS, 0, 0, 0), -XEN_EINVAL);

    assert_int_equal(fake_hypercall(21, 0, 32, 0, 0, 0), 0);
    assert_int_equal(vcpu.pv.vm_assist, 1u << 31);
    assert_int_equal(fake_hypercall(21, 1, 32, 0, 0, 0), 0);
    assert_int_equal(vcpu.pv.vm_assist, 0);
    assert_int_equal(fake_hypercall(21, 0, 6, 0, 0, 0), -XEN_EINVAL);
    assert_int_equal(fake_hypercall(21, 0, 31, 0, 0, 0), -XEN_EINVAL);
    assert_int_equal(fake_hypercall(21, 2, 1, 0, 0, 0), -XEN_ENOSYS);
    assert_int_equal(fake_hypercall(28, 0, 0, 0, 0, 0), -XEN_EINVAL);
}

static void test_init_keeps_what_was_given(void **state)
{
    memset(&vcpu.pv, 0, sizeof(vcpu.pv));
    vcpu.pv.vcpu_info = FRAME_INFO * PAGE_SIZE;
    vcpu.pv.kernel_sp = 0x5000;
    vcpu.pv.gdt_frames[0] = FRAME_GDT;
    vcpu.pv.gdt_entries = 16;
    vcpu.pv.traps[14].address = HANDLER;
    vcpu.dr[7] = 0x401;
    pv_init(&vcpu);
    assert_int_equal(vcpu.pv.kernel_sp, 0x5000);
    assert_int_equal(vcpu.pv.gdt_frames[0], FRAME_GDT);
    assert_true(vcpu.pv.gdt_frames[1] == INVALID_MFN);
    assert_int_equal(vcpu.pv.traps[14].address, HANDLER);
    assert_int_equal(vcpu.dr[7], 0x401);
    check_record(&((struct vcpu_info *)env_frame(FRAME_INFO))->time);
}

#define T(f) cmocka_unit_test_setup(f, fake_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_trap_table),
        T(test_trap_table_at_edge_of_memory),
        T(test_callbacks),
        T(test_gdt),
        T(test_update_descriptor),
        T(test_segment_bases),
        T(test_debug_registers),
        T(test_absent_vcpus),
        T(test_periodic_timer),
        T(test_singleshot_timer),
        T(test_time_records),
        T(test_vcpu_info_moves),
        T(test_runstate),
        T(test_vcpu_op_others),
        T(test_block),
        T(test_block_until_timer),
        T(test_poll),
        T(test_interrupted_waits),
        T(test_sched_rest),
        T(test_own_event_channels),
        T(test_small_calls),
        T(test_init_keeps_what_was_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
