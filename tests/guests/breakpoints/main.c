/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * breakpoints - claim: breakpoints of the debug registers fire, in kernel and in user mode. One
 * on an instruction raises #DB before it, unless RF is set; one on data raises it behind the
 * instruction that wrote (or, for those kinds, read) one of the watched bytes, and behind no
 * other; DR6 names it. A repeated string instruction stops at the round that met it. A
 * single step at the same instruction is reported in the same exception. What is in the lower
 * half of the address space is watched against the kernel, too. Cleared ones are silent. What a
 * load of ss met is reported behind the next instruction, and not in the kernel that this one
 * enters; a system call of 32-bit code is either AMD's or #UD at the instruction.
 *
 * Blind spots: I/O breakpoints, accesses of gather and scatter instructions, most of 32-bit
 * programs.
 */
#include "guest.h"

#define TF 0x100ul
#define RF 0x10000ul
#define CODE 0x400000ul
#define DATA 0x500000ul
#define ENABLE(n) (1ul << 2 * (n))
#define CONTROL(n, kind, length) ((uint64_t)((kind) | (length) << 2) << (16 + 4 * (n)))
#define LEN1 0u
#define LEN2 1u
#define LEN4 3u
#define LEN8 2u

enum { EXECUTE = 0, WRITE = 1, ACCESS = 3 };

#define MAX_SEEN 32

static struct {
    uint64_t rip, dr6, rcx;
} seen[MAX_SEEN];

static unsigned int nr_seen;
static uint64_t cells[8] __attribute__((aligned(64)));

static uint64_t take_dr6(void)
{
    uint64_t dr6;

    asm volatile("mov %%dr6, %0" : "=r"(dr6));
    asm volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ul));
    return dr6 & 0x400f;
}

static bool hook(struct trap_frame *frame)
{
    uint64_t dr6;

    if (frame->vector != 1)
        return false;
    dr6 = take_dr6();
    if (nr_seen < MAX_SEEN) {
        seen[nr_seen].rip = frame->rip;
        seen[nr_seen].dr6 = dr6;
        seen[nr_seen].rcx = frame->rcx;
    }
    if (++nr_seen > 2 * MAX_SEEN) /* something is very wrong */
        hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    if (!(dr6 & 0x4000))
        frame->rflags |= RF;
    frame->rflags &= ~TF;
    return true;
}

static void set_breakpoint(unsigned int n, uint64_t at, unsigned int kind, unsigned int length)
{
    uint64_t dr7 = (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, 7) & ~CONTROL(n, 3u, 3u);

    CHECK_EQ(hypercall2(__HYPERVISOR_set_debugreg, n, at), 0, "dr%u", n);
    CHECK_EQ(hypercall2(__HYPERVISOR_set_debugreg, 7, dr7 | ENABLE(n) | CONTROL(n, kind, length)),
             0, "dr7");
}

static void begin(void)
{
    nr_seen = 0;
    trap_hook = hook;
}

static void end(void)
{
    hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    trap_hook = NULL;
}

/* Exactly one, there, for these reasons. */
static void expect_one(const char *what, const void *rip, uint64_t dr6)
{
    CHECK_EQ(nr_seen, 1, "%s: exceptions", what);
    if (rip)
        CHECK_EQ(seen[0].rip, (uintptr_t)rip, "%s: rip", what);
    CHECK_EQ(seen[0].dr6, dr6, "%s: DR6", what);
    nr_seen = 0;
}

static void expect_none(const char *what)
{
    CHECK_EQ(nr_seen, 0, "%s: exceptions", what);
    nr_seen = 0;
}

extern char on_insn[], stepped[];

static __attribute__((noinline)) void count_up(uint64_t *count)
{
    asm volatile("on_insn: addq $1, %0\n nop" : "+m"(*count) : : "cc");
}

static void check_execution(void)
{
    uint64_t count = 0;

    begin();
    set_breakpoint(2, (uintptr_t)on_insn, EXECUTE, LEN1);
    count_up(&count);
    expect_one("on an instruction", on_insn, 4);
    CHECK_EQ(count, 1, "it was executed then");
    hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    count_up(&count);
    expect_none("cleared");
    set_breakpoint(1, (uintptr_t)stepped, EXECUTE, LEN1);
    asm volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n nop\n stepped: nop\n nop"
                 :
                 :
                 : "memory", "cc");
    CHECK_EQ(nr_seen, 2, "single step, then a breakpoint: exceptions");
    CHECK_EQ(seen[0].dr6, 0x4000, "the step");
    CHECK_EQ(seen[1].dr6, 2, "the breakpoint");
    CHECK_EQ(seen[1].rip, (uintptr_t)stepped, "the breakpoint: rip");
    end();
}

/* An access to the cells, then a label behind it. */
#define TOUCH(what, insn, dr6)                                                                     \
    do {                                                                                           \
        const void *behind;                                                                        \
        nr_seen = 0;                                                                               \
        asm volatile("lea 77f(%%rip), %[behind]\n" insn "\n77: nop\n"                              \
                     : [behind] "=&r"(behind)                                                      \
                     : "b"(at)                                                                     \
                     : "rax", "rcx", "rdx", "memory", "cc");                                       \
        if (dr6)                                                                                   \
            expect_one(what, behind, dr6);                                                         \
        else                                                                                       \
            expect_none(what);                                                                     \
    } while (0)

static void check_data(uint64_t *at)
{
    begin();
    set_breakpoint(0, (uintptr_t)&at[1], WRITE, LEN8);
    TOUCH("mov to memory", "movq %%rax, 8(%%rbx)", 1);
    TOUCH("one byte of it", "movb $3, 15(%%rbx)", 1);
    TOUCH("the byte behind", "movb $3, 16(%%rbx)", 0);
    TOUCH("the word before", "movq $3, (%%rbx)", 0);
    TOUCH("from the word before into it", "movw $3, 7(%%rbx)", 1);
    TOUCH("a read", "movq 8(%%rbx), %%rax", 0);
    TOUCH("add to memory", "addl $1, 12(%%rbx)", 1);
    TOUCH("locked", "lock incq 8(%%rbx)", 1);
    TOUCH("cmp", "cmpq $1, 8(%%rbx)", 0);
    TOUCH("by vector register", "movups %%xmm0, (%%rbx)", 1);
    TOUCH("bit string", "mov $64, %%ecx\n btsq %%rcx, (%%rbx)", 1);
    TOUCH("bit string elsewhere", "mov $128, %%ecx\n btsq %%rcx, (%%rbx)", 0);
    TOUCH("lea", "lea 8(%%rbx), %%rax", 0);
    TOUCH("pop", "push $1\n popq 8(%%rbx)", 1);
    set_breakpoint(3, (uintptr_t)&at[2], ACCESS, LEN2);
    TOUCH("read of a read-write one", "movzwl 16(%%rbx), %%eax", 8);
    TOUCH("write of it", "movb $1, 17(%%rbx)", 8);
    TOUCH("beyond its length", "movb 18(%%rbx), %%al", 0);
    TOUCH("two at once", "movups %%xmm0, 8(%%rbx)", 9);
    TOUCH("read of both", "movups 8(%%rbx), %%xmm0", 8);
    end();
}

/* 24 bytes, of which those of the second cell are watched. */
static void check_strings(uint64_t *at)
{
    void *to = at;
    uint64_t count = 24;

    begin();
    set_breakpoint(0, (uintptr_t)&at[1], WRITE, LEN4);
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(7) : "memory");
    CHECK_EQ(nr_seen, 4, "rep stosb: exceptions");
    for (unsigned int i = 0; i < 4 && i < nr_seen; i++)
        CHECK_EQ(seen[i].rcx, 15 - i, "rep stosb: rounds left at exception %u", i);
    CHECK_EQ(count, 0, "rep stosb: rounds left at the end");
    CHECK_EQ(at[2], 0x0707070707070707, "rep stosb: its result");
    nr_seen = 0;
    to = at;
    count = 8;
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(7) : "memory");
    expect_none("rep stosb before it");
    end();
}

extern char behind_shadow[];

static void check_shadow(void)
{
    static uint32_t selector;

    asm volatile("mov %%ss, %0" : "=r"(selector));
    begin();
    set_breakpoint(0, (uintptr_t)&selector, ACCESS, LEN4);
    asm volatile("mov %0, %%ss\n nop\n behind_shadow:" : : "m"(selector));
    expect_one("a load of ss", behind_shadow, 1);
    end();
}

asm(".section .user, \"ax\"\n"
    "shadow_64: mov (%rbx), %ss; syscall\n"
    "shadow_64_end: mov (%rbx), %ss; nop\n"
    "shadow_64_nop:\n"
    ".code32\n"
    "shadow_32: mov (%ebx), %ss\n"
    "shadow_32_call: syscall\n"
    "shadow_32_end:\n"
    ".code64\n"
    "user_code: mov $5, %eax\n"
    "user_exec: movq %rax, (%rbx)\n"
    "movq %rax, 8(%rbx)\n"
    "user_written: movups (%rbx), %xmm0\n"
    "movups %xmm0, 8(%rbx)\n"
    "user_written_2: push %rax\n"
    "call user_called\n"
    "user_called: rdtsc\n"
    "syscall\n"
    "user_end:\n"
    ".text\n");
extern char shadow_64[], shadow_64_end[], shadow_64_nop[], shadow_32[], shadow_32_call[],
    shadow_32_end[], user_code[], user_exec[], user_written[], user_written_2[], user_end[];

static uint64_t user_address(const char *label)
{
    return CODE + (uintptr_t)label % PAGE_SIZE;
}

static void expect_user(struct trap_frame *f, const char *label, uint64_t dr6)
{
    take_dr6();
    run_user(f);
    CHECK_EQ(f->vector, 1, "user mode: vector");
    CHECK_EQ(f->rip, user_address(label), "user mode: rip");
    CHECK_EQ(take_dr6(), dr6, "user mode: DR6");
}

/* The CPU has the #DB pending when it enters the kernel: it is not the kernel's. */
static void check_user_shadow(void)
{
    struct callback_register cb = {.type = CALLBACKTYPE_syscall32,
                                   .address = (uintptr_t)syscall_entry};
    struct trap_frame f = {.cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rip = user_address(shadow_64),
                           .rsp = DATA + 2048,
                           .rbx = DATA + 64,
                           .rflags = 0x202};

    *(uint32_t *)(DATA + 64) = FLAT_USER_SS;
    CHECK_EQ(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &cb), 0, "syscall32");
    set_breakpoint(0, DATA + 64, ACCESS, LEN4);
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "load of ss and system call: vector");
    CHECK_EQ(f.rip, user_address(shadow_64_end), "load of ss and system call: rip");
    expect_user(&f, shadow_64_nop, 1);
    f.rip = user_address(shadow_32);
    f.cs = FLAT_RING3_CS32;
    f.ss = FLAT_USER_SS;
    f.rflags = 0x202;
    run_user(&f);
    if (f.vector == TRAP_SYSCALL) {
        CHECK_EQ(f.rip, user_address(shadow_32_end), "32-bit system call: rip");
        CHECK_EQ(f.cs & 0xffff, FLAT_RING3_CS32, "32-bit system call: cs");
    } else {
        CHECK_EQ(f.vector, 6, "32-bit system call that there is not");
        CHECK_EQ(f.rip, user_address(shadow_32_call), "32-bit system call that there is not: rip");
    }
}

static void check_user(void)
{
    struct trap_frame f = {.cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rip = user_address(user_code),
                           .rsp = DATA + 2048,
                           .rbx = DATA,
                           .rflags = 0x202};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_code & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(DATA, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    set_breakpoint(0, user_address(user_exec), EXECUTE, LEN1);
    set_breakpoint(1, DATA + 8, WRITE, LEN8);
    expect_user(&f, user_exec, 1);
    CHECK_EQ(f.rflags & TF, 0, "user mode: TF in the frame");
    CHECK_EQ(f.rax, 5, "user mode: the instruction before");
    f.rflags |= RF;
    expect_user(&f, user_written, 2);
    f.rflags |= TF;
    f.rip = user_address(user_exec);
    expect_user(&f, user_exec, 1);
    f.rflags = 0x202;
    f.rip = user_address(user_written);
    expect_user(&f, user_written_2, 2);
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "user mode: the system call at the end");
    CHECK_EQ(f.rip, user_address(user_end), "user mode: its rip");
    CHECK_EQ(f.r11 & (TF | RF), 0, "user mode: flags that it saved");
    check_user_shadow();
    /* The kernel meets them, too. */
    end();
    check_data((uint64_t *)DATA);
    check_strings((uint64_t *)DATA);
    f.rip = user_address(user_code);
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "user mode without breakpoints");
}

void test_main(void)
{
    check_execution();
    check_data(cells);
    check_strings(cells);
    check_shadow();
    check_user();
}
