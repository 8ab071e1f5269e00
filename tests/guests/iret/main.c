/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * iret - claim: the iret hypercall restores rip, rsp, flags and rax, rcx and r11 too when bit
 * 8 of its flags word is clear; sets the upcall mask to the inverse of the frame's IF;
 * delivers a pending event before the first instruction of the new context; never gives the
 * guest IOPL, VM or a cleared IF. The processor's own iretq in kernel mode works too and
 * leaves the upcall mask alone. A frame with a CS that is no code segment gives the guest
 * kernel an exception.
 *
 * Blind spots: user mode (see user-mode), NMIs, architectural IOPL, SS other than flat.
 */
#include "guest.h"

struct iret_words {
    uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};

struct iret_result {
    uint64_t rax, r11, rcx, rsp, rflags;
};

/* Execute the iret hypercall on a copy of the frame; its rip is set to a label behind. */
void do_iret(struct iret_words *frame, struct iret_result *result);
asm(".text\n"
    "do_iret:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"
    "mov %rsp, iret_saved(%rip)\n"
    "lea iret_target(%rip), %rax; mov %rax, 32(%rdi)\n"
    "mov %rdi, %rsp\n"
    "mov $23, %eax\n"
    "syscall\n"
    "ud2\n"
    "iret_target:\n"
    "mov %rsp, iret_rsp(%rip)\n"
    "mov iret_saved(%rip), %rsp\n"
    "pushfq; pop iret_flags(%rip); cld\n"
    "mov (%rsp), %rsi\n"
    "mov %rax, (%rsi); mov %r11, 8(%rsi); mov %rcx, 16(%rsi)\n"
    "mov iret_rsp(%rip), %rax; mov %rax, 24(%rsi)\n"
    "mov iret_flags(%rip), %rax; mov %rax, 32(%rsi)\n"
    "pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    ".bss\n"
    ".globl iret_target_address\n"
    "iret_saved: .skip 8\n iret_rsp: .skip 8\n iret_flags: .skip 8\n"
    ".text\n");
extern char iret_target[];

static uint8_t stack[4096] __attribute__((aligned(16)));
static uint64_t event_rip;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT && !event_rip)
        event_rip = frame->rip;
    return false;
}

static struct iret_words words(uint64_t rflags, uint64_t flags)
{
    return (struct iret_words){.rax = 0x1122334455667788,
                               .r11 = 0x99aabbccddeeff00,
                               .rcx = 0x0102030405060708,
                               .flags = flags,
                               .cs = 0xe030,
                               .rflags = rflags,
                               .rsp = (uintptr_t)stack + 2048,
                               .ss = FLAT_KERNEL_SS};
}

static void check_registers(void)
{
    struct iret_words w = words(0x202 | 1 | 0x40 | 0x400, 0);
    struct iret_result r;

    w.rsp += 3; /* any value is legal */
    do_iret(&w, &r);
    CHECK_EQ(r.rax, w.rax, "rax");
    CHECK_EQ(r.r11, w.r11, "r11");
    CHECK_EQ(r.rcx, w.rcx, "rcx");
    CHECK_EQ(r.rsp, w.rsp, "rsp");
    CHECK_EQ(r.rflags & 0x441, 0x441, "CF, ZF and DF");
    w = words(0x202, 0x100); /* VGCF_in_syscall: rcx and r11 may be lost */
    do_iret(&w, &r);
    CHECK_EQ(r.rax, w.rax, "rax, syscall form");
    CHECK_EQ(r.rsp, w.rsp, "rsp, syscall form");
}

static void check_flags(void)
{
    struct iret_words w = words(0x202 | 0x3000, 0);
    struct iret_result r;

    do_iret(&w, &r);
    CHECK_EQ(r.rflags & 0x3000, 0, "IOPL out of a frame");
    CHECK_EQ(r.rflags & 0x202, 0x202, "IF and bit 1");
    w = words(0x202 | 0x40000 | 0x200000, 0);
    do_iret(&w, &r);
    CHECK_EQ(r.rflags & 0x240000, 0x240000, "AC and ID");
    asm volatile("pushfq; andl $~0x240000, (%%rsp); popfq" ::: "memory", "cc");
}

static void check_mask(unsigned int port)
{
    struct iret_words w = words(0x2, 0);
    struct iret_result r;

    do_iret(&w, &r);
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 1, "mask after a frame with IF clear");
    CHECK_EQ(r.rflags & 0x200, 0x200, "the real IF");
    event_send(port);
    CHECK_EQ(event_count[port], 0, "upcall while masked");
    w = words(0x202, 0);
    trap_hook = hook;
    do_iret(&w, &r);
    trap_hook = NULL;
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "mask after a frame with IF set");
    CHECK_EQ(event_count[port], 1, "upcall that was pending at the iret");
    CHECK_EQ(event_rip, (uintptr_t)iret_target, "rip at which it came");
    CHECK_EQ(r.rax, w.rax, "rax across it");
    CHECK_EQ(r.rcx, w.rcx, "rcx across it");
}

static void check_native(void)
{
    uint64_t rsp = 0, flags, want = (uintptr_t)stack + 1024;

    events_off();
    asm volatile("mov %%rsp, %%rbx\n"
                 "mov %[ss], %%eax; push %%rax\n"
                 "push %[want]\n"
                 "pushq $0x203\n"
                 "mov %[cs], %%eax; push %%rax\n"
                 "lea 1f(%%rip), %%rax; push %%rax\n"
                 "iretq\n"
                 "1: mov %%rsp, %[rsp]\n"
                 "mov %%rbx, %%rsp\n"
                 "pushfq; pop %[flags]\n"
                 : [rsp] "=&r"(rsp), [flags] "=&r"(flags)
                 : [want] "r"(want), [ss] "i"(FLAT_KERNEL_SS), [cs] "i"(FLAT_KERNEL_CS)
                 : "rax", "rbx", "memory", "cc");
    CHECK_EQ(rsp, want, "rsp after iretq");
    CHECK_EQ(flags & 1, 1, "carry after iretq");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 1, "mask after iretq with IF set");
    events_on();
}

static bool bad_cs_seen;

static bool bad_cs_hook(struct trap_frame *frame)
{
    if (frame->vector != 13 && frame->vector != 11)
        return false;
    bad_cs_seen = true;
    print("bad cs: vector %lu error 0x%lx rip 0x%lx\n", frame->vector, frame->error, frame->rip);
    frame->rip = (uintptr_t)iret_target;
    frame->cs = FLAT_KERNEL_CS & ~3ul; /* RPL 0: stay in kernel mode */
    frame->ss = FLAT_KERNEL_SS;
    return true;
}

static void check_bad_cs(void)
{
    static const uint16_t bad[] = {0xe028, 0x18, 0xffff};
    struct iret_result r;

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        struct iret_words w = words(0x202, 0);

        w.cs = bad[i] & ~3u;
        bad_cs_seen = false;
        trap_hook = bad_cs_hook;
        do_iret(&w, &r);
        trap_hook = NULL;
        CHECK(bad_cs_seen, "no exception for cs 0x%x", bad[i]);
    }
}

void test_main(void)
{
    long port = bind_ipi();

    check_registers();
    check_flags();
    check_mask((unsigned int)port);
    check_native();
    check_bad_cs();
}
