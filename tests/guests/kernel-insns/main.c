/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kernel-insns - claim: instructions that need special care when kernel code is not run in
 * place behave as on a processor: everything that touches rsp, rip-relative operands, far and
 * near indirect branches, enter and leave, push and pop of memory, xlat, cmpxchg16b, bit
 * strings with large offsets, flags through lahf, popf and sahf, conditional branches of all
 * kinds, loop and jrcxz, segment-prefixed operands, nops with operands, TSC_AUX, selectors; what is
 * not for ring 3, undefined or without an address raises its exception.
 *
 * Blind spots: a sample, not a proof; tests/engine compares generated sequences.
 */
#include "guest.h"

static uint64_t cell = 0x1122334455667788;
static uint8_t table[512] __attribute__((aligned(16)));

static void check_stack(void)
{
    uint64_t a, b, c, rsp;

    asm volatile("mov %%rsp, %[rsp]\n push %%rsp\n pop %[a]\n" : [rsp] "=&r"(rsp), [a] "=&r"(a));
    CHECK_EQ(a, rsp, "push rsp");
    asm volatile("mov %%rsp, %[rsp]\n sub $64, %%rsp\n mov %%rsp, %[a]\n add $64, %%rsp\n"
                 "lea -32(%%rsp), %[b]\n mov %%rsp, %[c]\n"
                 : [rsp] "=&r"(rsp), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c));
    CHECK_EQ(a, rsp - 64, "sub rsp");
    CHECK_EQ(b, rsp - 32, "lea from rsp");
    CHECK_EQ(c, rsp, "add rsp");
    asm volatile("mov %%rsp, %%rbx\n push %[x]\n push %%rsp\n pop %%rsp\n pop %[a]\n"
                 "mov %%rsp, %[b]\n mov %%rbx, %%rsp\n"
                 : [a] "=&r"(a), [b] "=&r"(b)
                 : [x] "r"(0x77ul)
                 : "rbx", "memory");
    CHECK_EQ(a, 0x77, "pop rsp");
    asm volatile("mov %%rsp, %%rbx\n and $-4096, %%rsp\n mov %%rsp, %[a]\n mov %%rbx, %%rsp\n"
                 : [a] "=&r"(a)
                 :
                 : "rbx", "cc");
    CHECK_EQ(a & 4095, 0, "and rsp");
    asm volatile("push %[x]\n push %[y]\n mov (%%rsp), %[a]\n mov 8(%%rsp), %[b]\n"
                 "mov %%rsp, %%rbx\n mov $0x1234, %[c]\n xchg %%rsp, %[c]\n mov %%rbx, %%rsp\n"
                 "add $16, %%rsp\n"
                 : [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c)
                 : [x] "r"(1ul), [y] "r"(2ul)
                 : "rbx", "memory", "cc");
    CHECK(a == 2 && b == 1, "operands relative to rsp");
    CHECK_EQ(c + 16, rsp, "xchg rsp");
    asm volatile("push %%rbp\n mov %%rsp, %[b]\n enter $32, $0\n mov %%rbp, %[c]\n"
                 "mov %%rsp, %[a]\n leave\n pop %%rbp\n"
                 : [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c)
                 :
                 : "rbp", "memory");
    CHECK_EQ(c, b - 8, "rbp by enter");
    CHECK_EQ(a, b - 8 - 32, "rsp by enter");
    asm volatile("pushq %[m]\n popq %[n]\n" : [n] "=m"(table[8]) : [m] "m"(cell) : "memory");
    CHECK_EQ(*(uint64_t *)&table[8], cell, "push and pop of memory");
    /* The address of pop's operand is computed with rsp already raised. */
    asm volatile("push $1\n push %[x]\n popq (%%rsp)\n pop %[a]\n"
                 : [a] "=&r"(a)
                 : [x] "r"(5ul)
                 : "memory");
    CHECK_EQ(a, 5, "pop to the top of the stack");
}

static void check_branches(void)
{
    uint64_t a = 0, count = 0;

    asm volatile("lea 1f(%%rip), %%rax\n push %%rax\n ret\n ud2\n 1: mov $1, %[a]"
                 : [a] "=r"(a)
                 :
                 : "rax", "memory");
    CHECK_EQ(a, 1, "push and ret");
    asm volatile("lea 1f(%%rip), %%rax\n mov %%rax, %[m]\n jmp *%[m]\n ud2\n 1: mov $2, %[a]"
                 : [a] "=r"(a), [m] "=m"(table[64])
                 :
                 : "rax", "memory");
    CHECK_EQ(a, 2, "jmp through memory");
    asm volatile("lea 1f(%%rip), %%rax\n push %%rax\n call *(%%rsp)\n jmp 2f\n"
                 "1: mov $3, %[a]\n ret\n 2: add $8, %%rsp"
                 : [a] "=&r"(a)
                 :
                 : "rax", "memory");
    CHECK_EQ(a, 3, "call through the stack");
    asm volatile("mov $0xe033, %%eax\n push %%rax\n lea 1f(%%rip), %%rax\n push %%rax\n lretq\n"
                 "1: mov $4, %[a]"
                 : [a] "=r"(a)
                 :
                 : "rax", "memory");
    CHECK_EQ(a, 4, "far return");
    asm volatile("call 1f\n 3: jmp 2f\n 1: mov (%%rsp), %[a]\n ret $0\n 2: lea 3b(%%rip), %[b]\n"
                 : [a] "=&r"(a), [b] "=&r"(count)
                 :
                 : "memory");
    CHECK_EQ(a, count, "return address on the stack");
    count = 5;
    a = 0;
    asm volatile("1: inc %[a]\n loop 1b\n jrcxz 2f\n mov $99, %[a]\n 2:"
                 : [a] "+r"(a), "+c"(count)
                 :
                 : "cc");
    CHECK_EQ(a, 5, "loop and jrcxz");
    /* All sixteen conditions with all flag values, against setcc on the same flags. */
    uint64_t wrong = 0;
#define CONDITION(cc)                                                                              \
    for (unsigned int f = 0; f < 256; f++) {                                                       \
        uint64_t flags = (f & 1) | (f & 2 ? 4 : 0) | (f & 4 ? 0x40 : 0) | (f & 8 ? 0x80 : 0) |     \
                         (f & 16 ? 0x800 : 0) | 2;                                                 \
        uint8_t set, taken;                                                                        \
        asm volatile("push %[f]\n popfq\n set" cc " %[s]\n mov $1, %[t]\n push %[f]\n popfq\n"     \
                     "j" cc " 1f\n mov $0, %[t]\n 1:"                                              \
                     : [s] "=&q"(set), [t] "=&q"(taken)                                            \
                     : [f] "r"(flags)                                                              \
                     : "cc", "memory");                                                            \
        wrong += set != taken;                                                                     \
    }
    /* clang-format off */
    CONDITION("o") CONDITION("no") CONDITION("c") CONDITION("nc") CONDITION("z") CONDITION("nz")
    CONDITION("be") CONDITION("a") CONDITION("s") CONDITION("ns") CONDITION("p") CONDITION("np")
    CONDITION("l") CONDITION("ge") CONDITION("le") CONDITION("g")
        /* clang-format on */
        CHECK_EQ(wrong, 0, "conditional branches that differ from setcc");
}

static void check_operands(void)
{
    uint64_t a, b;
    uint8_t byte, flag;

    for (unsigned int i = 0; i < 256; i++)
        table[i] = (uint8_t)(255 - i);
    asm volatile("mov cell(%%rip), %[a]\n lea cell(%%rip), %[b]" : [a] "=r"(a), [b] "=r"(b));
    CHECK_EQ(a, cell, "rip-relative load");
    CHECK_EQ(b, (uintptr_t)&cell, "rip-relative lea");
    asm volatile("xlatb" : "=a"(byte) : "0"((uint8_t)7), "b"(table));
    CHECK_EQ(byte, 248, "xlat");
    memset(table, 0, sizeof(table));
    asm volatile("bts %[bit], %[m]\n setc %[c]"
                 : [c] "=q"(flag), [m] "+m"(table[0])
                 : [bit] "r"(2000ul)
                 : "cc", "memory");
    CHECK_EQ(table[250], 1, "bts with a large bit offset");
    asm volatile("bts %[bit], (%[m])" : : [m] "r"(&table[256]), [bit] "r"(-64l) : "cc", "memory");
    CHECK_EQ(table[248], 1, "bts with a negative bit offset");
    uint64_t *pair = (uint64_t *)table, low = 1, high = 2;
    pair[0] = 1;
    pair[1] = 2;
    asm volatile("lock cmpxchg16b %[m]\n setz %[z]"
                 : [m] "+m"(*(__int128 *)pair), [z] "=q"(flag), "+a"(low), "+d"(high)
                 : "b"(3ul), "c"(4ul)
                 : "cc", "memory");
    CHECK(flag && pair[0] == 3 && pair[1] == 4, "cmpxchg16b");
    asm volatile("movabs %%al, cell\n" : : "a"(0x99));
    CHECK_EQ(cell & 0xff, 0x99, "mov to an absolute address");
    asm volatile("movabs cell, %%rax" : "=a"(a));
    CHECK_EQ(a, cell, "mov from an absolute address");
    asm volatile("mov %%gs:(%[at]), %[a]" : [a] "=r"(a) : [at] "r"(&cell));
    CHECK_EQ(a, cell, "a gs operand with base 0");
    asm volatile("nopl 0x1000(%%rax)\n nopw %%cs:0x0(%%rax,%%rax,1)\n prefetchnta (%%rax)\n"
                 "endbr64\n pause"
                 :
                 : "a"(0x1000));
    asm volatile("mov $0xd5, %%ah\n sahf\n lahf\n mov %%ah, %[a]" : [a] "=r"(byte) : : "rax", "cc");
    CHECK_EQ(byte, 0xd7, "sahf and lahf");
    asm volatile("pushfq\n pop %[a]\n push %[a]\n popfq\n cld" : [a] "=r"(a) : : "cc", "memory");
    CHECK_EQ(a & 0x202, 0x202, "pushf shows IF");
    asm volatile("push $0\n popfq\n pushfq\n pop %[a]" : [a] "=r"(a) : : "cc", "memory");
    CHECK_EQ(a & 0x200, 0x200, "IF after popf of 0");
    asm volatile("sidt (%0)\n sgdt 16(%0)\n smsw %%ax" : : "r"(table) : "rax", "memory");
}

static void check_processor_number(void)
{
    uint32_t leaf[4], aux;
    uint64_t id, shadow = 5;

    asm volatile("wrmsr" : : "c"(0xc0000103), "a"(0x123), "d"(0)); /* TSC_AUX */
    asm volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
    CHECK_EQ(aux, 0x123, "TSC_AUX by rdtscp");
    cpuid(7, 0, leaf);
    if (leaf[2] & 1 << 22) {
        asm volatile("rdpid %0" : "=r"(id));
        CHECK_EQ(id, 0x123, "TSC_AUX by rdpid");
    }
    asm volatile("rdsspq %0" : "+r"(shadow));
    CHECK_EQ(shadow, 5, "rdssp without shadow stacks");
}

/* As a context switch does it: into 16 bits of a register, and a null selector into fs. */
static void check_selectors(void)
{
    const uint32_t fs_base = 0xc0000100;
    uint64_t a = 0x1122334455667788, b = a, base_low = 1, sel;

    asm volatile("mov %%cs, %w0" : "+r"(a));
    CHECK_EQ(a, 0x1122334455660000 | FLAT_KERNEL_CS, "cs in 16 bits");
    asm volatile("mov %0, %%r10\n mov %%ss, %%r10w\n mov %%r10, %0" : "+r"(b) : : "r10");
    CHECK_EQ(b, 0x1122334455660000 | FLAT_KERNEL_SS, "ss in 16 bits of r10");
    asm volatile("mov $-1, %0\n mov %%ds, %k0" : "=r"(sel));
    CHECK_EQ(sel >> 16, 0, "the upper half of ds in 32 bits");
    for (unsigned int i = 0; i < 3; i++) {
        asm volatile("wrmsr" : : "c"(fs_base), "a"(0x1000), "d"(0));
        if (i == 0)
            asm volatile("mov %0, %%fs" : : "a"(0x70000));
        else if (i == 1)
            asm volatile("xor %%ecx, %%ecx\n mov %%ecx, %%fs" : : : "rcx");
        else
            asm volatile("mov $0x10000, %%r9d\n mov %%r9d, %%fs" : : : "r9");
        asm volatile("rdmsr" : "=a"(base_low) : "c"(fs_base) : "rdx");
        CHECK_EQ(base_low, 0, "the base of a null fs");
    }
    asm volatile("mov $-1, %0\n mov %%fs, %k0" : "=r"(sel));
    CHECK_EQ(sel, 0, "fs");
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%fs") : : "r"(0xf000));
    CHECK_EQ(last_trap.vector, 13, "fs with a selector beyond the table");
}

static void check_refused(void)
{
    static uint8_t zero[16];

#define REFUSED(insn, want)                                                                        \
    trap_reset();                                                                                  \
    asm volatile("mov %[zero], %%rax\n xor %%ecx, %%ecx\n" EX_TRY(insn)                            \
                 :                                                                                 \
                 : [zero] "r"(zero)                                                                \
                 : "rax", "rcx", "rdx", "memory", "cc");                                           \
    CHECK_EQ(last_trap.vector, want, insn)
    REFUSED("lgdt (%%rax)", 13);
    REFUSED("lidt (%%rax)", 13);
    REFUSED("lldt %%cx", 13);
    REFUSED("ltr %%cx", 13);
    REFUSED("invd", 13);
    REFUSED("swapgs", 13);
    REFUSED("sysretq", 13);
    REFUSED("invlpg (%%rax)", 13);
    REFUSED(".byte 0x0f, 0x0b", 6);
    REFUSED(".byte 0x0f, 0xff, 0x00", 6);             /* ud0 */
    REFUSED(".byte 0x06", 6);                         /* push es: not in 64-bit code */
    REFUSED(".byte 0xf0, 0x90", 6);                   /* lock nop */
    REFUSED(".byte 0xf0, 0x89, 0xc8", 6);             /* lock mov */
    REFUSED(".byte 0xce", 6);                         /* into */
    REFUSED(".byte 0xf3, 0x48, 0x0f, 0xae, 0xe8", 6); /* incssp: no shadow stacks */
    REFUSED("rdpmc", 13);
    REFUSED("movaps 1(%%rax), %%xmm0", 13);
    trap_reset();
    asm volatile(EX_TRY("mov (%0), %%rdx") : : "r"(0x800000000000) : "rdx", "memory");
    CHECK_EQ(last_trap.vector, 13, "an address that is not canonical");
    trap_reset();
    asm volatile(
        "push %%rbp\n movabs $0x800000000000, %%rbp\n" EX_TRY("mov (%%rbp), %%rdx") "pop %%rbp"
        :
        :
        : "rdx", "memory");
    CHECK_EQ(last_trap.vector, 12, "the stack segment's exception");
    CHECK_EQ(last_trap.error, 0, "its error code");
    trap_reset();
    asm volatile(EX_TRY("wbinvd"));
    CHECK_EQ(last_trap.vector, -1, "wbinvd");
}

void test_main(void)
{
    check_stack();
    check_branches();
    check_operands();
    check_processor_number();
    check_selectors();
    check_refused();
}
