/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * code-anywhere - claim: kernel code runs wherever it is mapped, not only in the top 2 GiB:
 * low, high in the user half, in the kernel half; with its stack and data there, or at the
 * top. It computes the same, may make hypercalls, takes exceptions with the right rip, is
 * preempted by events, and faults at a non-canonical address.
 *
 * Blind spots: speed; code that changes itself (see selfmod).
 */
#include "guest.h"

/* uint64_t blob(uint8_t *data): position-independent; one page with its constants. */
asm(".section .rodata\n"
    ".balign 4096\n"
    "blob:\n"
    "push %rbx; push %rbp; push %r12; mov %rsp, %rbp\n"
    "mov $1, %eax; xor %ebx, %ebx; mov $1000, %ecx\n"
    "1: imul $0x5851f42d, %rax, %rax; add $0x14057b7e, %rax; mov %rax, %rdx; shr $33, %rdx\n"
    "xor %rdx, %rbx; rol $7, %rbx; test $64, %dl; jz 2f; inc %rbx\n"
    "2: cmova %rdx, %r8; setb %r9b; dec %ecx; jnz 1b\n"
    /* memory: moves, locked and string instructions */
    "mov %rbx, (%rdi); lock addq $3, (%rdi); mov (%rdi), %rax; lock cmpxchg %rcx, (%rdi)\n"
    "xchg %rax, 8(%rdi); movzbl 5(%rdi), %edx; add %rdx, %rbx; mov %rbx, 8(%rdi)\n"
    "push %rdi; lea 8(%rdi), %rsi; add $64, %rdi; mov $8, %ecx; cld; rep movsb; pop %rdi\n"
    "xor 64(%rdi), %rbx; btsq $70, (%rdi); adc 8(%rdi), %rbx\n"
    /* constants of its own, x87, SSE */
    "xor 9f(%rip), %rbx; movups 8f(%rip), %xmm0; addps 8f(%rip), %xmm0; mulps %xmm0, %xmm0\n"
    "movups %xmm0, 128(%rdi); xor 128(%rdi), %rbx; xor 136(%rdi), %rbx\n"
    "flds 8f(%rip); fsqrt; fadds 4+8f(%rip); fstpl 144(%rdi); xor 144(%rdi), %rbx\n"
    /* control flow, flags, stack */
    "call 3f; lea 4f(%rip), %rax; push %rax; ret\n"
    "3: push %rbx; pushfq; popq %rax; and $0x200, %eax; xor %rax, (%rsp); pop %rbx; ret\n"
    "4: lea 5f(%rip), %rax; jmp *%rax\n"
    "5: mov %rbx, 152(%rdi); bswap %rbx; popcnt %rbx, %rax; shld $5, %rax, %rbx\n"
    /* a hypercall: xen_version(version, NULL) */
    "mov %rdi, %r12; mov $17, %eax; xor %edi, %edi; xor %esi, %esi; syscall; add %rax, %rbx\n"
    "mov %r12, %rdi; mov %rbx, %rax; mov %rbp, %rsp; pop %r12; pop %rbp; pop %rbx; ret\n"
    ".balign 16\n"
    "8: .float 2.25, 3.5, 4.75, 5.125\n"
    "9: .quad 0x0123456789abcdef\n"
    "blob_trap: ud2; mov $77, %eax; ret\n"
    "blob_spin: mov $0, %eax; 1: inc %rax; cmpq $0, (%rdi); je 1b; ret\n"
    ".balign 4096\n"
    ".text\n");
extern char blob[], blob_trap[], blob_spin[];

static uint64_t trap_rip;

static bool ud_hook(struct trap_frame *frame)
{
    if (frame->vector != 6)
        return false;
    trap_rip = frame->rip;
    frame->rip += 2;
    return true;
}

static uint64_t call(uint64_t at, void *data)
{
    return ((uint64_t(*)(void *))at)(data);
}

/* With rsp elsewhere. */
static uint64_t call_on_stack(uint64_t at, void *data, uint64_t stack)
{
    uint64_t ret;

    asm volatile("mov %%rsp, %%rbx\n mov %[stack], %%rsp\n call *%[at]\n mov %%rbx, %%rsp\n"
                 : "=a"(ret), "+D"(data)
                 : [stack] "r"(stack), [at] "r"(at)
                 : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return ret;
}

static void check_place(uint64_t place, uint64_t want)
{
    uint64_t offset_trap = (uintptr_t)blob_trap - (uintptr_t)blob;
    uint64_t code = place, data = place + 2 * PAGE_SIZE, stack = place + 5 * PAGE_SIZE;
    static uint8_t top_data[256];

    CHECK_EQ(map(code, va_to_mfn(blob), PTE_P), 0, "map code at 0x%lx", place);
    CHECK_EQ(map(data, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_NX), 0, "map data");
    CHECK_EQ(map(stack - PAGE_SIZE, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_NX), 0, "stack");
    CHECK_EQ(call(code, top_data), want, "code at 0x%lx, data and stack at the top", place);
    CHECK_EQ(call(code, (void *)data), want, "code and data at 0x%lx", place);
    CHECK_EQ(call_on_stack(code, (void *)data, stack), want, "all at 0x%lx", place);
    CHECK_EQ(call_on_stack((uintptr_t)blob, (void *)data, stack), want,
             "code at the top, the rest at 0x%lx", place);

    trap_hook = ud_hook;
    trap_rip = 0;
    CHECK_EQ(call(code + offset_trap, NULL), 77, "result after #UD at 0x%lx", place);
    CHECK_EQ(trap_rip, code + offset_trap, "rip of #UD");
    trap_hook = NULL;
}

/* An event stops a loop there. */
static volatile uint64_t stop;

static bool event_hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT)
        stop = 1;
    return false;
}

static void check_preempt(uint64_t place)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + 3000000};
    uint64_t rounds;

    stop = 0;
    trap_hook = event_hook;
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    rounds = call(place + ((uintptr_t)blob_spin - (uintptr_t)blob), (void *)&stop);
    trap_hook = NULL;
    CHECK(rounds > 0, "no rounds of a loop at 0x%lx", place);
    print("0x%lx: %lu rounds in 3 ms\n", place, rounds);
}

static uint64_t resume;

static bool gp_hook(struct trap_frame *frame)
{
    if (frame->vector != 13 && frame->vector != 14)
        return false;
    trap_rip = frame->vector;
    frame->rip = resume;
    return true;
}

static void check_non_canonical(void)
{
    trap_hook = gp_hook;
    trap_rip = 0;
    asm volatile("lea 1f(%%rip), %%rax\n"
                 "mov %%rax, %[resume]\n"
                 "jmp *%[at]\n"
                 "1:\n"
                 : [resume] "=m"(resume)
                 : [at] "r"(0x0000900000000000ul)
                 : "rax", "memory");
    trap_hook = NULL;
    CHECK_EQ(trap_rip, 13, "vector of a jump to a non-canonical address");
}

void test_main(void)
{
    static const uint64_t places[] = {0x400000,          0x7fffd000,     0x80000000,
                                      0x100000000,       0x7f0000000000, 0x7ffffffe0000,
                                      0xffff900000000000};
    static uint8_t data[256];
    uint64_t want = call((uintptr_t)blob, data);

    bind_virq(VIRQ_TIMER);
    for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
        check_place(places[i], want);
        check_preempt(places[i]);
    }
    check_preempt((uintptr_t)blob);
    check_non_canonical();
}
