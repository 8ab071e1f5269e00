/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * string-ops - claim: movs, stos, lods, cmps and scas work in all sizes, forwards and
 * backwards, with 32-bit addresses, over page boundaries into unrelated frames, between
 * kernel and user halves; a fault in the middle leaves rsi, rdi and rcx at the element that
 * failed, and going on from there completes the operation.
 *
 * Blind spots: segment overrides, overlap of source and destination beyond one case.
 */
#include "guest.h"

#define LOW 0x11000000ul /* user half */
#define HIGH 0xffffa00000000000ul

static uint8_t expect[8192];

static void fill(uint8_t *at, size_t size, uint8_t seed)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(seed + i * 7);
}

/* Two pages at va whose frames are not neighbours. */
static void map_two(uint64_t va)
{
    void *first = page_alloc();

    page_alloc();
    CHECK_EQ(map(va + PAGE_SIZE, va_to_mfn(first), PTE_P | PTE_RW), 0, "map");
    CHECK_EQ(map(va, va_to_mfn(page_alloc()), PTE_P | PTE_RW), 0, "map");
}

static void check_moves(void)
{
    static const uint64_t bases[] = {LOW, HIGH};

    for (unsigned int from = 0; from < 2; from++) {
        for (unsigned int to = 0; to < 2; to++) {
            uint8_t *s = (uint8_t *)bases[from], *d = (uint8_t *)bases[to] + 2 * PAGE_SIZE;
            uint64_t rsi = (uintptr_t)s + 5, rdi = (uintptr_t)d + 9, rcx = 6000;

            fill(s, 8192, (uint8_t)(from * 2 + to));
            fill(expect, 8192, (uint8_t)(from * 2 + to));
            memset(d, 0, 8192);
            asm volatile("rep movsb" : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory");
            CHECK_EQ(memcmp(d + 9, expect + 5, 6000), 0, "movsb %u to %u", from, to);
            CHECK_EQ(rsi, (uintptr_t)s + 6005, "rsi");
            CHECK_EQ(rdi, (uintptr_t)d + 6009, "rdi");
            rsi = (uintptr_t)s + 3;
            rdi = (uintptr_t)d + 1;
            rcx = 900;
            memset(d, 0, 8192);
            asm volatile("rep movsq" : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory");
            CHECK_EQ(memcmp(d + 1, expect + 3, 7200), 0, "movsq %u to %u", from, to);
            rsi = (uintptr_t)s + 7000;
            rdi = (uintptr_t)d + 7100;
            rcx = 6500;
            memset(d, 0, 8192);
            asm volatile("std; rep movsb; cld" : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory");
            CHECK_EQ(memcmp(d + 601, expect + 501, 6500), 0, "backwards %u to %u", from, to);
            CHECK_EQ(rdi, (uintptr_t)d + 600, "rdi backwards");
        }
    }
}

static void check_others(void)
{
    uint8_t *s = (uint8_t *)LOW, *d = (uint8_t *)HIGH;
    uint64_t rdi = (uintptr_t)d + 100, rsi = (uintptr_t)s + 100, rcx = 1700,
             rax = 0x0102030405060708;

    asm volatile("rep stosl" : "+D"(rdi), "+c"(rcx) : "a"(rax) : "memory");
    CHECK(d[100] == 8 && d[103] == 5 && d[6899] == 5, "stosl");
    memcpy(s, d, 8192);
    rdi = (uintptr_t)d + 100;
    rcx = 6800;
    d[5000] ^= 1;
    asm volatile("repe cmpsb" : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory", "cc");
    CHECK_EQ(rdi, (uintptr_t)d + 5001, "repe cmpsb stops behind the difference");
    CHECK_EQ(rcx, 6800 - 4901, "its rcx");
    rdi = (uintptr_t)s;
    rcx = 8192;
    memset(s, 1, 8192);
    s[4097] = 9;
    asm volatile("repne scasb" : "+D"(rdi), "+c"(rcx) : "a"(9) : "memory", "cc");
    CHECK_EQ(rdi, LOW + 4098, "repne scasb stops behind the match");
    rsi = LOW + 4096;
    asm volatile("lodsw" : "=a"(rax), "+S"(rsi));
    CHECK_EQ(rax & 0xffff, 0x0901, "lodsw over what scasb found");
    rcx = 0;
    rdi = 0x1000; /* not mapped: no access with rcx 0 */
    asm volatile("rep stosb" : "+D"(rdi), "+c"(rcx) : "a"(0) : "memory");
    CHECK_EQ(rdi, 0x1000, "rdi with rcx 0");
    rdi = 0x100000000ul + LOW; /* 32-bit address size drops the upper half */
    rcx = 4;
    asm volatile("addr32 rep stosb" : "+D"(rdi), "+c"(rcx) : "a"(0x33) : "memory");
    CHECK(s[0] == 0x33 && s[3] == 0x33, "stosb with 32-bit addresses");
    CHECK_EQ(rdi, LOW + 4, "its rdi");
}

static void check_fault(uint64_t base, const char *what)
{
    uint64_t rsi = (uintptr_t)expect, rdi = base + 3 * PAGE_SIZE + 4000, rcx = 200;

    memset((void *)(base + 3 * PAGE_SIZE), 0, PAGE_SIZE);
    unmap(base + 4 * PAGE_SIZE);
    trap_reset();
    asm volatile(EX_TRY("rep movsb") : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory");
    CHECK_EQ(last_trap.vector, 14, "%s: vector", what);
    CHECK_EQ(last_trap.cr2, base + 4 * PAGE_SIZE, "%s: cr2", what);
    CHECK_EQ(last_trap.error, 2, "%s: error code", what);
    CHECK_EQ(rcx, 104, "%s: rcx", what);
    CHECK_EQ(rdi, base + 4 * PAGE_SIZE, "%s: rdi", what);
    CHECK_EQ(rsi, (uintptr_t)expect + 96, "%s: rsi", what);
    CHECK_EQ(memcmp((void *)(base + 3 * PAGE_SIZE + 4000), expect, 96), 0, "%s: content", what);
    map(base + 4 * PAGE_SIZE, va_to_mfn(page_alloc()), PTE_P | PTE_RW);
    asm volatile("rep movsb" : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory");
    CHECK_EQ(memcmp((void *)(base + 3 * PAGE_SIZE + 4000), expect, 200), 0, "%s: resumed", what);
    /* An element that lies across the boundary. */
    unmap(base + 4 * PAGE_SIZE);
    rsi = (uintptr_t)expect;
    rdi = base + 4 * PAGE_SIZE - 12;
    rcx = 4;
    trap_reset();
    asm volatile(EX_TRY("rep movsq") : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory");
    CHECK_EQ(rcx, 3, "%s: rcx of movsq", what);
    CHECK_EQ(rdi, base + 4 * PAGE_SIZE - 4, "%s: rdi of movsq", what);
    CHECK_EQ(last_trap.cr2, base + 4 * PAGE_SIZE, "%s: cr2 of movsq", what);
}

void test_main(void)
{
    map_two(LOW);
    map_two(LOW + 2 * PAGE_SIZE);
    map_two(HIGH);
    map_two(HIGH + 2 * PAGE_SIZE);
    check_moves();
    check_others();
    check_fault(LOW, "user half");
    check_fault(HIGH, "kernel half");
}
