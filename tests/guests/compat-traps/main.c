/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * compat-traps - claim: the exceptions that only 32-bit code has, and those that look different
 * there, arrive as in 64-bit code: into and bound, int n by its gate's DPL, ud2, div, privileged
 * instructions, a null selector used or a bad one loaded, a store beyond a segment that is
 * read-only; rip, and rsp with its upper half clear, at the instruction or behind a trap.
 *
 * Blind spots: segments with limits; sysenter and syscall (see compat-mode).
 */
#include "guest.h"

#define CODE 0x400000ul
#define STACK 0x500000ul

asm(".section .user, \"ax\"\n"
    ".code32\n"
    "c_into: mov $0x7fffffff, %eax; inc %eax\n c_into_at: into\n c_into_next: int $0x80\n"
    "c_into_not: xor %eax, %eax; into; int $0x80\n"
    "c_bound: movl $1, (%edi); movl $5, 4(%edi); mov $6, %eax\n c_bound_at: bound %eax, (%edi)\n"
    "c_bound_in: movl $1, (%edi); movl $5, 4(%edi); mov $5, %eax; bound %eax, (%edi); int $0x80\n"
    "c_int3: int3\n c_int3_next: nop\n"
    "c_int: int $0x40\n c_int_next: nop\n"
    "c_closed: int $0x41\n"
    "c_ud: ud2\n"
    "c_aam: mov $7, %al\n c_aam_at: aam $0\n"
    "c_hlt: hlt\n"
    "c_cli: cli\n"
    "c_in: in $0x60, %al\n"
    "c_cr: mov %cr0, %eax\n"
    "c_null: xor %eax, %eax; mov %eax, %es\n c_null_at: mov %es:(%edi), %eax\n"
    "c_bad: mov $0x1fb, %eax\n c_bad_at: mov %eax, %es\n"
    "c_cs: mov %cs:(%edi), %eax\n c_cs_at: mov %eax, %cs:(%edi)\n"
    "c_page: mov $0x12345678, %edi\n c_page_at: mov %eax, (%edi)\n"
    "c_old: mov $0x15, %al; daa; aaa; das; aas; aad; .byte 0xd6; pusha; popa; push %es; pop %es\n"
    "lahf; sahf; arpl %ax, %bx; cwtl; int $0x80\n"
    ".code64\n"
    ".text\n");
#define LABELS(X)                                                                                  \
    X(c_into_at)                                                                                   \
    X(c_into)                                                                                      \
    X(c_into_next) X(c_into_not) X(c_bound) X(c_bound_at) X(c_bound_in) X(c_int3) X(c_int3_next)   \
        X(c_int) X(c_int_next) X(c_closed) X(c_ud) X(c_aam) X(c_aam_at) X(c_hlt) X(c_cli) X(c_in)  \
            X(c_cr) X(c_null) X(c_null_at) X(c_bad) X(c_bad_at) X(c_cs) X(c_cs_at) X(c_page)       \
                X(c_page_at) X(c_old)
#define DECLARE(label) extern char label[];
LABELS(DECLARE)

#define NO_ERROR ~0ul
static const struct {
    const char *name, *label, *rip; /* NULL: behind an int 0x80 somewhere */
    unsigned long vector;
    uint64_t error;
} cases[] = {
    {"into", c_into, c_into_next, 4, NO_ERROR},
    {"into without OF", c_into_not, NULL, 0x80, NO_ERROR},
    {"bound", c_bound, c_bound_at, 5, NO_ERROR},
    {"bound, inside", c_bound_in, NULL, 0x80, NO_ERROR},
    {"int3", c_int3, c_int3_next, 3, NO_ERROR},
    {"int 0x40", c_int, c_int_next, 0x80, NO_ERROR}, /* the library's entry is that of 0x80 */
    {"int 0x41", c_closed, c_closed, 13, 0x41 * 8 + 2},
    {"ud2", c_ud, c_ud, 6, NO_ERROR},
    {"aam by 0", c_aam, c_aam_at, 0, NO_ERROR},
    {"hlt", c_hlt, c_hlt, 13, 0},
    {"cli", c_cli, c_cli, 13, 0},
    {"in", c_in, c_in, 13, 0},
    {"mov from cr0", c_cr, c_cr, 13, 0},
    {"a null selector", c_null, c_null_at, 13, 0},
    {"a selector of nothing", c_bad, c_bad_at, 13, 0x1f8},
    {"a store to code", c_cs, c_cs_at, 13, 0},
    {"a page fault", c_page, c_page_at, 14, 6},
    {"old instructions", c_old, NULL, 0x80, NO_ERROR},
};

static uint64_t at(const char *label)
{
    return CODE + (uintptr_t)label % PAGE_SIZE;
}

void test_main(void)
{
    struct trap_info gates[3] = {
        {.vector = 0x40, .flags = 3, .address = (uintptr_t)trap_entry_int80},
        {.vector = 0x41, .flags = 0, .address = (uintptr_t)trap_entry_int80}};

    CHECK_EQ(set_trap_table(gates), 0, "gates");
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)c_into & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        struct trap_frame f = {.rip = at(cases[i].label),
                               .cs = 0xe023,
                               .ss = FLAT_USER_SS,
                               .rsp = STACK + 2048,
                               .rdi = STACK + 128,
                               .rflags = 0x202};

        run_user(&f);
        CHECK_EQ(f.vector, cases[i].vector, "%s: vector", cases[i].name);
        if (cases[i].rip)
            CHECK_EQ(f.rip, at(cases[i].rip), "%s: rip", cases[i].name);
        if (cases[i].error != NO_ERROR)
            CHECK_EQ(f.error, cases[i].error, "%s: error code", cases[i].name);
        CHECK_EQ(f.rsp, STACK + 2048, "%s: rsp", cases[i].name);
        CHECK_EQ(f.cs & 0xffff, 0xe023, "%s: cs", cases[i].name);
    }
}
