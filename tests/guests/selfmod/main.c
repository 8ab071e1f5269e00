/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * selfmod - claim: kernel code that changes itself runs as a processor would: a store into
 * the instruction ahead, through the same or another mapping, by single bytes, by string
 * instruction, in a loop, over a whole page; code that moves to a page used before by other
 * code; a remapped page; a mapping taken away and given back.
 *
 * Blind spots: another vCPU's stores; user code; decoding across a page boundary where only
 * the second page changes (one case of it).
 */
#include "guest.h"

#define ALIAS 0xffffffffc0000000ul /* where kernels put their modules */

static uint8_t *page, *page2;

/* mov $value, %eax; ret */
static void put_function(uint8_t *at, uint32_t value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
}

static uint32_t call(const void *at)
{
    return ((uint32_t(*)(void))(uintptr_t)at)();
}

static void check_rewrite(void)
{
    unsigned long wrong = 0;

    for (uint32_t i = 0; i < 2000; i++) {
        put_function(page, i);
        wrong += call(page) != i;
    }
    CHECK_EQ(wrong, 0, "calls that ran old code");
    for (uint32_t i = 0; i < 256; i++) {
        ((volatile uint8_t *)page)[2] = (uint8_t)i; /* one byte of the immediate */
        wrong += (call(page) >> 8 & 0xff) != i;
    }
    CHECK_EQ(wrong, 0, "calls that ran old code after a one-byte store");
}

static void check_alias(void)
{
    unsigned long wrong = 0;

    CHECK_EQ(map(ALIAS, va_to_mfn(page), PTE_P | PTE_RW), 0, "map");
    for (uint32_t i = 0; i < 500; i++) {
        put_function((uint8_t *)ALIAS, i);
        wrong += call(page) != i;
    }
    CHECK_EQ(wrong, 0, "calls that missed a store through the alias");
    unmap(ALIAS);
    for (uint32_t i = 0; i < 50; i++) {
        mmu_update_t req = {.ptr = va_to_maddr(page),
                            .val = 0xb8 | (uint64_t)i << 8 | 0xc3ull << 40};

        mmu_update(&req, 1, NULL);
        wrong += call(page) != i;
    }
    CHECK_EQ(wrong, 0, "calls that missed a store by hypercall");
}

/* Code that patches the instruction right behind the store, in the same block. */
uint32_t patch_ahead(uint32_t value);
asm(".text\n"
    ".balign 4096\n"
    "patch_ahead:\n"
    "mov %edi, 1f+1(%rip)\n"
    "1: mov $0x11111111, %eax\n"
    "ret\n");

/* A loop whose body changes its own constant each time round. */
uint32_t patch_loop(uint32_t rounds);
asm(".text\n"
    ".balign 4096\n"
    "patch_loop:\n"
    "xor %eax, %eax\n"
    "1: lea 2f(%rip), %rdx\n"
    "mov %edi, 1(%rdx)\n"
    "2: mov $0, %ecx\n"
    "add %ecx, %eax\n"
    "dec %edi\n"
    "jnz 1b\n"
    "ret\n");

static void check_self(void)
{
    unsigned long wrong = 0;

    for (uint32_t i = 1; i < 300; i++)
        wrong += patch_ahead(i) != i;
    CHECK_EQ(wrong, 0, "instructions that ran before they were patched");
    CHECK_EQ(patch_loop(1000), 1000 * 1001 / 2, "sum of a loop that patches itself");
}

static void check_strings(void)
{
    static uint8_t source[4096];
    unsigned long wrong = 0;

    for (uint32_t i = 0; i < 100; i++) {
        memset(source, 0x90, sizeof(source));
        put_function(source + 4000, i);
        memcpy(page, source, sizeof(source)); /* rep movsb over a page of code */
        wrong += call(page) != i;
    }
    CHECK_EQ(wrong, 0, "calls that ran old code after rep movsb");
}

static void check_move(void)
{
    unsigned long wrong = 0;

    for (uint32_t i = 0; i < 200; i++) {
        put_function(page, i);
        put_function(page2, ~i);
        map(ALIAS, va_to_mfn(i & 1 ? page : page2), PTE_P);
        wrong += call((void *)ALIAS) != (i & 1 ? i : ~i);
    }
    CHECK_EQ(wrong, 0, "calls that ran code of the frame mapped there before");
    unmap(ALIAS);
}

static uint64_t resume;

static bool fetch_hook(struct trap_frame *frame)
{
    if (frame->vector != 14 || frame->rip != ALIAS)
        return false;
    frame->rip = resume;
    resume = 0;
    return true;
}

/* Code that ran before must not run once its page is gone or not executable any more. */
static void check_gone(uint64_t flags, const char *what)
{
    put_function(page, 1);
    map(ALIAS, va_to_mfn(page), PTE_P);
    call((void *)ALIAS);
    map(ALIAS, flags ? va_to_mfn(page) : 0, flags);
    trap_hook = fetch_hook;
    asm volatile("lea 1f(%%rip), %%rax\n"
                 "mov %%rax, %[resume]\n"
                 "mov %%rsp, %%rbx\n"
                 "push %%rax\n" /* where its ret would go */
                 "jmp *%[at]\n"
                 "1: mov %%rbx, %%rsp\n"
                 : [resume] "=m"(resume)
                 : [at] "r"(ALIAS)
                 : "rax", "rbx", "memory");
    trap_hook = NULL;
    CHECK_EQ(resume, 0, "%s: the code still ran", what);
    unmap(ALIAS);
}

/* An instruction that lies across two pages, the second of which changes frame. */
static void check_boundary(void)
{
    uint32_t got;

    for (unsigned int round = 0; round < 4; round++) {
        uint8_t *second = round & 1 ? page2 : page;
        uint8_t *first = page_alloc();
        uint32_t value = 0x55660000 | round << 24;

        first[PAGE_SIZE - 3] = 0xb8;
        first[PAGE_SIZE - 2] = 0x44;
        first[PAGE_SIZE - 1] = 0x33;
        second[0] = (uint8_t)(value >> 16);
        second[1] = (uint8_t)(value >> 24);
        second[2] = 0xc3;
        map(ALIAS, va_to_mfn(first), PTE_P);
        map(ALIAS + PAGE_SIZE, va_to_mfn(second), PTE_P);
        got = call((void *)(ALIAS + PAGE_SIZE - 3));
        CHECK_EQ(got, (value & 0xffff0000) | 0x3344, "round %u", round);
    }
}

void test_main(void)
{
    page = page_alloc();
    page2 = page_alloc();
    check_rewrite();
    check_alias();
    check_self();
    check_strings();
    check_move();
    check_gone(PTE_P | PTE_NX, "NX");
    check_gone(0, "unmapped");
    check_boundary();
}
