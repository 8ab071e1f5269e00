/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * callbacks - claim: callback_op knows the types event, failsafe, syscall, NMI, sysenter and
 * syscall32 and no other; refuses addresses that are not canonical; unregisters NMI alone.
 * Event and NMI handlers start with upcalls masked, the system call's if it asked for it, and
 * with DF clear. set_callbacks sets three at once. An NMI comes by trap 2, once, also while
 * upcalls are masked, and another one only after an iret hypercall; without a handler it is
 * lost.
 *
 * Blind spots: failsafe (never raised), sysenter and syscall32 of programs (see compat-mode).
 */
#include "guest.h"

#define NOT_CANONICAL 0x0000800000000000ul

static long set_callback(unsigned int type, unsigned int flags, const void *address)
{
    struct callback_register arg = {
        .type = (uint16_t)type, .flags = (uint16_t)flags, .address = (uintptr_t)address};

    return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &arg);
}

static long unset_callback(unsigned int type)
{
    struct callback_unregister arg = {.type = (uint16_t)type};

    return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &arg);
}

static void check_types(void)
{
    static const uint8_t known[] = {CALLBACKTYPE_event, CALLBACKTYPE_failsafe, CALLBACKTYPE_syscall,
                                    CALLBACKTYPE_nmi};
    static const uint8_t compat[] = {CALLBACKTYPE_sysenter, CALLBACKTYPE_syscall32};
    static const uint16_t unknown[] = {3, 6, 8, 9, 255, 0x100, 0xffff};

    for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
        CHECK_EQ(set_callback(known[i], 0, (void *)NOT_CANONICAL), -XEN_EINVAL,
                 "type %u at a non-canonical address", known[i]);
        CHECK_EQ(unset_callback(known[i]), known[i] == CALLBACKTYPE_nmi ? 0 : -XEN_EINVAL,
                 "unregistering type %u", known[i]);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(compat); i++) {
        CHECK_EQ(set_callback(compat[i], 0, (void *)syscall_entry), 0, "type %u", compat[i]);
        CHECK_EQ(unset_callback(compat[i]), -XEN_EINVAL, "unregistering type %u", compat[i]);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
        CHECK_EQ(set_callback(unknown[i], 0, event_entry), -XEN_ENOSYS, "type %u", unknown[i]);
        CHECK(unset_callback(unknown[i]) < 0, "unregistering type %u", unknown[i]);
    }
    CHECK_EQ(hypercall2(__HYPERVISOR_callback_op, 2, NULL), -XEN_ENOSYS, "command 2");
}

/* ---- system calls ---- */

#define CODE 0x400000ul
#define STACK 0x500000ul
asm(".section .user, \"ax\"\n"
    "user_syscall: std\n syscall\n user_syscall_end:\n"
    ".text\n"
    "noting_syscall: pushfq\n pop noted_flags(%rip)\n"
    "mov %ss, noted_ss(%rip)\n mov %cs, noted_cs(%rip)\n"
    "mov $vcpu_info_at, %rcx\n mov (%rcx), %rcx\n movzbl 1(%rcx), %ecx\n"
    "mov %rcx, noted_mask(%rip)\n mov (%rsp), %rcx\n jmp syscall_entry\n");
extern char user_syscall[], user_syscall_end[], noting_syscall[];
uint64_t noted_flags, noted_cs, noted_ss, noted_mask;
vcpu_info_t *vcpu_info_at;

static struct trap_frame do_syscall(void)
{
    struct trap_frame f = {.rip = CODE + (uintptr_t)user_syscall % PAGE_SIZE,
                           .cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = STACK + 2048,
                           .rflags = 0x203};

    run_user(&f);
    return f;
}

static void check_syscall(void)
{
    struct trap_frame f;

    vcpu_info_at = vcpu0();
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_syscall & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    for (unsigned int flags = 0; flags < 2; flags++) {
        CHECK_EQ(set_callback(CALLBACKTYPE_syscall, flags, noting_syscall), 0, "register");
        f = do_syscall();
        CHECK_EQ(f.vector, TRAP_SYSCALL, "a system call");
        CHECK_EQ(noted_mask, flags, "upcall mask at its handler, flags %u", flags);
        CHECK_EQ(noted_flags & 0x400, 0, "DF at its handler");
        CHECK_EQ(noted_flags & 0x200, 0x200, "IF at its handler");
        CHECK_EQ(f.rflags & 0x601, 0x601, "DF, IF and CF in its frame");
        CHECK_EQ(f.r11 & 0x601, 0x601, "DF, IF and CF in its r11");
        CHECK_EQ(f.rcx, f.rip, "rcx in its frame");
        CHECK_EQ(f.rip, CODE + (uintptr_t)user_syscall_end % PAGE_SIZE, "rip in its frame");
        CHECK_EQ(f.cs, FLAT_USER_CS, "cs in its frame, with no mask above it");
        CHECK_EQ(f.ss, FLAT_USER_SS, "ss in its frame");
        CHECK_EQ(noted_cs & 0xffff, FLAT_KERNEL_CS, "cs at its handler");
        CHECK_EQ(noted_ss & 0xffff, FLAT_KERNEL_SS, "ss at its handler");
        events_on();
    }
    CHECK_EQ(hypercall3(__HYPERVISOR_set_callbacks, event_entry, failsafe_entry, syscall_entry), 0,
             "set_callbacks");
    noted_mask = 77;
    f = do_syscall();
    CHECK_EQ(f.vector, TRAP_SYSCALL, "a system call after set_callbacks");
    CHECK_EQ(noted_mask, 77, "the old callback is not called");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask after set_callbacks");
}

/* ---- NMI ---- */

static volatile unsigned int nmis, nmi_depth;
static uint8_t nmi_mask;
static bool send_again, nested;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector != 2)
        return false;
    if (nmi_depth++)
        nested = true;
    nmis++;
    nmi_mask = vcpu0()->evtchn_upcall_mask;
    if (send_again) {
        send_again = false;
        CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0, "send_nmi in its handler");
        CHECK_EQ(nmis, 1, "an NMI within an NMI");
    }
    nmi_depth--;
    return true;
}

static void check_nmi(void)
{
    trap_hook = hook;
    CHECK_EQ(set_callback(CALLBACKTYPE_nmi, 0, (void *)trap_entries[2]), 0, "register");
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0, "send_nmi");
    CHECK_EQ(nmis, 1, "NMIs");
    CHECK_EQ(nmi_mask, 1, "upcall mask in its handler");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask behind it");
    events_off();
    vcpu_op(VCPUOP_send_nmi, 0, NULL);
    CHECK_EQ(nmis, 2, "NMIs while upcalls are masked");
    events_on();
    nmis = 0;
    send_again = true;
    vcpu_op(VCPUOP_send_nmi, 0, NULL);
    CHECK_EQ(nmis, 2, "an NMI that waits for the end of the first");
    CHECK(!nested, "one came within the other");
    nmis = 0;
    CHECK_EQ(unset_callback(CALLBACKTYPE_nmi), 0, "unregister");
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0, "send_nmi without a handler");
    CHECK_EQ(nmis, 0, "NMIs without a handler");
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, page_alloc()), -XEN_EINVAL, "send_nmi with an argument");
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 17, NULL), -XEN_ENOENT, "send_nmi to no vCPU");
    trap_hook = NULL;
}

void test_main(void)
{
    check_types();
    check_syscall();
    check_nmi();
}
