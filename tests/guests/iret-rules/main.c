/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * iret-rules - claim: the letter of ABI 5.2 and 5.4 beyond what `iret` says: code selectors
 * with RPL 0, 1 and 2 stay in kernel mode; of the flags word bit 8 alone counts; of rflags the
 * legal bits; with bit 8 a program gets rcx and r11 as sysret leaves them and the flat
 * selectors whatever the frame says, 32-bit ones for 0xe023; with architectural_iopl frames
 * show the virtual IOPL and iret sets it, and the kernel counts as ring 0. An NMI comes before
 * an event that is due, too.
 *
 * Blind spots: frames that cannot be read, no user root (see crash-iret-*).
 */
#include "guest.h"

union {
    struct {
        uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
    };
    uint64_t words[9];
} frame; /* asm */
uint64_t got_rsp, got_rflags, got_cs, got_rcx, got_r11, saved_rsp;

static void do_iret(void)
{
    asm volatile("mov %%rsp, saved_rsp(%%rip)\n"
                 "lea 1f(%%rip), %%rax\n mov %%rax, frame+32(%%rip)\n"
                 "lea frame(%%rip), %%rsp\n"
                 "mov $23, %%eax\n syscall\n ud2\n"
                 "1: mov %%rsp, got_rsp(%%rip)\n mov saved_rsp(%%rip), %%rsp\n"
                 "mov %%rcx, got_rcx(%%rip)\n mov %%r11, got_r11(%%rip)\n"
                 "pushfq\n pop got_rflags(%%rip)\n pushq $2\n popfq\n"
                 "mov %%cs, %%eax\n mov %%rax, got_cs(%%rip)\n"
                 :
                 :
                 : "rax", "rcx", "r11", "memory", "cc");
}

static void set_frame(uint64_t flags, uint64_t cs, uint64_t rflags)
{
    frame = (typeof(frame)){.rax = 1,
                            .r11 = 0x1111,
                            .rcx = 0x2222,
                            .flags = flags,
                            .cs = cs,
                            .rflags = rflags,
                            .rsp = 0x123456789abcdef0,
                            .ss = FLAT_KERNEL_SS};
}

static void check_kernel(void)
{
    static const uint64_t flags[] = {0, 1, 0x80, 0x200, ~0x100ul};

    for (unsigned int rpl = 0; rpl < 3; rpl++) {
        set_frame(0, (FLAT_KERNEL_CS & ~3u) | rpl, 0x202);
        do_iret();
        CHECK_EQ(got_cs, FLAT_KERNEL_CS, "cs after an iret with RPL %u", rpl);
        CHECK_EQ(got_rsp, frame.rsp, "rsp after an iret with RPL %u", rpl);
        /* Still the kernel: a hypercall is one. */
        CHECK_EQ(xen_version(XENVER_pagesize, NULL), 4096, "a hypercall after RPL %u", rpl);
        set_frame(0, (FLAT_KERNEL_CS & ~3u) | rpl, 0x202);
        frame.ss = (FLAT_KERNEL_SS & ~3u) | rpl;
        do_iret();
        CHECK_EQ(got_rsp, frame.rsp, "rsp after an iret with RPL %u in ss", rpl);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
        set_frame(flags[i], FLAT_KERNEL_CS & ~3ul, 0x202);
        do_iret();
        CHECK_EQ(got_rcx, 0x2222, "rcx with flags word 0x%lx", flags[i]);
        CHECK_EQ(got_r11, 0x1111, "r11 with flags word 0x%lx", flags[i]);
    }
    set_frame(0, FLAT_KERNEL_CS & ~3ul, ~0x40500ul); /* all but TF, DF and AC */
    do_iret();
    CHECK_EQ(got_rflags & ~0x3c0000ul, 0x4ad7, "flags out of a frame full of ones");
    CHECK_EQ(got_rflags >> 22, 0, "flags above bit 21");
    set_frame(0, FLAT_KERNEL_CS & ~3ul, 0x200);
    do_iret();
    CHECK_EQ(got_rflags & 2, 2, "bit 1");
    /* Only the low 16 bits of the selectors count. */
    set_frame(0, 0xdead0000beef0000 | (FLAT_KERNEL_CS & ~3ul), 0x202);
    frame.ss |= 0x123400000000;
    do_iret();
    CHECK_EQ(got_cs, FLAT_KERNEL_CS, "cs with bits above the selector");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask then");
}

/* ---- programs ---- */

#define CODE 0x400000ul
#define STACK 0x500000ul
asm(".section .user, \"ax\"\n"
    "user_64: mov %rcx, %rbx; mov %r11, %rdx; mov %cs, %esi; mov %ss, %edi\n"
    "mov $0x1122334455, %rbp; int $0x80\n"
    ".code32\n"
    "user_32: mov %ecx, %ebx; mov %cs, %esi; mov %ss, %edi\n"
    "dec %ecx; nop; nop; int $0x80\n"
    ".code64\n"
    ".text\n");
extern char user_64[], user_32[];

static struct trap_frame at_end;

static void run_with(uint64_t flags, uint64_t cs, uint64_t ss, const char *label)
{
    frame = (typeof(frame)){.rax = 0x77,
                            .r11 = 0x1111,
                            .rcx = 0x2222,
                            .flags = flags,
                            .rip = CODE + (uintptr_t)label % PAGE_SIZE,
                            .cs = cs,
                            .rflags = 0x203,
                            .rsp = STACK + 2048,
                            .ss = ss};
    run_user_words(&at_end, frame.words);
}

static void check_user(void)
{
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_64 & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    run_with(0, FLAT_USER_CS, FLAT_USER_SS, user_64);
    CHECK_EQ(at_end.vector, 0x80, "a program");
    CHECK_EQ(at_end.rax, 0x77, "its rax");
    CHECK_EQ(at_end.rbx, 0x2222, "its rcx");
    CHECK_EQ(at_end.rdx, 0x1111, "its r11");
    /* The way of sysret: selectors are Xen's, rcx and r11 may be what sysret needs. */
    static const uint64_t selectors[] = {FLAT_USER_CS, 0x33, 0x1233, 3};
    for (unsigned int i = 0; i < ARRAY_SIZE(selectors); i++) {
        run_with(0x100, selectors[i], 0x2b, user_64);
        CHECK_EQ(at_end.vector, 0x80, "a program by sysret, cs 0x%lx", selectors[i]);
        CHECK_EQ(at_end.rax, 0x77, "its rax");
        CHECK_EQ(at_end.cs, FLAT_USER_CS, "its cs in the frame");
        CHECK_EQ(at_end.ss, FLAT_USER_SS, "its ss in the frame");
        CHECK(at_end.rbx == frame.rip || at_end.rbx == 0x2222, "its rcx 0x%lx", at_end.rbx);
        CHECK_EQ(at_end.rsp, STACK + 2048, "its rsp");
        CHECK_EQ(at_end.rbp, 0x1122334455, "it is 64-bit code");
    }
    run_with(0x100, FLAT_USER_CS32, 0x2b, user_32);
    CHECK_EQ(at_end.vector, 0x80, "a 32-bit program by sysret");
    CHECK_EQ(at_end.cs, FLAT_USER_CS32, "its cs in the frame");
    run_with(0, FLAT_USER_CS32, FLAT_USER_SS, user_32);
    CHECK_EQ(at_end.vector, 0x80, "a 32-bit program by iret");
    CHECK_EQ(at_end.cs, FLAT_USER_CS32, "its cs in the frame");
}

/* ---- IOPL ---- */

static long try_cli(void)
{
    trap_reset();
    asm volatile(EX_TRY("cli"));
    return last_trap.vector;
}

static uint64_t iopl_in_frame(void)
{
    trap_reset();
    asm volatile(EX_TRY("ud2"));
    return last_trap.rflags & 0x3000;
}

static void check_iopl(void)
{
    struct physdev_set_iopl set = {.iopl = 1};

    CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &set), 0, "set_iopl");
    CHECK_EQ(iopl_in_frame(), 0, "IOPL in a frame without architectural_iopl");
    set_frame(0, FLAT_KERNEL_CS & ~3ul, 0x202);
    do_iret();
    CHECK_EQ(try_cli(), -1, "cli after an iret with IOPL 0");
    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 4), 0, "architectural_iopl");
    CHECK_EQ(iopl_in_frame(), 0x1000, "IOPL in a frame with it");
    for (uint64_t iopl = 0; iopl < 4; iopl++) {
        set_frame(0, FLAT_KERNEL_CS & ~3ul, 0x202 | iopl << 12);
        do_iret();
        CHECK_EQ(iopl_in_frame(), iopl << 12, "IOPL in a frame after an iret with %lu", iopl);
        CHECK_EQ(got_rflags & 0x3000, 0, "IOPL that pushf shows");
        CHECK_EQ(try_cli(), -1, "cli with IOPL %lu as ring 0", iopl);
    }
    set_frame(0, FLAT_KERNEL_CS & ~3ul, 0x202);
    do_iret();
    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_disable, 4), 0, "and off");
    CHECK_EQ(try_cli(), 13, "cli with IOPL 0 as ring 1");
}

/* ---- order ---- */

static unsigned int order[4], nr_order;

static bool note_order(struct trap_frame *f)
{
    if (f->vector != 2 && f->vector != TRAP_EVENT)
        return false;
    if (nr_order < ARRAY_SIZE(order))
        order[nr_order++] = (unsigned int)f->vector;
    return f->vector == 2;
}

static void check_order(unsigned int port)
{
    events_off();
    event_send(port);
    trap_hook = note_order;
    vcpu0()->evtchn_upcall_mask = 0;
    barrier();
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0, "send_nmi with an event pending");
    trap_hook = NULL;
    CHECK_EQ(nr_order, 2, "entries after it");
    CHECK_EQ(order[0], 2, "the first one");
    CHECK_EQ(order[1], TRAP_EVENT, "the second one");
}

void test_main(void)
{
    long port = bind_ipi();
    struct callback_register nmi = {.type = CALLBACKTYPE_nmi, .address = trap_entries[2]};

    check_kernel();
    check_user();
    check_iopl();
    CHECK_EQ(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &nmi), 0, "NMI handler");
    check_order((unsigned int)port);
}
