/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * far-branches - claim: far jumps, calls, returns and iretq, of the kernel and of programs, go
 * where the selector is one of 64-bit code with DPL 3, whatever its RPL, and cs then has RPL 3;
 * else they raise what a processor in ring 3 does, with the selector as error code: #GP for what is
 * empty, no code, a call gate, beyond the table or in a table that there is not, #NP for what is
 * not present, #GP(0) for a null selector and for an address that is not canonical. The exception
 * is at the instruction and nothing has changed.
 *
 * Blind spots: 32-bit code (see compat-mode); targets that are not mapped; descriptors whose
 * numbers the host uses, too (4 to 6: Linux has the same there).
 */
#include "guest.h"

#define CODE 0x400000ul
#define DATA 0x600000ul
#define CODE64_DESC 0x00affb000000ffffull
#define DATA_DESC 0x00cff3000000ffffull
#define CONFORMING (1ull << 42)
#define PRESENT (1ull << 47)
#define GATE_DESC 0x0000ec000000ffffull /* a 64-bit call gate with DPL 3 */
#define SELECTOR(n) ((n) << 3 | 3)
#define FINE 0xffu
#define NOT_CANONICAL 0x0000812345678000ul

/* rax: 16:64 pointer. What arrives at the other end notes cs in rdx. */
#define BODY(p)                                                                                    \
    p "jmp: rex64 ljmp *(%rax)\n" p "call: rex64 lcall *(%rax)\n" p                                \
      "ret: pushq 8(%rax); pushq (%rax)\n" p "ret_at: lretq\n" p                                   \
      "iret: mov %rsp, %rdx; pushq $0xe02b; push %rdx; pushq $0x202; pushq 8(%rax); pushq "        \
      "(%rax)\n" p "iret_at: iretq\n" p "target: mov %cs, %edx\n"
asm(".section .user, \"ax\"\n" BODY("u_") "syscall\n"
                                          ".text\n" BODY("k_") "jmp *%rcx\n");
extern char u_jmp[], u_call[], u_ret[], u_ret_at[], u_iret[], u_iret_at[], u_target[];
extern char k_jmp[], k_call[], k_ret[], k_ret_at[], k_iret[], k_iret_at[], k_target[];

static const struct branch {
    const char *name, *kernel, *kernel_at, *user, *user_at;
    unsigned int pushed; /* when it has been done */
    unsigned int operands;
} branches[] = {
    {"jmp", k_jmp, k_jmp, u_jmp, u_jmp, 0, 0},
    {"call", k_call, k_call, u_call, u_call, 16, 0},
    {"ret", k_ret, k_ret_at, u_ret, u_ret_at, 0, 16},
    {"iret", k_iret, k_iret_at, u_iret, u_iret_at, 0, 40},
};

static const struct selector {
    uint16_t selector;
    unsigned int vector;
    uint16_t error;
    const char *what;
} selectors[] = {
    {FLAT_KERNEL_CS, FINE, 0, "Xen's flat code"},
    {SELECTOR(3), FINE, 0, "code of the guest"},
    {SELECTOR(20), FINE, 0, "conforming code"},
    {0, 13, 0, "null"},
    {3, 13, 0, "null with RPL 3"},
    {FLAT_KERNEL_SS, 13, FLAT_KERNEL_SS & ~3, "Xen's flat data"},
    {SELECTOR(21), 13, 21 << 3, "data"},
    {SELECTOR(22), 11, 22 << 3, "code that is not present"},
    {SELECTOR(23), 13, 23 << 3, "a call gate"},
    {SELECTOR(100), 13, 100 << 3, "empty"},
    {0xfffb, 13, 0xfff8, "beyond the table"},
    {SELECTOR(1) | 4, 13, 1 << 3 | 4, "in no LDT"},
};

static struct {
    uint64_t offset;
    uint64_t selector;
} * pointer;
static struct trap_frame seen;
static uint64_t resume, before_rsp, after_rsp;
static bool trapped;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT)
        return false;
    seen = *frame;
    trapped = true;
    frame->rip = resume;
    frame->rsp = before_rsp;
    return true;
}

/* Only the frame's words, which are the same for both. */
static void check_trap(const char *mode, const struct branch *branch, const struct selector *s,
                       const struct trap_frame *frame, uint64_t rip)
{
    CHECK_EQ(frame->vector, s->vector, "%s %s, %s: vector", mode, branch->name, s->what);
    CHECK_EQ(frame->error, s->error, "%s %s, %s: error code", mode, branch->name, s->what);
    CHECK_EQ(frame->rip, rip, "%s %s, %s: rip", mode, branch->name, s->what);
}

static void check_kernel(const struct branch *branch, const struct selector *s, uint64_t offset)
{
    uint64_t cs = 0;

    pointer->offset = offset;
    pointer->selector = s->selector;
    trapped = false;
    trap_hook = hook;
    asm volatile("lea 1f(%%rip), %%rcx\n mov %%rcx, %[resume]\n mov %%rsp, %[before]\n"
                 "mov %%rsp, %%rbx\n jmp *%[f]\n"
                 "1: mov %%rsp, %[after]\n mov %%rbx, %%rsp\n"
                 : [resume] "=m"(resume), [before] "=m"(before_rsp), [after] "=m"(after_rsp),
                   "+d"(cs)
                 : [f] "r"(branch->kernel), "a"(pointer)
                 : "rbx", "rcx", "r11", "memory", "cc");
    trap_hook = NULL;
    if (s->vector != FINE) {
        CHECK(trapped, "kernel %s, %s: no exception", branch->name, s->what);
        check_trap("kernel", branch, s, &seen, (uintptr_t)branch->kernel_at);
        CHECK_EQ(seen.rsp, before_rsp - branch->operands, "its rsp");
        return;
    }
    CHECK(!trapped, "kernel %s, %s: vector %lu", branch->name, s->what, seen.vector);
    CHECK_EQ(cs & 3, 3, "kernel %s, %s: RPL of cs", branch->name, s->what);
    CHECK_EQ(before_rsp - after_rsp, branch->pushed, "kernel %s: what it pushed", branch->name);
}

static void check_user(const struct branch *branch, const struct selector *s, uint64_t offset)
{
    struct trap_frame f =
        program_frame(CODE + (uintptr_t)branch->user % PAGE_SIZE, DATA + PAGE_SIZE - 64);

    pointer->offset = offset;
    pointer->selector = s->selector;
    f.rax = DATA + (uintptr_t)pointer % PAGE_SIZE;
    run_user(&f);
    if (s->vector != FINE) {
        check_trap("program", branch, s, &f, CODE + (uintptr_t)branch->user_at % PAGE_SIZE);
        return;
    }
    CHECK_EQ(f.vector, TRAP_SYSCALL, "program %s, %s: vector", branch->name, s->what);
    CHECK_EQ(f.rdx & 3, 3, "program %s, %s: RPL of cs", branch->name, s->what);
}

static void set_table(void)
{
    uint64_t *gdt = page_alloc();
    unsigned long frame = va_to_mfn(gdt);

    gdt[3] = CODE64_DESC;
    gdt[20] = CODE64_DESC | CONFORMING;
    gdt[21] = DATA_DESC;
    gdt[22] = CODE64_DESC & ~PRESENT;
    CHECK_EQ(remap(gdt, PTE_P), 0, "table read-only");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 512), 0, "set_gdt");
    CHECK_EQ(hypercall2(__HYPERVISOR_update_descriptor, va_to_maddr(&gdt[23]), GATE_DESC), 0,
             "a call gate");
}

void test_main(void)
{
    static const struct selector far = {FLAT_KERNEL_CS, 13, 0, "an address that is not canonical"};

    set_table();
    pointer = page_alloc();
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)u_jmp & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(DATA, va_to_mfn(pointer), PTE_P | PTE_RW | PTE_U);
    for (unsigned int b = 0; b < ARRAY_SIZE(branches); b++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(selectors); i++) {
            check_kernel(&branches[b], &selectors[i], (uintptr_t)k_target);
            check_user(&branches[b], &selectors[i], CODE + (uintptr_t)u_target % PAGE_SIZE);
        }
        if (branches[b].kernel == k_iret) /* see canonical-edge */
            continue;
        check_kernel(&branches[b], &far, NOT_CANONICAL);
        check_user(&branches[b], &far, NOT_CANONICAL);
    }
}
