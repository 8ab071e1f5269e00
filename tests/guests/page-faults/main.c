/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * page-faults - claim: page faults of kernel accesses are precise. Error code bits P and W
 * (and I for fetches, U never) are right for missing pages, read-only pages, read-only and
 * no-execute upper levels; cr2 is the first byte that could not be reached, also when an
 * access straddles two pages; rip is at the instruction and no register has changed; an
 * instruction that reads and writes faults as a write; a repeated string instruction stops
 * with its registers at the element that faulted; the access is carried out after the handler
 * has repaired the page. All this for pages of the kernel half and of the user half.
 *
 * Blind spots: user mode (see user-mode), reserved bits, several faults of one instruction
 * beyond two pages.
 */
#include "guest.h"

static uint64_t window; /* two pages; the second is what the cases vary */
static uint8_t *page_a, *page_b;
static const char *place;

static struct trap_frame seen;
static uint64_t seen_cr2, seen_count;
uint64_t resume, insn_at; /* asm */
static void (*repair)(void);

static bool hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT)
        return false;
    if (!seen_count++) {
        seen = *frame;
        seen_cr2 = vcpu0()->arch.cr2;
    }
    if (repair && seen_count < 10)
        repair();
    else
        frame->rip = resume;
    return true;
}

static void set_pages(uint64_t first, uint64_t second)
{
    map(window, first ? va_to_mfn(page_a) : 0, first);
    map(window + PAGE_SIZE, second ? va_to_mfn(page_b) : 0, second);
}

static void repair_both(void)
{
    set_pages(PTE_P | PTE_RW, PTE_P | PTE_RW);
}

/* Executes one instruction with known registers: rax = the address, rcx, rdx, rbx, rsi, rdi as
 * given. What they were after it (or at the fault) is in `after`. */
struct regs {
    uint64_t rax, rcx, rdx, rbx, rsi, rdi;
} before, after;

#define RUN(insn)                                                                                  \
    do {                                                                                           \
        seen_count = 0;                                                                            \
        trap_hook = hook;                                                                          \
        asm volatile("lea 1f(%%rip), %%rax\n mov %%rax, insn_at(%%rip)\n"                          \
                     "lea 2f(%%rip), %%rax\n mov %%rax, resume(%%rip)\n"                           \
                     "mov before(%%rip), %%rax\n mov before+8(%%rip), %%rcx\n"                     \
                     "mov before+16(%%rip), %%rdx\n mov before+24(%%rip), %%rbx\n"                 \
                     "mov before+32(%%rip), %%rsi\n mov before+40(%%rip), %%rdi\n"                 \
                     "cld\n stc\n"                                                                 \
                     "1: " insn "\n"                                                               \
                     "2: mov %%rax, after(%%rip)\n mov %%rcx, after+8(%%rip)\n"                    \
                     "mov %%rdx, after+16(%%rip)\n mov %%rbx, after+24(%%rip)\n"                   \
                     "mov %%rsi, after+32(%%rip)\n mov %%rdi, after+40(%%rip)\n"                   \
                     :                                                                             \
                     :                                                                             \
                     : "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "memory", "cc");                  \
        trap_hook = NULL;                                                                          \
    } while (0)

static void set_before(uint64_t address)
{
    before = (struct regs){address, 0x1111, 0x2222, 0x3333, address, address};
}

static void expect(const char *what, uint64_t error, uint64_t cr2)
{
    CHECK_EQ(seen_count, 1, "%s, %s: faults", place, what);
    CHECK_EQ(seen.vector, 14, "%s, %s: vector", place, what);
    CHECK_EQ(seen.error, error, "%s, %s: error code", place, what);
    CHECK_EQ(seen_cr2, cr2, "%s, %s: cr2", place, what);
    CHECK_EQ(seen.rip, insn_at, "%s, %s: rip", place, what);
    CHECK(seen.rflags & 1, "%s, %s: carry is lost", place, what);
}

static void expect_registers(const char *what)
{
    CHECK(!memcmp(&before, &after, sizeof(before)), "%s, %s: registers changed", place, what);
}

/* Every kind of access at one address. rw: it is read, too, and must fault as a write. */
#define CASE(insn, error, cr2)                                                                     \
    RUN(insn);                                                                                     \
    expect(insn, error, cr2);                                                                      \
    expect_registers(insn)

static void check_kinds(uint64_t address, uint64_t read_error, uint64_t write_error)
{
    set_before(address);
    if (read_error != ~0ul) {
        CASE("movb (%%rax), %%cl", read_error, address);
        CASE("movq (%%rax), %%rcx", read_error, address);
        CASE("cmpl $5, (%%rax)", read_error, address);
        CASE("imul (%%rax), %%rdx", read_error, address);
        CASE("btl $3, (%%rax)", read_error, address);
        CASE("movups (%%rax), %%xmm0", read_error, address);
        CASE("addsd (%%rax), %%xmm0", read_error, address);
        CASE("punpcklbw (%%rax), %%mm0", read_error, address);
        CASE("fldl (%%rax)", read_error, address);
        CASE("lodsb", read_error, address);
        CASE("pushq (%%rax)", read_error, address);
        CASE("jmp *(%%rax)", read_error, address);
        CASE("cmovcq (%%rax), %%rbx", read_error, address);
        CASE("cmovncq (%%rax), %%rbx", read_error, address); /* reads even so */
    }
    CASE("movb %%cl, (%%rax)", write_error, address);
    CASE("movq %%rcx, (%%rax)", write_error, address);
    CASE("movq $-1, (%%rax)", write_error, address);
    CASE("addl $5, (%%rax)", write_error, address);
    CASE("lock incq (%%rax)", write_error, address);
    CASE("xchg %%rcx, (%%rax)", write_error, address);
    CASE("lock cmpxchg %%rcx, (%%rax)", write_error, address);
    CASE("btsl $3, (%%rax)", write_error, address);
    CASE("notb (%%rax)", write_error, address);
    CASE("setc (%%rax)", write_error, address);
    CASE("movups %%xmm0, (%%rax)", write_error, address);
    CASE("movhps %%xmm0, (%%rax)", write_error, address);
    CASE("fistpl (%%rax)", write_error, address);
    CASE("stosb", write_error, address);
    CASE("shlq $3, (%%rax)", write_error, address);
}

static void check_missing(void)
{
    set_pages(PTE_P | PTE_RW, 0);
    check_kinds(window + PAGE_SIZE + 24, 0, 2);
    set_pages(PTE_P | PTE_RW, PTE_P);
    check_kinds(window + PAGE_SIZE + 24, ~0ul, 3);
}

/* Over the boundary: the first page is fine, the second is not. */
static void check_straddling(void)
{
    uint64_t second = window + PAGE_SIZE;

    set_pages(PTE_P | PTE_RW, 0);
    page_a[PAGE_SIZE - 1] = page_a[PAGE_SIZE - 2] = 0x5a;
    set_before(second - 2);
    CASE("movl (%%rax), %%ecx", 0, second);
    CASE("movq (%%rax), %%rcx", 0, second);
    CASE("movups (%%rax), %%xmm0", 0, second);
    CASE("mulsd (%%rax), %%xmm0", 0, second);
    CASE("cvtdq2pd (%%rax), %%xmm0", 0, second);
    CASE("fldt (%%rax)", 0, second);
    CASE("movq %%rcx, (%%rax)", 2, second);
    CASE("addq $5, (%%rax)", 2, second);
    CASE("lock xadd %%rcx, (%%rax)", 2, second);
    CASE("movups %%xmm0, (%%rax)", 2, second);
    CASE("movlps %%xmm0, (%%rax)", 2, second);
    CASE("fstl (%%rax)", 2, second);
    CHECK_EQ(page_a[PAGE_SIZE - 1], 0x5a, "%s: a store that faulted was carried out in part",
             place);
    set_pages(PTE_P | PTE_RW, PTE_P);
    CASE("movq %%rcx, (%%rax)", 3, second);
    CASE("addq $5, (%%rax)", 3, second);
    CHECK_EQ(page_a[PAGE_SIZE - 1], 0x5a, "%s: the same, read-only", place);
    /* The first page missing. */
    set_pages(0, PTE_P | PTE_RW);
    CASE("movq (%%rax), %%rcx", 0, second - 2);
    CASE("movq %%rcx, (%%rax)", 2, second - 2);
}

static void check_strings(void)
{
    uint64_t second = window + PAGE_SIZE;

    set_pages(PTE_P | PTE_RW, 0);
    set_before(window);
    before.rcx = PAGE_SIZE;
    before.rdi = second - 100;
    RUN("rep stosb");
    expect("rep stosb", 2, second);
    CHECK_EQ(after.rdi, second, "%s: rdi at the fault", place);
    CHECK_EQ(after.rcx, PAGE_SIZE - 100, "%s: rcx at the fault", place);
    before.rcx = 100;
    before.rsi = second - 80;
    before.rdi = window;
    RUN("rep movsq");
    expect("rep movsq", 0, second);
    CHECK_EQ(after.rsi, second, "%s: rsi at the fault", place);
    CHECK_EQ(after.rdi, window + 80, "%s: rdi at the fault", place);
    CHECK_EQ(after.rcx, 90, "%s: rcx at the fault", place);
    memset(page_a, 0, PAGE_SIZE);
    before.rax = 1;
    before.rcx = 1000;
    before.rdi = second - 16;
    RUN("repne scasb");
    CHECK_EQ(seen.error, 0, "%s: error code of scasb", place);
    CHECK_EQ(seen_cr2, second, "%s: cr2 of scasb", place);
    CHECK_EQ(after.rdi, second, "%s: rdi of scasb", place);
    CHECK_EQ(after.rcx, 1000 - 16, "%s: rcx of scasb", place);
    /* Downwards into a missing page. */
    set_pages(0, PTE_P | PTE_RW);
    before.rcx = 64;
    before.rdi = second + 15;
    RUN("std; 1: rep stosb; cld");
    CHECK_EQ(seen_cr2, second - 1, "%s: cr2 downwards", place);
}

static void check_repair(void)
{
    uint64_t second = window + PAGE_SIZE;

    repair = repair_both;
    set_pages(PTE_P | PTE_RW, 0);
    memset(page_a, 1, PAGE_SIZE);
    memset(page_b, 1, PAGE_SIZE);
    set_before(second - 4);
    RUN("addq $1, (%%rax)");
    CHECK_EQ(seen_count, 1, "%s: faults until it was repaired", place);
    CHECK_EQ(page_a[PAGE_SIZE - 4], 2, "%s: sum after the repair", place);
    set_pages(PTE_P | PTE_RW, PTE_P);
    before.rcx = 2 * PAGE_SIZE;
    before.rax = 7;
    before.rdi = window;
    RUN("rep stosb");
    CHECK_EQ(after.rcx, 0, "%s: rcx of the whole rep stosb", place);
    CHECK(page_a[0] == 7 && page_b[0] == 7 && page_b[PAGE_SIZE - 1] == 7, "%s: its result", place);
    set_pages(0, 0);
    before.rsi = (uintptr_t)page_a;
    before.rdi = window + 3;
    before.rcx = PAGE_SIZE;
    RUN("rep movsb");
    CHECK_EQ(after.rcx, 0, "%s: rcx of a copy", place);
    CHECK(seen_count <= 2, "%s: %lu faults of a copy", place, seen_count);
    repair = NULL;
}

/* Rights are the poorest of all levels. */
static void check_upper(void)
{
    uint64_t *l2 = pte_of(window, 2), entry = *l2;
    mmu_update_t req = {.ptr = va_to_maddr(l2), .val = entry & ~PTE_RW};

    set_pages(PTE_P | PTE_RW, PTE_P | PTE_RW);
    set_before(window);
    before.rax = window + 8;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "RW of a level-2 entry off");
    CASE("movq %%rcx, (%%rax)", 3, window + 8);
    RUN("movq (%%rax), %%rcx");
    CHECK_EQ(seen_count, 0, "%s: read below a read-only entry", place);
    req.val = entry;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "and on");
    RUN("movq %%rcx, (%%rax)");
    CHECK_EQ(seen_count, 0, "%s: write after RW came back", place);

    page_a[0] = 0xc3;
    req.val = entry | PTE_NX;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "NX of a level-2 entry");
    seen_count = 0;
    trap_hook = hook;
    asm volatile("mov %%rsp, %%rbx\n lea 1f(%%rip), %%rcx\n mov %%rcx, resume(%%rip)\n"
                 "call *%%rax\n 1: mov %%rbx, %%rsp"
                 :
                 : "a"(window)
                 : "rbx", "rcx", "memory");
    trap_hook = NULL;
    CHECK_EQ(seen.error & ~1ul, 0x10, "%s: error code of a fetch below NX", place);
    CHECK_EQ(seen.rip, window, "%s: its rip", place);
    CHECK_EQ(seen_cr2, window, "%s: its cr2", place);
    req.val = entry;
    mmu_update(&req, 1, NULL);
}

/* An instruction whose second half is on a page that is not there. */
static void check_fetch(void)
{
    uint64_t second = window + PAGE_SIZE;

    page_a[PAGE_SIZE - 2] = 0xb8; /* mov $imm32, %eax */
    set_pages(PTE_P, 0);
    seen_count = 0;
    trap_hook = hook;
    asm volatile("lea 1f(%%rip), %%rcx\n mov %%rcx, resume(%%rip)\n jmp *%%rax\n 1:"
                 :
                 : "a"(second - 2)
                 : "rcx", "memory");
    trap_hook = NULL;
    CHECK_EQ(seen_count, 1, "%s: faults of a fetch over the boundary", place);
    CHECK_EQ(seen.error & ~1ul, 0x10, "%s: its error code", place);
    CHECK_EQ(seen.rip, second - 2, "%s: its rip", place);
    CHECK_EQ(seen_cr2, second, "%s: its cr2", place);
}

static void check_far_away(void)
{
    static const uint64_t holes[] = {0xffff850000000000, 0xffff880000000000 - 8};

    for (unsigned int i = 0; i < ARRAY_SIZE(holes); i++) {
        CHECK(!try_read((void *)holes[i], NULL), "Xen's hole can be read at 0x%lx", holes[i]);
        CHECK_EQ(last_trap.vector, 14, "vector in Xen's hole");
        CHECK_EQ(last_trap.cr2, holes[i], "cr2 in Xen's hole");
    }
    for (unsigned int round = 0; round < 3; round++) {
        uint64_t copy[4] = {0};
        const void *from = m2p();
        void *to = copy;
        uint64_t size = sizeof(copy);

        asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(size) : : "memory");
        CHECK(!memcmp(copy, m2p(), sizeof(copy)), "the m2p table by a string instruction");
        from = (const void *)0xffff800000000000;
        to = copy;
        size = sizeof(copy);
        asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(size) : : "memory");
        CHECK(!memcmp(copy, m2p(), sizeof(copy)), "the same where Xen has it");
    }
    CHECK(!try_write((void *)m2p(), 1), "the m2p table can be written");
    CHECK_EQ(last_trap.vector, 14, "vector of a write to the m2p table");
    CHECK(!try_read((void *)0xfffffffffffffff0, NULL), "the last bytes can be read");
    CHECK_EQ(last_trap.cr2, 0xfffffffffffffff0, "cr2 at the end");
    CHECK(!try_read((void *)0x800000000000, NULL), "a non-canonical address can be read");
    CHECK_EQ(last_trap.vector, 13, "vector at a non-canonical address");
    CHECK(!try_write((void *)0xffff7fffffffffff, 0), "a non-canonical address can be written");
    CHECK_EQ(last_trap.vector, 13, "vector at the other end");
}

static void check_all(uint64_t at, const char *name)
{
    window = at;
    place = name;
    set_pages(PTE_P | PTE_RW, PTE_P | PTE_RW);
    check_missing();
    check_straddling();
    check_strings();
    check_repair();
    check_upper();
    check_fetch();
}

void test_main(void)
{
    page_a = page_alloc();
    page_b = page_alloc();
    check_all(0xffffffffc0000000, "top");
    check_all(0xffffc90000000000, "kernel half");
    check_all(0x30000000, "user half");
    check_all(0x7ffffffe0000, "end of the user half");
    check_far_away();
}
