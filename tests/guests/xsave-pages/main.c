/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xsave-pages - claim: xsave and xrstor work on an area in one page, across two pages of
 * neighbouring frames and across two whose frames are in another order; xsave writes nothing
 * behind the area and raises #PF with the right address where the second page cannot be written.
 *
 * Blind spots: components behind AVX, the compacted format (hidden).
 */
#include "guest.h"

#define PLACE 0x12345000ul /* two pages */
#define XCR0_WANTED 7u     /* x87, SSE, AVX */
#define BEYOND 0x5a

static uint8_t *frames[3]; /* the first two are neighbours */
static uint32_t size;

static bool enable(void)
{
    uint32_t r[4];
    uint64_t cr4;

    cpuid_forced(1, 0, r);
    if (!(r[2] >> 26 & 1) || !(r[2] >> 28 & 1))
        return false;
    asm volatile("mov %%cr4, %0\n or $1 << 18, %0\n mov %0, %%cr4" : "=r"(cr4));
    asm volatile("xsetbv" : : "a"(XCR0_WANTED), "d"(0), "c"(0));
    cpuid_forced(13, 0, r);
    size = r[1];
    return size > 576 && size < 2048;
}

static void get_frames(void)
{
    frames[0] = page_alloc();
    for (unsigned int i = 0; i < 64; i++) {
        frames[1] = page_alloc();
        if (va_to_mfn(frames[1]) == va_to_mfn(frames[0]) + 1)
            break;
        frames[0] = frames[1];
    }
    frames[2] = page_alloc();
    CHECK_EQ(va_to_mfn(frames[1]), va_to_mfn(frames[0]) + 1, "neighbours");
}

static void place(const uint8_t *first, const uint8_t *second, uint64_t second_flags)
{
    CHECK_EQ(map(PLACE, va_to_mfn(first), PTE_P | PTE_RW), 0, "the first page");
    CHECK_EQ(map(PLACE + PAGE_SIZE, va_to_mfn(second), second_flags), 0, "the second page");
}

static void set_ymm(const uint8_t value[32])
{
    asm volatile("vmovdqu (%0), %%ymm3" : : "r"(value) : "memory");
}

static bool ymm_is(const uint8_t value[32])
{
    uint8_t now_there[32];

    asm volatile("vmovdqu %%ymm3, (%0)" : : "r"(now_there) : "memory");
    return !memcmp(now_there, value, sizeof(now_there));
}

static void check_area(const char *what, uint64_t offset)
{
    uint8_t *area = (uint8_t *)(PLACE + offset);
    uint8_t one[32], two[32];

    for (unsigned int i = 0; i < sizeof(one); i++) {
        one[i] = (uint8_t)(i * 7 + 1);
        two[i] = (uint8_t)(i * 3 + 2);
    }
    memset(area, 0, size);
    area[470] = BEYOND; /* software's */
    area[size] = BEYOND;
    set_ymm(one);
    asm volatile("xsave64 (%0)" : : "r"(area), "a"(XCR0_WANTED), "d"(0) : "memory");
    set_ymm(two);
    CHECK(ymm_is(two), "%s: the registers", what);
    CHECK(!memcmp(area + 160 + 3 * 16, one, 16), "%s: the lower half in the area", what);
    CHECK((*(uint64_t *)(area + 512) & 6) == 6, "%s: what the header has", what);
    CHECK(area[470] == BEYOND, "%s: software's bytes", what);
    CHECK(area[size] == BEYOND, "%s: behind the area", what);
    asm volatile("xrstor64 (%0)" : : "r"(area), "a"(XCR0_WANTED), "d"(0) : "memory");
    CHECK(ymm_is(one), "%s: restored", what);
}

static void check_refused(uint64_t second_flags, uint32_t error)
{
    uint8_t *area = (uint8_t *)(PLACE + PAGE_SIZE - 576);

    place(frames[0], frames[1], second_flags);
    trap_reset();
    asm volatile(EX_TRY("xsave64 (%0)") : : "r"(area), "a"(XCR0_WANTED), "d"(0) : "memory");
    CHECK_EQ(last_trap.vector, 14, "a second page that cannot be written");
    CHECK_EQ(last_trap.error, error, "its error code");
    CHECK_EQ(last_trap.cr2, PLACE + PAGE_SIZE, "its address");
    trap_reset();
    asm volatile(EX_TRY("fxsave64 (%0)") : : "r"(PLACE + PAGE_SIZE - 256) : "memory");
    CHECK_EQ(last_trap.vector, 14, "fxsave");
    CHECK_EQ(last_trap.error, error, "its error code");
}

void test_main(void)
{
    if (!enable()) {
        skip("no AVX here");
        return;
    }
    get_frames();
    place(frames[0], frames[1], PTE_P | PTE_RW);
    check_area("one page", 0);
    check_area("neighbours", PAGE_SIZE - 192);
    check_area("parted behind the header", PAGE_SIZE - 576);
    place(frames[1], frames[0], PTE_P | PTE_RW);
    check_area("the other order", PAGE_SIZE - 192);
    place(frames[2], frames[0], PTE_P | PTE_RW);
    check_area("anywhere", PAGE_SIZE - 576);
    check_refused(PTE_P, 3);
    check_refused(0, 2);
}
