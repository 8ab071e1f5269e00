/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * many-mappings - claim: a kernel may have its memory mapped many times over, in pages of which
 * one may be written and the next may not, more than a process of the host can have mappings.
 * What is read-only stays so; a page that gets another frame is not the old one any more; stores
 * to code are seen, whichever mapping they are made through.
 *
 * The same 2 MiB are mapped at many places by one table. The host's limit is 65530 as a rule;
 * where it is higher this shows nothing.
 */
#include "guest.h"

#define BASE 0xffffffffc0000000ul /* where kernels put their modules */
#define REGION (512 * PAGE_SIZE)
#define REGIONS 280 /* nearly twice as many mappings as the host has */
#define MIXED 448   /* pages of it that are read-only by turns; the others may all be written */
#define CODE_PAGE 480
#define PLAIN (REGIONS + 1) /* regions with frames of their own, one behind the other */
#define CODE (PLAIN + 4)    /* a region with the code as code */
#define SINGLE (CODE + 1)   /* regions whose pages are no neighbours */
#define SINGLES (12 * 512)
#define FIRST_PFN 4096

static uint8_t *at(unsigned int region, unsigned int page)
{
    return (uint8_t *)BASE + region * REGION + page * PAGE_SIZE;
}

static uint64_t frame_of(unsigned int n)
{
    return ((const uint64_t *)start_info->mfn_list)[FIRST_PFN + n];
}

static uint64_t pte(unsigned int n, uint64_t flags)
{
    return frame_of(n) << PAGE_SHIFT | PTE_P | PTE_A | PTE_D | flags;
}

static void update(uint64_t *entry, uint64_t value)
{
    mmu_update_t u = {.ptr = va_to_maddr(entry), .val = value};

    if (mmu_update(&u, 1, NULL))
        error("mmu_update failed");
}

static void remap_to(uint64_t va, unsigned int n)
{
    if (update_va_mapping(va, pte(n, PTE_RW | PTE_NX), UVMF_INVLPG))
        error("update_va_mapping failed");
}

static void flush(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};

    if (mmuext_op(&op, 1, NULL))
        error("MMUEXT_TLB_FLUSH_LOCAL failed");
}

/* A level-1 table with 512 frames in a row, or every other one again and again. */
static uint64_t *table_of(unsigned int first, unsigned int step, uint64_t flags)
{
    uint64_t *table = page_alloc();

    for (unsigned int i = 0; i < 512; i++)
        table[i] = pte(first + i * step % 512, flags);
    if (remap(table, PTE_P))
        error("a table read-only");
    return table;
}

static void link_region(unsigned int region, const uint64_t *table)
{
    update(pte_of((uint64_t)at(region, 0), 2),
           va_to_mfn(table) << PAGE_SHIFT | PTE_P | PTE_RW | PTE_A);
}

static void make_regions(void)
{
    uint64_t *mixed = table_of(0, 1, PTE_RW | PTE_NX), *singles = table_of(0, 2, PTE_NX);

    for (unsigned int i = 0; i < REGIONS; i++)
        link_region(i, mixed);
    for (unsigned int i = 0; i < 3; i++)
        link_region(PLAIN + i, table_of((i + 1) * 512, 1, PTE_RW | PTE_NX));
    link_region(CODE, table_of(0, 1, 0));
    for (unsigned int i = 0; i < SINGLES / 512; i++)
        link_region(SINGLE + i, singles);
    *(volatile unsigned long *)at(0, 0) = 1;
    for (unsigned int i = 1; i < MIXED; i += 2)
        update(&mixed[i], pte(i, PTE_NX));
    flush();
}

/* Stores to pages of a region that is used for the first time. */
static unsigned long check_rights(unsigned int region)
{
    unsigned long wrong = !try_write(at(region, 0), region);

    for (unsigned int k = 1; k < MIXED; k += 8)
        wrong += try_write(at(region, k), region);
    return wrong;
}

/* A page amidst others gets another frame, and its own again. */
static bool is_old(unsigned long value)
{
    volatile unsigned long *page = (volatile unsigned long *)at(PLAIN + 1, 7);
    bool wrong;

    *(volatile unsigned long *)at(PLAIN, 0) = value;
    *page = value;
    *(volatile unsigned long *)at(PLAIN + 2, 9) = value + 1;
    remap_to((uintptr_t)page, 3 * 512 + 9);
    wrong = *page != value + 1;
    remap_to((uintptr_t)page, 2 * 512 + 7);
    return wrong || *page != value;
}

/* One mapping more each time, until there are none. */
static unsigned long check_remapped(void)
{
    unsigned long wrong = 0;

    for (unsigned int i = 0; i < SINGLES; i++) {
        *(volatile uint8_t *)at(SINGLE, i);
        wrong += is_old(2 * i);
    }
    return wrong;
}

static void put_function(uint8_t *code, uint32_t value)
{
    code[0] = 0xb8; /* mov $value, %eax; ret */
    memcpy(code + 1, &value, 4);
    code[5] = 0xc3;
}

static unsigned long check_code(unsigned int region)
{
    uint32_t (*function)(void) = (uint32_t(*)(void))(uintptr_t)at(CODE, CODE_PAGE);

    put_function(at(region, CODE_PAGE), region);
    return function() != region;
}

void test_main(void)
{
    unsigned long written = 0, old_code = 0;

    /* The tables above level 1. */
    if (map(BASE, frame_of(0), PTE_P) || unmap(BASE)) {
        error("cannot map");
        return;
    }
    make_regions();
    for (unsigned int i = 0; i < REGIONS; i++) {
        written += check_rights(i);
        old_code += check_code(i);
    }
    CHECK_EQ(written, 0, "stores to read-only pages, and refused ones to others");
    CHECK_EQ(old_code, 0, "calls that ran old code");
    CHECK_EQ(check_remapped(), 0, "pages that led to their old frame");
}
