/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz.c - a kernel that makes hypercalls of any number with any arguments, and executes any
 * instructions. "fuzz=SEED", "calls=N"; with "gentle" it makes hypercalls only, leaves out what a
 * kernel cannot survive or wake up from, and puts its trap table and callbacks back after each:
 * then it mostly comes to its end. What must not happen to others is test_attacks.py's business.
 */
#include "guest.h"

#define SCRATCH_PAGES 16
#define CODE_SIZE 64
#define NOT_CANONICAL 0x1234567812345678ul
#define XEN_HOLE 0xffff800000000000ul
#define EFLAGS_FIXED 0x2ul

void trap_init(void);

static uint64_t state;
static bool gentle;
static uint8_t *scratch; /* SCRATCH_PAGES of them in a row */

static uint64_t next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t pointer(void)
{
    return (uint64_t)scratch + next() % (SCRATCH_PAGES * PAGE_SIZE);
}

static uint64_t value(void)
{
    switch (next() % 14) {
    case 0:
        return 0 - next() % 4;
    case 1:
        return 1ul << next() % 64;
    case 2:
        return next();
    case 3:
        return next() & 0xffffffff;
    case 4: /* over the end of what is mapped */
        return (uint64_t)scratch + SCRATCH_PAGES * PAGE_SIZE - next() % 64;
    case 5:
        return NOWHERE + next() % 4096;
    case 6:
        return next() % 2 ? NOT_CANONICAL : XEN_HOLE + (next() & 0xfffff);
    case 7:
        return va_to_mfn(scratch + (next() % SCRATCH_PAGES) * PAGE_SIZE);
    case 8:
        return DOMID_SELF - next() % 16;
    case 9:
        return (uint64_t)start_info + next() % PAGE_SIZE;
    case 10:
        return pointer() & ~7ul;
    default:
        return next() % 40;
    }
}

/* Any words where arguments may be looked for. */
static void fill_scratch(void)
{
    uint64_t *words = (uint64_t *)scratch;

    for (unsigned int n = 0; n < 64; n++)
        words[next() % (SCRATCH_PAGES * PAGE_SIZE / 8)] = value();
    for (unsigned int i = 0; i < 16; i++) {
        uint32_t *half = (uint32_t *)(scratch + (next() % SCRATCH_PAGES) * PAGE_SIZE);

        words[i] = value();
        half[next() % 32] = (uint32_t)value();
    }
}

/* ---- hypercalls ---- */

struct call {
    uint64_t nr, arg[5];
};

/* What ends a kernel, or leaves it without an event to come. */
static bool is_fatal(const struct call *c)
{
    uint32_t command = (uint32_t)c->arg[0];

    switch (c->nr & 0xffffffff) {
    case __HYPERVISOR_iret:
    case __HYPERVISOR_mmu_update:
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
    case __HYPERVISOR_set_gdt:
    case __HYPERVISOR_multicall: /* has one of its own below */
        return true;
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_sched_op_compat:
        return command != SCHEDOP_yield;
    case __HYPERVISOR_vcpu_op:
        return command == VCPUOP_down;
    case __HYPERVISOR_mmuext_op:
    case __HYPERVISOR_memory_op:
    case __HYPERVISOR_set_trap_table:
    case __HYPERVISOR_set_callbacks:
    case __HYPERVISOR_callback_op:
    case __HYPERVISOR_stack_switch:
    case __HYPERVISOR_set_debugreg:
        return next() % 32;
    default:
        return false;
    }
}

static void choose(struct call *c)
{
    do {
        c->nr = next() % 8 ? next() % 56 : value();
        for (unsigned int i = 0; i < 5; i++)
            c->arg[i] = value();
        if (next() % 2) /* a command, and where its argument is */
            c->arg[0] = next() % 40;
        if (next() % 2)
            c->arg[1] = pointer() & ~7ul;
        if (next() % 2)
            c->arg[2] = next() % 4;
    } while (gentle && is_fatal(c));
}

static void put_back(void)
{
    if (!gentle)
        return;
    trap_init();
    hypercall1(__HYPERVISOR_fpu_taskswitch, 0);
}

static void do_call(void)
{
    struct call c;

    choose(&c);
    hypercall5(c.nr, c.arg[0], c.arg[1], c.arg[2], c.arg[3], c.arg[4]);
    put_back();
}

static void do_multicall(void)
{
    multicall_entry_t *list = (multicall_entry_t *)scratch;
    unsigned int n = 1 + (unsigned int)(next() % 16);

    for (unsigned int i = 0; i < n; i++) {
        struct call c;

        choose(&c);
        list[i] = (multicall_entry_t){.op = c.nr};
        for (unsigned int k = 0; k < 5; k++)
            list[i].args[k] = c.arg[k];
    }
    hypercall2(__HYPERVISOR_multicall, list, gentle || next() % 32 ? n : value());
    put_back();
}

/* ---- instructions ---- */

/* void enter_code(const uint64_t regs[16], uint64_t code): until it traps. */
void enter_code(const uint64_t regs[16], uint64_t code);
extern const char code_left[];
extern uint64_t code_rsp;
static bool code_runs;
asm(".text\n"
    "enter_code: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, code_rsp(%rip)\n"
    "mov %rsi, code_target(%rip)\n"
    "mov 0(%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx\n"
    "mov 32(%rdi), %rsp; mov 40(%rdi), %rbp; mov 48(%rdi), %rsi; mov 64(%rdi), %r8\n"
    "mov 72(%rdi), %r9; mov 80(%rdi), %r10; mov 88(%rdi), %r11; mov 96(%rdi), %r12\n"
    "mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15; mov 56(%rdi), %rdi\n"
    "jmp *code_target(%rip)\n"
    "code_left: mov code_rsp(%rip), %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    ".local code_target\n .comm code_target, 8, 8\n"
    ".comm code_rsp, 8, 8\n");

static bool leave_code(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT || !code_runs)
        return false;
    frame->rip = (uint64_t)code_left;
    frame->rsp = code_rsp;
    frame->rflags = EFLAGS_FIXED;
    frame->cs = FLAT_KERNEL_CS & ~3u; /* RPL 0: the kernel */
    frame->ss = FLAT_KERNEL_SS & ~3u;
    code_runs = false;
    return true;
}

static unsigned int put_opcode(uint8_t *p)
{
    static const struct {
        uint8_t size, bytes[5];
    } op[] = {
        {2, {0x0f, 0x01}},                   /* descriptor tables and the zoo */
        {2, {0x0f, 0x00}},                   /* sldt and so on */
        {2, {0x0f, 0x20}},                   /* mov reg, cr */
        {2, {0x0f, 0x22}},                   /* mov cr, reg */
        {2, {0x0f, 0x21}},                   /* mov reg, dr */
        {2, {0x0f, 0x32}},                   /* rdmsr */
        {2, {0x0f, 0x30}},                   /* wrmsr */
        {2, {0x0f, 0xa2}},                   /* cpuid */
        {2, {0x0f, 0xae}},                   /* fxsave and so on */
        {2, {0x0f, 0xc7}},                   /* cmpxchg16b and so on */
        {3, {0xf0, 0x0f, 0xc1}},             /* lock xadd */
        {2, {0x8e, 0xe0}},                   /* mov fs, ax */
        {2, {0x48, 0xcb}},                   /* retfq */
        {2, {0x48, 0xcf}},                   /* iretq */
        {1, {0x9d}},                         /* popf */
        {2, {0xf3, 0xa4}},                   /* rep movsb */
        {3, {0xf3, 0x48, 0xab}},             /* rep stosq */
        {2, {0xf3, 0x6e}},                   /* rep outsb */
        {1, {0xec}},                         /* in al, dx */
        {1, {0xf4}},                         /* hlt */
        {1, {0xfa}},                         /* cli */
        {2, {0xff, 0xe0}},                   /* jmp rax */
        {3, {0x48, 0x89, 0xc4}},             /* mov rsp, rax */
        {5, {0xf3, 0x48, 0x0f, 0xae, 0xd0}}, /* wrfsbase rax */
        {2, {0x48, 0xf7}},                   /* div and so on */
        {1, {0xdd}},                         /* x87 */
        {2, {0xc5, 0xfd}},                   /* VEX */
        {3, {0xc4, 0xe2, 0x7d}},             /* VEX 0F38: gathers */
        {4, {0x62, 0xf2, 0x7d, 0x49}},       /* EVEX */
        {4, {0x66, 0x0f, 0x38, 0xf8}},       /* movdir64b */
        {3, {0x65, 0x48, 0x8b}},             /* mov, by gs */
        {1, {0xc8}},                         /* enter */
        {1, {0xcc}},                         /* int3 */
        {1, {0xcd}},                         /* int */
    };
    unsigned int n = next() % ARRAY_SIZE(op);

    memcpy(p, op[n].bytes, op[n].size);
    return op[n].size;
}

/* Some instructions, and int3. In scratch memory, or over what was there. */
static void do_code(void)
{
    uint8_t *code = scratch + next() % (SCRATCH_PAGES * PAGE_SIZE - 2 * CODE_SIZE), *p = code;
    uint64_t regs[16];

    while (p < code + CODE_SIZE) {
        if (next() % 2)
            p += put_opcode(p);
        for (unsigned int n = next() % 4; n; n--)
            *p++ = (uint8_t)next();
    }
    memset(p, 0xcc, 16);
    for (unsigned int i = 0; i < 16; i++)
        regs[i] = value();
    regs[4] = pointer() & ~7ul;
    trap_hook = leave_code;
    code_runs = true;
    enter_code(regs, (uint64_t)code);
    trap_hook = NULL;
    put_back();
}

/* ---- */

static uint64_t option(const char *name, uint64_t otherwise)
{
    const char *p = (const char *)start_info->cmd_line;
    size_t n = strlen(name);
    uint64_t v = 0;

    for (; *p; p++)
        if (!memcmp(p, name, n)) {
            for (p += n; *p >= '0' && *p <= '9'; p++)
                v = v * 10 + (uint64_t)(*p - '0');
            return v;
        }
    return otherwise;
}

static void allocate_scratch(void)
{
    scratch = page_alloc();
    for (unsigned int i = 1; i < SCRATCH_PAGES; i++)
        if (page_alloc() != scratch + i * PAGE_SIZE)
            error("no pages in a row");
}

void test_main(void)
{
    uint64_t calls = option("calls=", 10000), seed = option("fuzz=", 1);

    state = seed;
    gentle = option("gentle", 1) == 0;
    allocate_scratch();
    console_by_hypercall = true;
    print("fuzz %lu%s\n", seed, gentle ? " gentle" : "");
    for (uint64_t i = 0; i < calls; i++) {
        if (i % 16 == 0)
            fill_scratch();
        if (i % 1000 == 0)
            print("%lu calls\n", i);
        if (!gentle && next() % 4 == 0)
            do_code();
        else if (next() % 4 == 0)
            do_multicall();
        else
            do_call();
    }
    print("%lu calls done\n", calls);
}
