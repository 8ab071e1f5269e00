/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry-flags - claim: whatever flags a program has set, its system calls and exceptions reach
 * the kernel with them in the frame, and the kernel's entry code starts without those that would
 * hurt it (NT, AC, RF, TF; DF at a system call); an iret gives the program its flags back.
 *
 * Blind spots: sysenter, which only some CPUs have in 64-bit mode; 32-bit programs.
 */
#include "guest.h"

#define CODE 0x400000ul
#define DATA 0x600000ul
#define NT 0x4000ul
#define AC 0x40000ul
#define DF 0x400ul
#define ID 0x200000ul
#define STATUS 0x8d5ul /* CF PF AF ZF SF OF */

/* The flags are made by the program itself, from rdi, or come with the iret. */
asm(".section .user, \"ax\"\n"
    "u_syscall: push %rdi; popfq\n u_syscall_now: syscall\n"
    "u_int80: push %rdi; popfq\n u_int80_now: int $0x80\n"
    "u_ud2: push %rdi; popfq\n u_ud2_now: ud2\n"
    "u_fault: push %rdi; popfq\n u_fault_now: mov 0x100000, %al\n"
    ".text\n");
extern char u_syscall[], u_syscall_now[], u_int80[], u_int80_now[], u_ud2[], u_ud2_now[], u_fault[],
    u_fault_now[];

/* Entries of our own note the flags that they start with. */
uint64_t entry_flags, library_entry;
asm(".text\nnoting_entry: pushfq\n pop entry_flags(%rip)\n jmp *library_entry(%rip)\n");
extern char noting_entry[];

static const struct way {
    const char *name, *label, *now;
    unsigned long vector;
    uint64_t cleared; /* in the kernel's entry code */
} ways[] = {
    {"syscall", u_syscall, u_syscall_now, TRAP_SYSCALL, NT | AC | DF},
    {"int 0x80", u_int80, u_int80_now, 0x80, NT | AC},
    {"ud2", u_ud2, u_ud2_now, 6, NT | AC},
    {"page fault", u_fault, u_fault_now, 14, NT | AC},
};

static void intercept(const struct way *way)
{
    struct callback_register callback = {.type = CALLBACKTYPE_syscall,
                                         .address = (uintptr_t)noting_entry};
    struct trap_info table[2] = {
        {.vector = (uint8_t)way->vector, .flags = 3, .address = (uintptr_t)noting_entry}};

    trap_init();
    if (way->vector == TRAP_SYSCALL) {
        library_entry = (uintptr_t)syscall_entry;
        CHECK_EQ(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0,
                 "callback");
        return;
    }
    library_entry = way->vector == 0x80 ? (uintptr_t)trap_entry_int80 : trap_entries[way->vector];
    CHECK_EQ(set_trap_table(table), 0, "trap table");
}

static void check(const struct way *way, uint64_t flags, bool by_iret)
{
    const char *label = by_iret ? way->now : way->label;
    struct trap_frame f = program_frame(CODE + (uintptr_t)label % PAGE_SIZE, DATA + 2048);
    uint64_t shown = NT | AC | DF | ID | STATUS;

    f.rdi = flags;
    if (by_iret)
        f.rflags |= flags;
    entry_flags = ~0ul;
    run_user(&f);
    CHECK_EQ(f.vector, way->vector, "%s, flags 0x%lx: vector", way->name, flags);
    CHECK_EQ(f.rflags & shown, flags & shown, "%s, by iret %u: flags in the frame", way->name,
             by_iret);
    CHECK_EQ(f.rflags & 0x203200, 0x200 | (flags & ID), "%s: IF and IOPL in the frame", way->name);
    CHECK_EQ(entry_flags & (NT | AC | DF), flags & (NT | AC | DF) & ~way->cleared,
             "%s, flags 0x%lx: those of the entry code", way->name, flags);
    if (way->vector == TRAP_SYSCALL)
        CHECK_EQ(f.r11 & shown, flags & shown, "r11 of a syscall");
}

void test_main(void)
{
    static const uint64_t flags[] = {0, NT, AC, DF, ID, STATUS, NT | AC | DF | ID | STATUS};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)u_syscall & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(DATA, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    for (unsigned int w = 0; w < ARRAY_SIZE(ways); w++) {
        intercept(&ways[w]);
        for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
            check(&ways[w], flags[i] | 2, false);
            check(&ways[w], flags[i] | 2, true);
        }
    }
}
