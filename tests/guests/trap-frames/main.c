/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap-frames - claim: exceptions in kernel mode arrive with the right vector, error code,
 * rip and cr2; the frame is 16-byte aligned below the interrupted stack; its CS has RPL 0 and
 * carries the old upcall mask in byte 4; its flags' IF is the inverse of that mask; a handler
 * marked "mask events" starts with upcalls masked.
 *
 * Blind spots: #DF, #MC, #AC, x87 and SIMD exceptions; TF (see single-step).
 */
#include "guest.h"

static struct trap_frame seen;
static uint8_t seen_mask;
static uint64_t seen_frame_end;
static uint64_t skip_bytes;

static bool hook(struct trap_frame *frame)
{
    static unsigned int count;

    if (frame->vector == TRAP_EVENT || count++ > 1000) /* runaway: let the library report it */
        return false;
    seen = *frame;
    seen_mask = vcpu0()->evtchn_upcall_mask;
    seen_frame_end = (uintptr_t)(&frame->ss + 1);
    frame->rip += skip_bytes;
    return true;
}

/* Runs asm whose last instruction of `bytes` bytes traps (0: a trap, rip is behind it). */
#define TRY(insn, bytes)                                                                           \
    do {                                                                                           \
        seen.vector = ~0ul;                                                                        \
        skip_bytes = bytes;                                                                        \
        asm volatile(insn ::: "memory", "rax", "rcx", "rdx");                                      \
    } while (0)

static void check(const char *what, unsigned long vector, uint64_t error)
{
    CHECK_EQ(seen.vector, vector, "%s: vector", what);
    if (seen.vector == vector)
        CHECK_EQ(seen.error, error, "%s: error code", what);
}

static void check_vectors(void)
{
    TRY("ud2", 2);
    check("ud2", 6, 0);
    TRY("int3", 0);
    check("int3", 3, 0);
    TRY("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; div %%ecx", 2);
    check("div by zero", 0, 0);
    TRY("mov $0x8000000000000000, %%rax; movb (%%rax), %%cl", 2);
    check("non-canonical read", 13, 0);
    TRY("hlt", 1);
    check("hlt", 13, 0);
    TRY("int $0x21", 2);
    check("int 0x21 without a gate", 13, 0x21 * 8 + 2);
    TRY("movabs $0x7f1234567000, %%rax; movb (%%rax), %%cl", 2);
    check("read of nothing", 14, 0);
    TRY("movabs $0x7f1234567000, %%rax; movb %%cl, (%%rax)", 2);
    check("write to nothing", 14, 2);
    TRY("mov %%ss, %%eax; mov $0xfff8, %%ecx; mov %%ecx, %%fs", 2);
    check("selector beyond the table", 13, 0xfff8);
}

static void check_page_faults(void)
{
    uint8_t *page = page_alloc();

    page[0] = 0xc3;
    remap(page, PTE_P);
    seen.vector = ~0ul;
    skip_bytes = 4;
    asm volatile("movb $1, 5(%0)" : : "a"(page) : "memory");
    CHECK_EQ(seen.vector, 14, "write to read-only page");
    CHECK_EQ(seen.error, 3, "its error code");
    CHECK_EQ(vcpu0()->arch.cr2, (uintptr_t)page + 5, "its cr2");
    remap(page, PTE_P | PTE_RW | PTE_NX);
}

static void check_nx(void)
{
    uint8_t *page = page_alloc();

    page[0] = 0xc3; /* ret */
    ((void (*)(void))page)();
    remap(page, PTE_P | PTE_RW | PTE_NX);
    seen.vector = ~0ul;
    /* skip_bytes turns the frame's rip from the page to the label behind the call. */
    asm volatile("lea 2f(%%rip), %%rax\n"
                 "sub %[page], %%rax\n"
                 "mov %%rax, %[skip]\n"
                 "jmp *%[page]\n"
                 "2:"
                 : [skip] "=m"(skip_bytes)
                 : [page] "r"(page)
                 : "rax", "memory");
    CHECK_EQ(seen.vector, 14, "jump to an NX page");
    CHECK_EQ(seen.error & ~1ul, 0x10, "instruction fetch bit of its error code");
    CHECK_EQ(seen.rip, (uintptr_t)page, "rip of the fault");
    CHECK_EQ(vcpu0()->arch.cr2, (uintptr_t)page, "cr2 of the fault");
}

static void check_frame(void)
{
    uint64_t rsp[3], rip;

    for (unsigned int i = 0; i < 3; i++) {
        seen.vector = ~0ul;
        skip_bytes = 2;
        asm volatile("mov %%rsp, %%rbx\n"
                     "sub $256, %%rsp\n"
                     "and $-16, %%rsp\n"
                     "sub %[off], %%rsp\n"
                     "mov %%rsp, %[rsp]\n"
                     "lea 1f(%%rip), %[rip]\n"
                     "1: ud2\n"
                     "mov %%rbx, %%rsp\n"
                     : [rsp] "=&r"(rsp[i]), [rip] "=&r"(rip)
                     : [off] "r"((uint64_t)(i * 5))
                     : "rbx", "memory");
        CHECK_EQ(seen.rsp, rsp[i], "saved rsp at misalignment %u", i * 5);
        CHECK_EQ(seen_frame_end, rsp[i] & ~15ul, "end of the frame at misalignment %u", i * 5);
        CHECK_EQ(seen.rip, rip, "saved rip");
    }
    CHECK_EQ(seen.cs & 0xffff, FLAT_KERNEL_CS & ~3, "saved cs");
    CHECK_EQ(seen.ss & 0xffff, FLAT_KERNEL_SS, "saved ss");
}

static void check_masks(void)
{
    events_off();
    TRY("ud2", 2);
    CHECK_EQ(seen.cs >> 32 & 0xff, 1, "mask byte with upcalls masked");
    CHECK_EQ(seen.rflags & 0x200, 0, "IF with upcalls masked");
    CHECK_EQ(seen_mask, 1, "mask in the handler");
    events_on();
    TRY("ud2", 2);
    CHECK_EQ(seen.cs >> 32 & 0xff, 0, "mask byte with upcalls on");
    CHECK_EQ(seen.rflags & 0x200, 0x200, "IF with upcalls on");
    CHECK_EQ(seen_mask, 0, "mask in a handler that does not ask for it");

    struct trap_info table[2] = {
        {.vector = 6, .flags = 4, .cs = FLAT_KERNEL_CS, .address = trap_entries[6]}};
    CHECK_EQ(set_trap_table(table), 0, "set_trap_table");
    TRY("ud2", 2);
    CHECK_EQ(seen_mask, 1, "mask in a handler that asks for it");
    CHECK_EQ(seen.cs >> 32 & 0xff, 0, "mask byte then");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "mask after the handler");
    table[0].flags = 0;
    set_trap_table(table);
}

void test_main(void)
{
    trap_hook = hook;
    check_vectors();
    check_page_faults();
    check_nx();
    check_frame();
    check_masks();
    TRY(".byte 0xf1", 0);
    check("icebp", 1, 0);
    trap_hook = NULL;
}
