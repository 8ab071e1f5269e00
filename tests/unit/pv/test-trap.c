/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-trap.c - bounce frames, event and system-call entries, and the iret hypercall.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_env.h"

#include "cpu/pv/pv.h"

static void set_trap(unsigned int vec, gva_t handler, uint8_t flags)
{
    vcpu.pv.traps[vec] = (struct pv_trap){.address = handler, .flags = flags};
}

/* The n words from rsp up. */
static void check_frame(const uint64_t *want, unsigned int n)
{
    unsigned int i;

    for (i = 0; i < n; i++)
        assert_int_equal(fake_word(vcpu.gpr[RSP] + 8 * i), want[i]);
}

static void check_entered(gva_t handler)
{
    assert_int_equal(vcpu.rip, handler);
    assert_int_equal(vcpu.cs, FLAT_KERNEL_CS);
    assert_int_equal(vcpu.ss, FLAT_KERNEL_SS);
    assert_false(vcpu.user_mode);
}

static void test_kernel_fault_without_error(void **state)
{
    struct fault f = {.vector = VEC_UD};
    gva_t old_sp = KVA(FRAME_STACK) + 0x7fd; /* not aligned */
    uint64_t want[] = {0xcccc, 0x1b1b, TEXT, 0xe030, 0x202 | EFLAGS_CF, old_sp, 0xe02b};

    vcpu.gpr[RSP] = old_sp;
    vcpu.gpr[RCX] = 0xcccc;
    vcpu.gpr[R11] = 0x1b1b;
    vcpu.rflags |= EFLAGS_CF;
    set_trap(VEC_UD, HANDLER, 0);
    pv_inject(&vcpu, &f);

    check_entered(HANDLER);
    assert_int_equal(vcpu.gpr[RSP], (old_sp & ~15ull) - 56);
    check_frame(want, 7);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 0);
    /* Same mode: bases stay. */
    assert_int_equal(vcpu.gs_base, 0x1111);
}

static void test_kernel_fault_with_error(void **state)
{
    struct fault f = {.vector = VEC_GP, .has_error = true, .error = 0x402};
    gva_t old_sp = vcpu.gpr[RSP];
    uint64_t want[] = {0, 0, 0x402, TEXT, 0xe030 | 1ull << 32, 0x2, old_sp, 0xe02b};

    fake_info()->evtchn_upcall_mask = 1; /* shows in cs' byte 4 and in IF */
    set_trap(VEC_GP, HANDLER, 4);
    pv_inject(&vcpu, &f);
    check_entered(HANDLER);
    assert_int_equal(vcpu.gpr[RSP], old_sp - 64);
    check_frame(want, 8);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 1);
}

static void test_user_page_fault(void **state)
{
    struct fault f = {.vector = VEC_PF, .has_error = true, .error = PF_W | PF_P, .cr2 = 0xdead0};
    uint64_t want[] = {0, 0, PF_P | PF_W | PF_U, USER_TEXT, 0x33, 0x202, 0x7ffd12345678, 0x2b};

    set_trap(VEC_PF, HANDLER, 4);
    fake_enter_user();
    pv_inject(&vcpu, &f);
    check_entered(HANDLER);
    assert_int_equal(vcpu.gpr[RSP], KVA(FRAME_USTACK) + 0x400 - 64);
    check_frame(want, 8);
    assert_int_equal(vcpu.gs_base, 0x1111);
    assert_int_equal(vcpu.gs_base_other, 0x2222);
    assert_int_equal(fake_info()->arch.cr2, 0xdead0);
    assert_int_equal(vcpu.cr2, 0xdead0);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 1); /* flags bit 2 */
}

static void test_page_fault_user_bit_is_recomputed(void **state)
{
    struct fault f = {.vector = VEC_PF, .has_error = true, .error = PF_U | PF_W};

    set_trap(VEC_PF, HANDLER, 0);
    pv_inject(&vcpu, &f);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 16), PF_W);
}

static void test_entry_clears_flags(void **state)
{
    struct fault f = {.vector = VEC_DB};

    set_trap(VEC_DB, HANDLER, 0);
    vcpu.rflags |= EFLAGS_TF | EFLAGS_NT | EFLAGS_AC | EFLAGS_RF | EFLAGS_DF | EFLAGS_IOPL;
    pv_inject(&vcpu, &f);
    assert_int_equal(vcpu.rflags, EFLAGS_IF | EFLAGS_DF | 2);
    /* The frame shows them, but for the real IOPL. */
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 32),
                     EFLAGS_TF | EFLAGS_NT | EFLAGS_AC | EFLAGS_RF | EFLAGS_DF | EFLAGS_IF | 2);
}

static void test_architectural_iopl(void **state)
{
    struct fault f = {.vector = VEC_UD};

    set_trap(VEC_UD, HANDLER, 0);
    vcpu.pv.vm_assist = 1u << VMASST_TYPE_architectural_iopl;
    vcpu.pv.iopl = 1;
    pv_inject(&vcpu, &f);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 32), 0x1202);
}

static void test_device_not_available_clears_ts(void **state)
{
    struct fault f = {.vector = VEC_NM};

    set_trap(VEC_NM, HANDLER, 0);
    vcpu.cr0_ts = true;
    pv_inject(&vcpu, &f);
    assert_false(vcpu.cr0_ts);
}

static void test_crashes(void **state)
{
    struct fault f = {.vector = VEC_UD};

    assert_crashes(pv_inject(&vcpu, &f), "no handler for exception 6");
    set_trap(VEC_UD, HANDLER, 0);
    vcpu.gpr[RSP] = KVA(FRAME_HOLE) + 0x100;
    assert_crashes(pv_inject(&vcpu, &f), "cannot be written");
    vcpu.gpr[RSP] = KVA(FRAME_RO) + 0x100;
    assert_crashes(pv_inject(&vcpu, &f), "cannot be written");
    vcpu.gpr[RSP] = 0x8000000000000100;
    assert_crashes(pv_inject(&vcpu, &f), "cannot be written");
    fake_info()->evtchn_upcall_pending = 1;
    assert_crashes(pv_deliver_event(&vcpu), "no event callback");
    vcpu.pv.vcpu_info = NR_FRAMES * PAGE_SIZE;
    assert_false(pv_event_due(&vcpu));
    assert_crashes(pv_inject(&vcpu, &f), "vcpu_info");
}

static void test_event_upcall(void **state)
{
    uint64_t want[] = {0, 0, USER_TEXT, 0x33, 0x202, 0x7ffd12345678, 0x2b};

    vcpu.pv.cb_event = (struct pv_callback){.address = HANDLER};
    assert_false(pv_event_due(&vcpu));
    fake_info()->evtchn_upcall_pending = 1;
    assert_true(pv_event_due(&vcpu));
    fake_info()->evtchn_upcall_mask = 1;
    assert_false(pv_event_due(&vcpu));
    fake_info()->evtchn_upcall_mask = 0;

    fake_enter_user();
    pv_deliver_event(&vcpu);
    check_entered(HANDLER);
    check_frame(want, 7);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 1);
    assert_int_equal(fake_info()->evtchn_upcall_pending, 1); /* the guest's to clear */
    assert_false(pv_event_due(&vcpu));
}

static void test_nmi_once_until_iret(void **state)
{
    gva_t sp;

    fake_info()->evtchn_upcall_mask = 1;
    assert_int_equal(fake_hypercall(24, 11, 0, 0, 0, 0), 0);
    assert_true(pv_event_due(&vcpu));
    pv_deliver_event(&vcpu); /* no handler: dropped */
    assert_int_equal(vcpu.rip, TEXT + 2);
    assert_false(pv_event_due(&vcpu));

    set_trap(VEC_NMI, HANDLER, 4);
    vcpu.pv.nmi_pending = true;
    pv_deliver_event(&vcpu);
    check_entered(HANDLER);
    vcpu.pv.nmi_pending = true;
    assert_false(pv_event_due(&vcpu)); /* masked */
    sp = vcpu.gpr[RSP];
    memset(fake_at(sp - 0x100), 0, 0x100);
    *(uint64_t *)fake_at(sp - 0x100 + 40) = 0xe030; /* cs */
    *(uint64_t *)fake_at(sp - 0x100 + 64) = 0xe02b; /* ss */
    vcpu.gpr[RSP] = sp - 0x100;
    fake_hypercall(23, 0, 0, 0, 0, 0);
    assert_true(pv_event_due(&vcpu));
}

static void test_software_int(void **state)
{
    struct fault f;

    set_trap(0x80, HANDLER, 3);
    set_trap(0x20, HANDLER, 1);
    set_trap(0x21, HANDLER, 0);
    pv_software_int(&vcpu, 0x20, 2, &f);
    assert_int_equal(f.vector, 0x20);
    assert_int_equal(vcpu.rip, TEXT + 2);
    vcpu.rip = TEXT;
    pv_software_int(&vcpu, 0x21, 2, &f); /* the kernel counts as ring 1 */
    assert_int_equal(f.vector, VEC_GP);
    assert_int_equal(f.error, 0x21 * 8 + 2);
    assert_int_equal(vcpu.rip, TEXT);

    fake_enter_user();
    pv_software_int(&vcpu, 0x20, 2, &f);
    assert_int_equal(f.vector, VEC_GP);
    pv_software_int(&vcpu, 0x80, 2, &f);
    assert_int_equal(f.vector, 0x80);
    assert_false(f.has_error);
    assert_int_equal(vcpu.rip, USER_TEXT + 2);
    set_trap(0x80, 0, 3);
    pv_software_int(&vcpu, 0x80, 2, &f);
    assert_int_equal(f.vector, VEC_GP);
    assert_int_equal(f.error, 0x402);
}

static void test_user_syscall(void **state)
{
    uint64_t want[] = {USER_TEXT + 2, 0x602, USER_TEXT + 2, 0xe033, 0x602, 0x7ffd12345678, 0xe02b};

    vcpu.pv.cb_syscall = (struct pv_callback){.address = HANDLER, .mask_events = true};
    fake_enter_user();
    vcpu.rip = USER_TEXT + 2;
    vcpu.rflags = 0x602;
    pv_user_syscall(&vcpu);
    check_entered(HANDLER);
    check_frame(want, 7);
    assert_int_equal(vcpu.rflags, 0x202); /* DF cleared */
    assert_int_equal(fake_info()->evtchn_upcall_mask, 1);
}

static void test_syscall_without_callback(void **state)
{
    set_trap(VEC_UD, HANDLER, 0);
    set_trap(VEC_GP, HANDLER + 1, 0);
    fake_enter_user();
    vcpu.rip = USER_TEXT + 2;
    pv_user_syscall(&vcpu);
    check_entered(HANDLER);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 16), USER_TEXT);

    fake_enter_user();
    vcpu.rip = USER_TEXT + 2;
    pv_user_sysenter(&vcpu);
    check_entered(HANDLER + 1);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 16), 0);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 24), USER_TEXT);
}

static void test_compat_syscalls(void **state)
{
    uint64_t want[] = {0, 0, 0, 3, 0x202, 0, 0xe02b};

    vcpu.pv.cb_syscall32.address = HANDLER;
    vcpu.pv.cb_sysenter.address = HANDLER + 16;
    fake_enter_user();
    pv_user_syscall32(&vcpu);
    check_entered(HANDLER);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 24), 0xe023);
    vcpu.gpr[RCX] = vcpu.gpr[R11] = 0;
    fake_enter_user();
    pv_user_sysenter(&vcpu);
    check_entered(HANDLER + 16);
    check_frame(want, 7);
}

/* iret: rax r11 rcx flags rip cs rflags rsp ss */
static int64_t iret(const uint64_t frame[9])
{
    vcpu.gpr[RSP] = KVA(FRAME_STACK) + 0x100;
    memcpy(fake_at(vcpu.gpr[RSP]), frame, 72);
    return fake_hypercall(23, 0, 0, 0, 0, 0);
}

static void test_iret_to_user(void **state)
{
    uint64_t frame[] = {
        0xaaa,      0xbbb, 0xccc, 0, USER_TEXT, 0xe033, 0x3202 | EFLAGS_VM | EFLAGS_CF,
        0x7ffd0000, 0xe02b};

    fake_info()->evtchn_upcall_mask = 1;
    iret(frame);
    assert_true(vcpu.user_mode);
    assert_int_equal(vcpu.gpr[RAX], 0xaaa);
    assert_int_equal(vcpu.gpr[R11], 0xbbb);
    assert_int_equal(vcpu.gpr[RCX], 0xccc);
    assert_int_equal(vcpu.rip, USER_TEXT);
    assert_int_equal(vcpu.cs, 0xe033);
    assert_int_equal(vcpu.ss, 0xe02b);
    assert_int_equal(vcpu.gpr[RSP], 0x7ffd0000);
    assert_int_equal(vcpu.rflags, 0x203); /* no IOPL, no VM */
    assert_int_equal(vcpu.gs_base, 0x2222);
    assert_int_equal(vcpu.gs_base_other, 0x1111);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 0);
}

static void test_iret_to_kernel(void **state)
{
    gva_t sp = KVA(FRAME_STACK) + 0x333;
    uint64_t frame[] = {1, 2, 3, 0, TEXT + 64, 0xe030, 0x2, sp, 0xe02b};

    iret(frame);
    assert_false(vcpu.user_mode);
    assert_int_equal(vcpu.rip, TEXT + 64);
    assert_int_equal(vcpu.gpr[RSP], sp);
    assert_int_equal(vcpu.cs, 0xe033);
    assert_int_equal(vcpu.rflags, EFLAGS_IF | 2); /* real IF stays on */
    assert_int_equal(fake_info()->evtchn_upcall_mask, 1);
    assert_int_equal(vcpu.gs_base, 0x1111);
}

static void test_iret_in_syscall(void **state)
{
    uint64_t frame[] = {1, 2, 3, 0x100, USER_TEXT, 0x33, 0x246, 0x7000, 0x2b};

    iret(frame);
    assert_int_equal(vcpu.gpr[R11], 0x246);
    assert_int_equal(vcpu.gpr[RCX], USER_TEXT);
    assert_int_equal(vcpu.cs, 0xe033);
    assert_int_equal(vcpu.ss, 0xe02b);
    fake_setup(NULL);
    frame[5] = 0xe023;
    iret(frame);
    assert_int_equal(vcpu.cs, 0xe023);
}

static void test_iret_bad_selector(void **state)
{
    uint64_t frame[] = {7, 2, 3, 0, USER_TEXT, 0x33, 0x202, 0x7000, 0xe02b};

    set_trap(VEC_GP, HANDLER, 0);
    iret(frame); /* no GDT: 0x33 is nothing */
    check_entered(HANDLER);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 16), 0x30);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 24), USER_TEXT);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 32), 0x33);
    assert_int_equal(vcpu.gpr[RAX], 7);

    fake_setup(NULL);
    set_trap(VEC_GP, HANDLER, 0);
    frame[5] = 0xe033;
    frame[8] = 0xe033; /* code as stack */
    iret(frame);
    check_entered(HANDLER);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 16), 0xe030);
}

/* Back into the kernel, with cs, ss and descriptor 3 (selector 0x18) as given. */
static void iret_kernel(uint64_t cs, uint64_t ss, uint64_t desc)
{
    uint64_t frame[] = {7, 2, 3, 0, TEXT + 9, cs, 0x202, KVA(FRAME_STACK) + 0x800, ss};

    fake_setup(NULL);
    set_trap(VEC_GP, HANDLER, 0);
    set_trap(VEC_NP, HANDLER + 16, 0);
    set_trap(VEC_SS, HANDLER + 32, 0);
    vcpu.pv.gdt_frames[0] = FRAME_GDT;
    vcpu.pv.gdt_entries = 16;
    ((uint64_t *)fake.ram[FRAME_GDT])[3] = desc;
    iret(frame);
    assert_false(vcpu.user_mode);
}

static void test_iret_kernel_selectors(void **state)
{
    static const uint64_t code64 = 0x00af9b000000ffff, code32 = 0x00cf9b000000ffff,
                          data = 0x00cf93000000ffff, present = 1ull << 47;

    iret_kernel(0xe030, 0xe02b, 0);
    assert_int_equal(vcpu.rip, TEXT + 9);
    iret_kernel(0xe030, 0x18, data); /* its own, DPL 0: Xen had made that 3 */
    assert_int_equal(vcpu.rip, TEXT + 9);
    iret_kernel(0x18, 0xe02b, code64);
    assert_int_equal(vcpu.rip, TEXT + 9);
    iret_kernel(0x18, 0xe02b, code64 & ~present);
    check_entered(HANDLER + 16);
    iret_kernel(0x18, 0xe02b, code32);
    check_entered(HANDLER);
    iret_kernel(0x18, 0xe02b, data);
    check_entered(HANDLER);
    iret_kernel(0xe028, 0xe02b, 0); /* data as code */
    check_entered(HANDLER);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 16), 0xe028);
    assert_int_equal(fake_word(vcpu.gpr[RSP] + 24), TEXT + 9);
    iret_kernel(0xfffc, 0xe02b, 0); /* no LDT */
    check_entered(HANDLER);
    iret_kernel(0xe030, 0x18, data & ~present);
    check_entered(HANDLER + 32);
    iret_kernel(0xe030, 0, 0);
    check_entered(HANDLER);
}

/* No value of rax may pass for a result that means something to the dispatcher: repeat the
 * call, registers are set, and so on. */
static void test_iret_any_rax(void **state)
{
    static const uint64_t values[] = {1ull << 63, (1ull << 63) + 1, ~0ull >> 1, ~0ull, 0};

    for (unsigned int user = 0; user < 2; user++)
        for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
            uint64_t frame[] = {values[i], 2,
                                3,         0,
                                TEXT + 9,  user ? 0xe033 : 0xe030,
                                0x202,     KVA(FRAME_STACK) + 0x800,
                                0xe02b};

            fake_setup(NULL);
            iret(frame);
            assert_int_equal(fake_continued, 0);
            assert_int_equal(vcpu.rip, TEXT + 9);
            assert_true(vcpu.gpr[RAX] == values[i]);
            assert_int_equal(vcpu.gpr[RCX], 3);
            assert_int_equal(vcpu.user_mode, user);
        }
}

static void test_iret_crashes(void **state)
{
    uint64_t frame[] = {7, 2, 3, 0, USER_TEXT, 0xe033, 0x202, 0x7000, 0xe02b};

    vcpu.gpr[RSP] = KVA(FRAME_HOLE) - 8;
    assert_crashes(fake_hypercall(23, 0, 0, 0, 0, 0), "cannot be read");
    vcpu.cr3_user = INVALID_MFN;
    assert_crashes(iret(frame), "without a user page table");
}

static void test_iret_undoes_bounce(void **state)
{
    struct vcpu before;
    uint64_t w[9];

    vcpu.pv.cb_event = (struct pv_callback){.address = HANDLER};
    fake_enter_user();
    vcpu.cs = 0xe033;
    vcpu.ss = 0xe02b;
    vcpu.gpr[RCX] = 5;
    vcpu.gpr[R11] = 6;
    vcpu.gpr[RAX] = 7;
    before = vcpu;
    pv_deliver_event(&vcpu);
    w[0] = 7;
    w[1] = fake_word(vcpu.gpr[RSP] + 8);
    w[2] = fake_word(vcpu.gpr[RSP]);
    w[3] = 0;
    memcpy(&w[4], fake_at(vcpu.gpr[RSP] + 16), 40);
    iret(w);
    assert_memory_equal(vcpu.gpr, before.gpr, sizeof(vcpu.gpr) - 0);
    assert_int_equal(vcpu.rip, before.rip);
    assert_int_equal(vcpu.rflags, before.rflags);
    assert_int_equal(vcpu.gs_base, before.gs_base);
    assert_int_equal(fake_info()->evtchn_upcall_mask, 0);
}

#define T(f) cmocka_unit_test_setup(f, fake_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_kernel_fault_without_error),
        T(test_kernel_fault_with_error),
        T(test_user_page_fault),
        T(test_page_fault_user_bit_is_recomputed),
        T(test_entry_clears_flags),
        T(test_architectural_iopl),
        T(test_device_not_available_clears_ts),
        T(test_crashes),
        T(test_event_upcall),
        T(test_nmi_once_until_iret),
        T(test_software_int),
        T(test_user_syscall),
        T(test_syscall_without_callback),
        T(test_compat_syscalls),
        T(test_iret_to_user),
        T(test_iret_to_kernel),
        T(test_iret_in_syscall),
        T(test_iret_bad_selector),
        T(test_iret_kernel_selectors),
        T(test_iret_any_rax),
        T(test_iret_crashes),
        T(test_iret_undoes_bounce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
