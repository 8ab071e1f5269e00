/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * single-step - claim: with TF set every instruction is followed by one #DB, in kernel and in
 * user mode, with rip behind it, DR6.BS set and TF shown in the frame but off in the handler;
 * a branch is followed at its target; popf that sets TF is not itself trapped, popf that
 * clears it is; pushf shows TF; a fault comes before the step; SIMD and x87 instructions can
 * be stepped over; a repeated string instruction is followed by one trap a round, mov to ss by
 * none; results are those of plain execution.
 *
 * Blind spots: a traced hypercall.
 */
#include "guest.h"

#define MAX_STEPS 64
#define CODE 0x400000ul
#define STACK 0x500000ul

static uint64_t steps[MAX_STEPS], bs_missing, tf_missing, tf_in_handler;
static unsigned int nr_steps, faults;

static bool hook(struct trap_frame *frame)
{
    uint64_t flags, dr6;

    if (frame->vector == 6) { /* ud2: go on behind it */
        faults++;
        frame->rip += 2;
        return true;
    }
    if (frame->vector != 1)
        return false;
    asm volatile("pushfq\n pop %0" : "=r"(flags) : : "memory");
    asm volatile("mov %%dr6, %0" : "=r"(dr6));
    asm volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
    bs_missing += !(dr6 & 0x4000);
    tf_in_handler += (flags & 0x100) != 0;
    tf_missing += !(frame->rflags & 0x100);
    if (nr_steps < MAX_STEPS)
        steps[nr_steps] = frame->rip;
    if (++nr_steps >= 2 * MAX_STEPS)
        frame->rflags &= ~0x100ul; /* something is very wrong */
    return true;
}

static void begin(void)
{
    nr_steps = faults = 0;
    bs_missing = tf_missing = tf_in_handler = 0;
    trap_hook = hook;
}

/* The traps were at these labels; the last one is that of the popf that cleared TF. */
static void expect(const char *const *labels, unsigned int n, const char *what)
{
    trap_hook = NULL;
    CHECK_EQ(nr_steps, n, "%s: number of traps", what);
    for (unsigned int i = 0; i < n && i < nr_steps; i++)
        CHECK_EQ(steps[i], (uintptr_t)labels[i], "%s: rip of trap %u", what, i);
    CHECK_EQ(bs_missing, 0, "%s: traps without DR6.BS", what);
    CHECK_EQ(tf_in_handler, 0, "%s: handlers with TF", what);
    CHECK_EQ(tf_missing, 1, "%s: frames without TF (the last)", what);
}

#define TF_ON "pushfq\n orl $0x100, (%%rsp)\n popfq\n"
#define TF_OFF "pushfq\n 90: andl $~0x100, (%%rsp)\n 91: popfq\n 92:\n"

extern char plain_1[], plain_2[], plain_3[], plain_4[], plain_5[], plain_6[], plain_7[];
extern char branch_1[], branch_2[], branch_3[], branch_4[], branch_5[], branch_6[], branch_7[],
    branch_8[], branch_9[];
extern char simd_1[], simd_2[], simd_3[], simd_4[], simd_5[], simd_6[], simd_7[], simd_8[],
    simd_9[], simd_10[];
extern char fault_1[], fault_2[], fault_3[], fault_4[], fault_5[];

static void check_plain(void)
{
    static const char *const labels[] = {plain_1, plain_2, plain_3, plain_4,
                                         plain_5, plain_6, plain_7};
    uint64_t memory = 5, flags;

    begin();
    asm volatile(TF_ON "nop\n"
                       "plain_1: addq $2, %[memory]\n"
                       "plain_2: pushfq\n"
                       "plain_3: popq %[flags]\n"
                       "plain_4: pushfq\n"
                       "plain_5: andl $~0x100, (%%rsp)\n"
                       "plain_6: popfq\n"
                       "plain_7:\n"
                 : [memory] "+m"(memory), [flags] "=r"(flags)
                 :
                 : "memory", "cc");
    expect(labels, ARRAY_SIZE(labels), "plain");
    CHECK_EQ(memory, 7, "sum in memory");
    CHECK_EQ(flags & 0x300, 0x300, "TF and IF as pushf shows them");
}

static void check_branches(void)
{
    static const char *const labels[] = {branch_1, branch_2, branch_3, branch_4, branch_5,
                                         branch_6, branch_7, branch_8, branch_9};

    begin();
    asm volatile(TF_ON "call 2f\n"
                       "branch_3: jmp 3f\n"
                       "ud2\n"
                       "2: branch_1: xor %%eax, %%eax\n"
                       "branch_2: ret\n"
                       "3: branch_4: jz 4f\n"
                       "ud2\n"
                       "4: branch_5: jnz 5f\n"
                       "branch_6: pushfq\n"
                       "5: branch_7: andl $~0x100, (%%rsp)\n"
                       "branch_8: popfq\n"
                       "branch_9:\n"
                 :
                 :
                 : "rax", "memory", "cc");
    expect(labels, ARRAY_SIZE(labels), "branches");
}

static void check_simd(void)
{
    static const char *const labels[] = {simd_1, simd_2, simd_3, simd_4, simd_5,
                                         simd_6, simd_7, simd_8, simd_9, simd_10};
    static float four[4] = {1, 2, 3, 4};
    uint32_t sum = 0, root = 0;

    begin();
    asm volatile(TF_ON "movups %[four], %%xmm0\n"
                       "simd_1: addps %%xmm0, %%xmm0\n"
                       "simd_2: movd %%xmm0, %[sum]\n"
                       "simd_3: flds %[last]\n"
                       "simd_4: fsqrt\n"
                       "simd_5: fstps %[root]\n"
                       "simd_6: nop\n"
                       "simd_7: pushfq\n"
                       "simd_8: andl $~0x100, (%%rsp)\n"
                       "simd_9: popfq\n"
                       "simd_10:\n"
                 : [sum] "=r"(sum), [root] "=m"(root)
                 : [four] "m"(four), [last] "m"(four[3])
                 : "memory", "cc");
    expect(labels, ARRAY_SIZE(labels), "SIMD");
    CHECK_EQ(sum, 0x40000000, "1 + 1");
    CHECK_EQ(root, 0x40000000, "square root of 4");
}

extern char string_1[], string_2[], string_3[], string_4[], string_5[];
extern char ss_1[], ss_2[], ss_3[], ss_4[], ss_5[], ss_6[];

static void check_rounds(void)
{
    static const char *const labels[] = {string_1, string_1, string_1, string_2,
                                         string_3, string_4, string_5};
    uint8_t buffer[4] = {0};
    void *to = buffer;
    uint64_t count = 3;

    begin();
    asm volatile(TF_ON "nop\n"
                       "string_1: rep stosb\n"
                       "string_2: pushfq\n"
                       "string_3: andl $~0x100, (%%rsp)\n"
                       "string_4: popfq\n"
                       "string_5:\n"
                 : "+D"(to), "+c"(count)
                 : "a"(7)
                 : "memory", "cc");
    expect(labels, ARRAY_SIZE(labels), "a string instruction");
    CHECK(count == 0 && buffer[2] == 7 && buffer[3] == 0, "its result");
}

static void check_shadow(void)
{
    static const char *const labels[] = {ss_1, ss_2, ss_3, ss_4, ss_5, ss_6};

    begin();
    asm volatile(TF_ON "mov %%ss, %%ecx\n"
                       "ss_1: mov %%ecx, %%ss\n"
                       "nop\n"
                       "ss_2: nop\n"
                       "ss_3: pushfq\n"
                       "ss_4: andl $~0x100, (%%rsp)\n"
                       "ss_5: popfq\n"
                       "ss_6:\n"
                 :
                 :
                 : "rcx", "memory", "cc");
    expect(labels, ARRAY_SIZE(labels), "mov to ss");
}

static void check_fault(void)
{
    static const char *const labels[] = {fault_1, fault_2, fault_3, fault_4, fault_5};

    begin();
    asm volatile(TF_ON "nop\n"
                       "fault_1: ud2\n"
                       "nop\n"
                       "fault_2: pushfq\n"
                       "fault_3: andl $~0x100, (%%rsp)\n"
                       "fault_4: popfq\n"
                       "fault_5:\n"
                 :
                 :
                 : "memory", "cc");
    expect(labels, ARRAY_SIZE(labels), "a fault between");
    CHECK_EQ(faults, 1, "#UD while stepping");
}

asm(".section .user, \"ax\"\n"
    "user_steps: nop\n"
    "user_1: add $1, %rax\n"
    "user_2: push %rax\n"
    "user_3: jmp user_4\n"
    "ud2\n"
    "user_4: pop %rbx\n"
    "user_5: syscall\n"
    ".text\n");
extern char user_steps[], user_1[], user_2[], user_3[], user_4[], user_5[];

static void check_user(void)
{
    const char *const labels[] = {user_1, user_2, user_3, user_4, user_5};
    struct trap_frame f = {.cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rip = CODE + (uintptr_t)user_steps % PAGE_SIZE,
                           .rsp = STACK + 2048,
                           .rax = 41,
                           .rflags = 0x302};
    uint64_t dr6;

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_steps & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    for (unsigned int i = 0; i < ARRAY_SIZE(labels); i++) {
        asm volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
        run_user(&f);
        asm volatile("mov %%dr6, %0" : "=r"(dr6));
        CHECK_EQ(f.vector, 1, "user step %u: vector", i);
        CHECK_EQ(f.rip, CODE + (uintptr_t)labels[i] % PAGE_SIZE, "user step %u: rip", i);
        CHECK_EQ(f.rflags & 0x100, 0x100, "user step %u: TF in the frame", i);
        CHECK_EQ(f.cs & 3, 3, "user step %u: cs", i);
        CHECK_EQ(dr6 & 0x4000, 0x4000, "user step %u: DR6.BS", i);
    }
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "the system call at the end");
    CHECK_EQ(f.rbx, 42, "result of the stepped code");
    f.rip = CODE + (uintptr_t)user_steps % PAGE_SIZE;
    f.rflags &= ~0x100ul;
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "the same code without TF");
}

void test_main(void)
{
    check_plain();
    check_branches();
    check_simd();
    check_rounds();
    check_shadow();
    check_fault();
    check_user();
}
