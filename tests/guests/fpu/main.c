/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fpu - claim: x87 and SSE registers survive hypercalls, faults, events and a trip to user
 * mode; with CR0.TS set the first use raises #NM and the hypervisor clears TS before; fxsave
 * and fxrstor carry the state; reset values are right.
 *
 * Blind spots: AVX and wider state (see cpuid-msr for XCR0), exceptions of x87 and SSE.
 */
#include "guest.h"

static uint8_t image[512] __attribute__((aligned(64)));
static uint8_t pattern[256];

static void load_pattern(void)
{
    for (unsigned int i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 37 + 11);
    asm volatile("movups (%0), %%xmm0; movups 16(%0), %%xmm1; movups 32(%0), %%xmm7\n"
                 "movups 48(%0), %%xmm8; movups 64(%0), %%xmm15"
                 :
                 : "r"(pattern)
                 : "memory");
}

static bool pattern_holds(void)
{
    static uint8_t now_there[80];

    asm volatile("movups %%xmm0, (%0); movups %%xmm1, 16(%0); movups %%xmm7, 32(%0)\n"
                 "movups %%xmm8, 48(%0); movups %%xmm15, 64(%0)"
                 :
                 : "r"(now_there)
                 : "memory");
    return !memcmp(now_there, pattern, sizeof(now_there));
}

static void check_reset(void)
{
    asm volatile("fxsave (%0)" : : "r"(image) : "memory");
    CHECK_EQ(*(uint16_t *)image, 0x37f, "FCW at start");
    CHECK_EQ(*(uint32_t *)(image + 24), 0x1f80, "MXCSR at start");
}

static void check_survival(void)
{
    long port = bind_ipi();
    xen_extraversion_t text;

    load_pattern();
    xen_version(XENVER_extraversion, text);
    CHECK(pattern_holds(), "lost in a hypercall");
    event_send((unsigned int)port);
    CHECK(pattern_holds(), "lost in an event");
    try_read((void *)0x1000, NULL);
    CHECK(pattern_holds(), "lost in a page fault");
    uint8_t *page = page_alloc();
    remap(page, PTE_P);
    remap(page, PTE_P | PTE_RW);
    CHECK(pattern_holds(), "lost in page-table updates");
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 3000000};
    event_clear((unsigned int)port);
    long virq = bind_virq(VIRQ_TIMER);
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    block();
    spin_ns(4000000);
    CHECK(event_count[virq] > 0, "no timer event");
    CHECK(pattern_holds(), "lost over a sleep");
}

static unsigned long nm_count, nm_ts;

static bool hook(struct trap_frame *frame)
{
    uint64_t cr0;

    if (frame->vector != 7)
        return false;
    nm_count++;
    asm volatile("mov %%cr0, %0" : "=r"(cr0));
    nm_ts = cr0 & 8;
    return true;
}

static void check_ts(void)
{
    trap_hook = hook;
    load_pattern();
    CHECK_EQ(hypercall1(__HYPERVISOR_fpu_taskswitch, 1), 0, "fpu_taskswitch(1)");
    CHECK(pattern_holds(), "lost when TS was set");
    CHECK_EQ(nm_count, 1, "#NM at the first use");
    CHECK_EQ(nm_ts, 0, "TS in its handler");
    CHECK_EQ(hypercall1(__HYPERVISOR_fpu_taskswitch, 0), 0, "fpu_taskswitch(0)");
    pattern_holds();
    CHECK_EQ(nm_count, 1, "#NM with TS clear");
    /* Every kind of use, with TS by either way, and clts. */
#define USE(insn)                                                                                  \
    nm_count = 0;                                                                                  \
    hypercall1(__HYPERVISOR_fpu_taskswitch, 1);                                                    \
    asm volatile(insn : : "r"(image) : "memory");                                                  \
    CHECK_EQ(nm_count, 1, "#NM of %s", insn);                                                      \
    asm volatile(insn : : "r"(image) : "memory");                                                  \
    CHECK_EQ(nm_count, 1, "#NM of %s with TS clear", insn)
    USE("fxsave (%0)");
    USE("fxrstor (%0)");
    USE("fnop");
    USE("fldz; fstp %%st(0)");
    USE("xorps %%xmm1, %%xmm1");
    USE("movups (%0), %%xmm2");
    USE("emms");
    USE("stmxcsr (%0)");
    uint64_t cr0;
    asm volatile("mov %%cr0, %0" : "=r"(cr0));
    nm_count = 0;
    asm volatile("mov %0, %%cr0\n fnop" : : "r"(cr0 | 8) : "memory");
    CHECK_EQ(nm_count, 1, "#NM after TS was set in cr0");
    hypercall1(__HYPERVISOR_fpu_taskswitch, 1);
    asm volatile("clts\n fnop" : : : "memory");
    CHECK_EQ(nm_count, 1, "#NM after clts");
    for (unsigned int i = 0; i < 50; i++) { /* in code that has run before */
        hypercall1(__HYPERVISOR_fpu_taskswitch, i & 1);
        asm volatile("xorps %%xmm1, %%xmm1" : : : "memory");
    }
    CHECK_EQ(nm_count, 26, "#NM of a loop");
    trap_hook = NULL;
}

asm(".section .user, \"ax\"\n"
    "user_fpu: movups %xmm8, (%rdi); movups 16(%rdi), %xmm8; syscall\n"
    ".text\n");
extern char user_fpu[];

static void check_user(void)
{
    struct trap_frame f = {.rip = 0x400000 + (uintptr_t)user_fpu % PAGE_SIZE,
                           .cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = 0x500000,
                           .rflags = 0x202,
                           .rdi = 0x600000};
    uint8_t *data = page_alloc(), back[16];

    user_root_init();
    map(0x400000, va_to_mfn((void *)((uintptr_t)user_fpu & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(0x600000, va_to_mfn(data), PTE_P | PTE_RW | PTE_U);
    memset(data + 16, 0x66, 16);
    load_pattern();
    hypercall1(__HYPERVISOR_fpu_taskswitch, 1);
    run_user(&f);
    CHECK_EQ(f.vector, 7, "user code with TS set");
    CHECK_EQ(f.rip, 0x400000 + (uintptr_t)user_fpu % PAGE_SIZE, "its rip");
    run_user(&f); /* TS is clear now */
    CHECK_EQ(f.vector, TRAP_SYSCALL, "end of the user code");
    CHECK(!memcmp(data, pattern + 48, 16), "user mode saw another xmm8 than the kernel's");
    asm volatile("movups %%xmm8, (%0)" : : "r"(back) : "memory");
    CHECK(!memcmp(back, data + 16, 16), "the kernel sees another xmm8 than user mode's");
    asm volatile("movups (%0), %%xmm8" : : "r"(pattern + 48));
    CHECK(pattern_holds(), "other registers changed over user mode");
}

void test_main(void)
{
    check_reset();
    check_survival();
    check_ts();
    check_user();
}
