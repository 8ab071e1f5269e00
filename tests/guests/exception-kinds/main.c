/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * exception-kinds - claim: the exceptions of arithmetic and alignment arrive with their vectors,
 * in the kernel and in a program alike, as both run in ring 3: divide error (by 0, and a quotient
 * too large), x87 error at the next instruction that waits, SIMD error at the instruction, and
 * alignment check with error code 0 while AC is set. Each has rip at the instruction, and what
 * was interrupted goes on once its cause has been taken away.
 *
 * Blind spots: every cause of an x87 or SIMD error but one; unaligned accesses of other sizes.
 * QEMU's translator knows neither SIMD errors nor alignment checks: a run there skips them.
 */
#include "guest.h"

#define CODE 0x400000ul
#define DATA 0x600000ul

/* Each begins with the state that makes its last instruction but one fault. rdi: a page. */
#define DIV "xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx\n"
#define IDIV "mov $-1, %rcx; mov $1, %edx; ror $1, %rdx; mov %rdx, %rax; mov $-1, %rdx\n"
#define X87 "fninit; movw $0x37b, (%rdi); fldcw (%rdi); fld1; fldz; fdivrp\n"
#define SIMD                                                                                       \
    "movl $0x1d80, (%rdi); ldmxcsr (%rdi); movl $0x3f800000, 8(%rdi); movss 8(%rdi), %xmm0\n"      \
    "xorps %xmm1, %xmm1\n"
#define AC "pushfq; orl $0x40000, (%rsp); popfq\n"

asm(".section .user, \"ax\"\n"
    "u_div: " DIV "u_div_at: div %ecx\n"
    "u_idiv: " IDIV "u_idiv_at: idiv %rcx\n"
    "u_x87: " X87 "nop\n u_x87_at: fwait\n"
    "u_simd: " SIMD "u_simd_at: divss %xmm1, %xmm0\n int $0x80\n"
    "u_ac: " AC "u_ac_at: mov 1(%rdi), %eax\n int $0x80\n"
    ".text\n"
    "k_div: " DIV "k_div_at: div %ecx\n ret\n"
    "k_idiv: " IDIV "k_idiv_at: idiv %rcx\n ret\n"
    "k_x87: " X87 "nop\n k_x87_at: fwait\n ret\n"
    "k_simd: " SIMD "k_simd_at: divss %xmm1, %xmm0\n ret\n"
    "k_ac: " AC "k_ac_at: mov 1(%rdi), %eax\n pushfq; andl $~0x40000, (%rsp); popfq\n ret\n");
extern char u_div[], u_div_at[], u_idiv[], u_idiv_at[], u_x87[], u_x87_at[], u_simd[], u_simd_at[],
    u_ac[], u_ac_at[], k_div[], k_div_at[], k_idiv[], k_idiv_at[], k_x87[], k_x87_at[], k_simd[],
    k_simd_at[], k_ac[], k_ac_at[];

static const struct kind {
    const char *name, *user, *user_at, *kernel, *kernel_at;
    unsigned long vector, size; /* of the instruction */
} kinds[] = {
    {"div", u_div, u_div_at, k_div, k_div_at, 0, 2},
    {"idiv", u_idiv, u_idiv_at, k_idiv, k_idiv_at, 0, 3},
    {"x87", u_x87, u_x87_at, k_x87, k_x87_at, 16, 1},
    {"SIMD", u_simd, u_simd_at, k_simd, k_simd_at, 19, 4},
    {"alignment", u_ac, u_ac_at, k_ac, k_ac_at, 17, 3},
};

static uint8_t *page;
static struct trap_frame seen;
static unsigned long seen_count, seen_size;

static void reset_units(void)
{
    static const uint32_t mxcsr = 0x1f80;

    asm volatile("fninit\n ldmxcsr %0" : : "m"(mxcsr));
}

/* Notes the frame and steps over the instruction. */
static bool hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT)
        return false;
    seen = *frame;
    seen_count++;
    frame->rip += seen_size;
    if (frame->vector == 16 || frame->vector == 19)
        reset_units();
    return true;
}

static void check_kernel(const struct kind *kind)
{
    seen_count = 0;
    seen_size = kind->size;
    trap_hook = hook;
    asm volatile("call *%[f]"
                 :
                 : [f] "r"(kind->kernel), "D"(page)
                 : "rax", "rcx", "rdx", "r11", "memory", "cc");
    trap_hook = NULL;
    reset_units();
    if (!seen_count && kind->vector >= 17) {
        skip("%s: not on this CPU", kind->name);
        return;
    }
    CHECK_EQ(seen_count, 1, "kernel, %s: exceptions", kind->name);
    CHECK_EQ(seen.vector, kind->vector, "kernel, %s: vector", kind->name);
    CHECK_EQ(seen.rip, (uintptr_t)kind->kernel_at, "kernel, %s: rip", kind->name);
    CHECK_EQ(seen.cs & 3, 0, "kernel, %s: cs", kind->name);
    if (kind->vector == 17) {
        CHECK_EQ(seen.error, 0, "kernel, alignment: error code");
        CHECK_EQ(seen.rflags & 0x40000, 0x40000, "kernel, alignment: AC in the frame");
    }
}

static void check_user(const struct kind *kind)
{
    struct trap_frame f =
        program_frame(CODE + (uintptr_t)kind->user % PAGE_SIZE, DATA + PAGE_SIZE - 64);

    f.rdi = DATA;
    run_user(&f);
    reset_units();
    if (f.vector == 0x80 && kind->vector >= 17) {
        skip("%s: not on this CPU", kind->name);
        return;
    }
    CHECK_EQ(f.vector, kind->vector, "program, %s: vector", kind->name);
    CHECK_EQ(f.rip, CODE + (uintptr_t)kind->user_at % PAGE_SIZE, "program, %s: rip", kind->name);
    CHECK_EQ(f.cs & 3, 3, "program, %s: cs", kind->name);
    if (kind->vector == 17)
        CHECK_EQ(f.error, 0, "program, alignment: error code");
}

void test_main(void)
{
    page = page_alloc();
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)u_div & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(DATA, va_to_mfn(page), PTE_P | PTE_RW | PTE_U);
    for (unsigned int round = 0; round < 2; round++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
            check_kernel(&kinds[i]);
            check_user(&kinds[i]);
        }
    }
}
