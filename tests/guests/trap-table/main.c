/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap-table - claim: set_trap_table merges entries up to the first with address 0 and leaves
 * the other vectors; a list without an address empties the table; an address that is not
 * canonical stops it with -EINVAL and what came before stays; the selector counts for nothing.
 * int n asks for the gate's DPL (1 for the kernel, 3 for programs) and gives #GP(n * 8 + 2) at
 * the instruction, int3 does not ask; int 0x80 without a handler is #GP, not a crash. A handler
 * starts with AC, NT, RF and TF clear, DF as it was, and the segment registers as they were.
 * Without a handler for #GP an unknown MSR reads as 0.
 *
 * Blind spots: other missing handlers (see crash-no-handler).
 */
#include "guest.h"

uint64_t seen_flags, seen_cs, seen_ss, seen_rip, frame_flags, frame_cs, frame_rip, frame_error;
uint64_t seen_count;
uint64_t jump_to; /* if not 0, the frame's rip is replaced */

/* A handler that notes what it starts with and returns by iret. `words` above rcx, r11 and the
 * error code, if there is one, are rip, cs, rflags. */
#define HANDLER(name, has_error)                                                                   \
    asm(".text\n" name ": mov %cs, seen_cs(%rip)\n mov %ss, seen_ss(%rip)\n"                       \
        "pushfq\n pop seen_flags(%rip)\n cld\n pop %rcx\n pop %r11\n" has_error "push %rax\n"      \
        "mov 8(%rsp), %rax\n mov %rax, frame_rip(%rip)\n"                                          \
        "mov 16(%rsp), %rax\n mov %rax, frame_cs(%rip)\n"                                          \
        "mov 24(%rsp), %rax\n mov %rax, frame_flags(%rip)\n"                                       \
        "incq seen_count(%rip)\n"                                                                  \
        "mov jump_to(%rip), %rax\n test %rax, %rax\n jz 1f\n mov %rax, 8(%rsp)\n"                  \
        "1: pop %rax\n"                                                                            \
        "push $0\n push %rcx\n push %r11\n push %rax\n mov $23, %eax\n syscall\n")
HANDLER("plain_handler", "");
HANDLER("other_handler", "");
HANDLER("error_handler", "pop frame_error(%rip)\n");
extern char plain_handler[], other_handler[], error_handler[];

static void set_one(unsigned int vector, unsigned int flags, const void *handler)
{
    struct trap_info table[2] = {{.vector = (uint8_t)vector,
                                  .flags = (uint8_t)flags,
                                  .cs = FLAT_KERNEL_CS,
                                  .address = (uintptr_t)handler}};

    CHECK_EQ(set_trap_table(table), 0, "set_trap_table of vector %u", vector);
}

/* Executes code that may trap; returns how often. */
#define COUNT(code)                                                                                \
    ({                                                                                             \
        seen_count = 0;                                                                            \
        frame_error = ~0ul;                                                                        \
        asm volatile("lea 9f(%%rip), %%rax\n mov %%rax, jump_to(%%rip)\n" code "\n9:\n"            \
                     :                                                                             \
                     :                                                                             \
                     : "rax", "memory", "cc");                                                     \
        seen_count;                                                                                \
    })

static void check_merging(void)
{
    struct trap_info table[5] = {
        {.vector = 0x30, .flags = 1, .cs = 0, .address = (uintptr_t)plain_handler},
        {.vector = 0x31, .flags = 1, .cs = 0x1234, .address = (uintptr_t)plain_handler},
        {.vector = 0x32, .flags = 1, .cs = 0xffff, .address = 0x0000800000000000},
        {.vector = 0x33, .flags = 1, .cs = FLAT_KERNEL_CS, .address = (uintptr_t)plain_handler},
    };

    set_one(0x2f, 1, plain_handler);
    CHECK_EQ(set_trap_table(table), -XEN_EINVAL, "a table with a non-canonical address");
    CHECK_EQ(COUNT("int $0x30"), 1, "the entry before the bad one");
    CHECK_EQ(seen_cs, FLAT_KERNEL_CS, "cs of a handler whose entry says 0");
    CHECK_EQ(seen_ss, FLAT_KERNEL_SS, "ss of a handler");
    CHECK_EQ(COUNT("int $0x31"), 1, "another one");
    CHECK_EQ(seen_cs, FLAT_KERNEL_CS, "cs of a handler whose entry says 0x1234");
    CHECK_EQ(COUNT("int $0x2f"), 1, "a vector that the table did not name");
    set_one(13, 0, error_handler);
    CHECK_EQ(COUNT("int $0x33"), 1, "the entry behind the bad one");
    CHECK_EQ(frame_error, 0x33 * 8 + 2, "error code of its #GP");

    table[2].address = 0;
    CHECK_EQ(set_trap_table(table), 0, "a table that ends early");
    CHECK_EQ(COUNT("int $0x33"), 1, "the entry behind its end");
    CHECK_EQ(frame_error, 0x33 * 8 + 2, "error code of its #GP, again");
    table[2].address = (uintptr_t)plain_handler;
    table[2].vector = table[3].vector = 0x33;
    table[3].address = (uintptr_t)other_handler;
    CHECK_EQ(set_trap_table(table), 0, "a table that names a vector twice");
    CHECK_EQ(COUNT("int $0x33"), 1, "that vector");
    CHECK_EQ(frame_error, ~0ul, "it is no #GP");
    set_one(0xff, 1, plain_handler);
    CHECK_EQ(COUNT("int $0xff"), 1, "vector 255");
}

static void check_kernel_dpl(void)
{
    set_one(13, 0, error_handler);
    for (unsigned int dpl = 0; dpl < 4; dpl++) {
        set_one(0x40, dpl, plain_handler);
        CHECK_EQ(COUNT("8: int $0x40"), 1, "int 0x40 with DPL %u", dpl);
        CHECK_EQ(frame_error, dpl ? ~0ul : 0x40 * 8 + 2, "error code with DPL %u", dpl);
        if (!dpl)
            CHECK_EQ(frame_rip, jump_to - 2, "rip of the #GP");
        else
            CHECK_EQ(frame_rip, jump_to, "rip of int 0x40 with DPL %u", dpl);
        set_one(0x80, dpl, plain_handler);
        CHECK_EQ(COUNT("int $0x80"), 1, "int 0x80 with DPL %u", dpl);
        CHECK_EQ(frame_error, dpl ? ~0ul : 0x402, "error code of int 0x80 with DPL %u", dpl);
    }
    set_one(3, 0, plain_handler);
    CHECK_EQ(COUNT("int3"), 1, "int3 with DPL 0");
    CHECK_EQ(frame_error, ~0ul, "it is no #GP");
    CHECK_EQ(frame_rip, jump_to, "its rip");
}

static void check_handler_flags(void)
{
    uint16_t ds, es;

    set_one(6, 0, plain_handler);
    set_one(0x40, 1, plain_handler);
    asm volatile("mov %0, %%ds\n mov %0, %%es" : : "r"(FLAT_KERNEL_SS));
    CHECK_EQ(COUNT("pushfq\n orl $0x44c00, (%%rsp)\n popfq\n ud2"), 1,
             "ud2 with AC, NT, OF and DF");
    CHECK_EQ(frame_flags & 0x44c00, 0x44c00, "AC, NT, OF and DF in the frame");
    CHECK_EQ(seen_flags & 0x44000, 0, "AC and NT in the handler");
    CHECK_EQ(seen_flags & 0xc00, 0xc00, "DF and OF in the handler");
    CHECK_EQ(seen_flags & 0x200, 0x200, "the real IF in the handler");
    asm volatile("mov %%ds, %0\n mov %%es, %1" : "=r"(ds), "=r"(es));
    CHECK_EQ(ds, FLAT_KERNEL_SS, "ds behind the handler");
    CHECK_EQ(es, FLAT_KERNEL_SS, "es behind the handler");
    asm volatile("mov %0, %%ds\n mov %0, %%es" : : "r"(0));
    asm volatile("pushfq\n andl $~0x44c00, (%%rsp)\n popfq" : : : "cc", "memory");
    CHECK_EQ(COUNT("int $0x40"), 1, "int 0x40");
    CHECK_EQ(frame_cs >> 32, 0, "upcall mask in its frame");
    events_off();
    CHECK_EQ(COUNT("int $0x40"), 1, "int 0x40 with upcalls masked");
    CHECK_EQ(frame_cs >> 32, 1, "upcall mask in its frame then");
    CHECK_EQ(frame_flags & 0x200, 0, "IF in its frame then");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 1, "upcall mask behind its iret");
    events_on();
}

#define CODE 0x400000ul
#define STACK 0x500000ul
asm(".section .user, \"ax\"\n"
    "user_int: int $0x40\n user_int_end:\n"
    "user_int_80: int $0x80\n"
    "user_int_3: int3\n"
    ".text\n");
extern char user_int[], user_int_end[], user_int_80[], user_int_3[];

static struct trap_frame in_user(const char *label)
{
    struct trap_frame f = {.rip = CODE + (uintptr_t)label % PAGE_SIZE,
                           .cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = STACK + 2048,
                           .rflags = 0x202};

    run_user(&f);
    return f;
}

static void check_user_dpl(void)
{
    struct trap_frame f;

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_int & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    for (unsigned int dpl = 0; dpl < 4; dpl++) {
        set_one(0x40, dpl, trap_entry_int80);
        f = in_user(user_int);
        CHECK_EQ(f.vector, dpl == 3 ? 0x80 : 13, "int 0x40 by a program, DPL %u", dpl);
        CHECK_EQ(f.error, dpl == 3 ? 0 : 0x40 * 8 + 2, "its error code, DPL %u", dpl);
        CHECK_EQ(f.rip, CODE + (uintptr_t)(dpl == 3 ? user_int_end : user_int) % PAGE_SIZE,
                 "its rip, DPL %u", dpl);
        set_one(0x80, dpl, trap_entry_int80);
        f = in_user(user_int_80);
        CHECK_EQ(f.vector, dpl == 3 ? 0x80 : 13, "int 0x80 by a program, DPL %u", dpl);
        if (dpl < 3)
            CHECK_EQ(f.error, 0x402, "its error code, DPL %u", dpl);
    }
    set_one(3, 0, (void *)trap_entries[3]);
    f = in_user(user_int_3);
    CHECK_EQ(f.vector, 3, "int3 by a program, DPL 0");
}

/* No table at all: early code, where a fault would be the end. */
static void check_empty(void)
{
    static struct trap_info gp[2] = {{.vector = 13, .cs = FLAT_KERNEL_CS}};
    uint32_t low = 1, high = 1;
    struct trap_frame f;

    CHECK_EQ(set_trap_table(NULL), 0, "an empty table");
    asm volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(0x12345678));
    CHECK_EQ(low | high, 0, "an unknown MSR without a handler for #GP");
    asm volatile("wrmsr" : : "a"(0), "d"(0), "c"(0x12345678));
    gp[0].address = (uintptr_t)error_handler;
    CHECK_EQ(set_trap_table(gp), 0, "a handler for #GP alone");
    CHECK_EQ(COUNT("int $0x80"), 1, "int 0x80 without a handler");
    CHECK_EQ(frame_error, 0x402, "error code of its #GP");
    CHECK_EQ(frame_rip, jump_to - 2, "rip of its #GP");
    trap_init();
    set_one(0x80, 3, NULL); /* ends the list: nothing is changed */
    f = in_user(user_int_80);
    CHECK_EQ(f.vector, 0x80, "int 0x80 after an empty list");
    seen_count = 0;
    asm volatile(EX_TRY("rdmsr") : "+a"(low), "+d"(high) : "c"(0x12345678));
    CHECK_EQ(last_trap.vector, 13, "an unknown MSR with a handler");
}

void test_main(void)
{
    check_merging();
    check_kernel_dpl();
    check_handler_flags();
    trap_init();
    check_user_dpl();
    check_empty();
}
