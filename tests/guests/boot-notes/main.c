/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * boot-notes - claim: a kernel that asks for them gets its p2m list mapped where INIT_P2M says,
 * outside the initial region, with tables of its own that are counted with it, and its ramdisk
 * unmapped behind the region, told by frame number, whole (MOD_START_PFN); its command line may
 * have 1023 bytes. The region itself ends as it does without them.
 *
 * The runner gives it a ramdisk of 10000 bytes, each the low byte of its place divided by 7, and
 * a command line of 1023 bytes.
 */
#include "guest.h"

#define P2M_AT 0x8000000000ul
#define RAMDISK_SIZE 10000ul

asm(".pushsection .note.Xen, \"a\", @note\n"
    ".balign 4\n .long 4, 8, 15\n .asciz \"Xen\"\n .quad 0x8000000000\n" /* INIT_P2M */
    ".balign 4\n .long 4, 4, 16\n .asciz \"Xen\"\n .long 1\n"            /* MOD_START_PFN */
    ".popsection\n");

static const uint64_t *p2m = (const uint64_t *)P2M_AT;

/* The level-1 entry of va. The list's tables are not in the region: a window shows them. */
static uint64_t leaf_of(uint64_t va)
{
    const volatile uint64_t *window = (void *)0x50000000;
    uint64_t entry = ((uint64_t *)start_info->pt_base)[va >> 39 & 511];

    for (unsigned int shift = 30; shift >= 12 && (entry & PTE_P); shift -= 9) {
        map((uintptr_t)window, (entry & PTE_FRAME) >> PAGE_SHIFT, PTE_P);
        entry = window[va >> shift & 511];
    }
    return entry;
}

static void check_p2m(void)
{
    unsigned long nr = start_info->nr_pages, wrong = 0, unmapped = 0;
    unsigned long list = (nr * 8 + PAGE_SIZE - 1) / PAGE_SIZE, tables = 2 + (list + 511) / 512;

    CHECK_EQ(start_info->mfn_list, P2M_AT, "place of the list");
    CHECK_EQ(start_info->nr_p2m_frames, list + tables, "its frames");
    for (unsigned long pfn = 0; pfn < nr; pfn++)
        wrong += m2p()[p2m[pfn]] != pfn;
    CHECK_EQ(wrong, 0, "pfns that do not survive p2m and m2p");
    for (unsigned long i = 0; i < list; i++) {
        uint64_t entry = leaf_of(P2M_AT + i * PAGE_SIZE);

        unmapped += (entry & (PTE_P | PTE_RW)) != (PTE_P | PTE_RW);
        wrong += (entry & PTE_FRAME) >> PAGE_SHIFT != p2m[start_info->first_p2m_pfn + i];
    }
    CHECK_EQ(unmapped, 0, "pages of the list that are not mapped for writing");
    CHECK_EQ(wrong, 0, "pages of the list that are not those from first_p2m_pfn on");
    CHECK(try_write((void *)P2M_AT, p2m[0]), "the list cannot be written");
}

static void check_region(void)
{
    uint64_t stack_end = start_info->pt_base + (start_info->nr_pt_frames + 1) * PAGE_SIZE;
    uint64_t end = (stack_end + 512 * 1024 + 0x3fffff) & ~0x3ffffful;
    uint64_t end_pfn = (end - VIRT_BASE) >> PAGE_SHIFT;

    CHECK_EQ(entry_state.gpr[4], stack_end, "rsp at entry");
    CHECK(try_read((void *)(end - 1), NULL), "the region ends early");
    CHECK(start_info->mod_start >= end_pfn, "the ramdisk at pfn 0x%lx is in the region, to 0x%lx",
          start_info->mod_start, end_pfn);
    CHECK(start_info->first_p2m_pfn >= end_pfn, "the p2m list is in the region");
}

static void check_ramdisk(void)
{
    unsigned long pages = (RAMDISK_SIZE + PAGE_SIZE - 1) / PAGE_SIZE, wrong = 0;
    const volatile uint8_t *at = (void *)0x40000000;

    CHECK_EQ(start_info->flags, 0x18, "flags: MOD_START_PFN and VIRT_P2M_4TOOLS");
    CHECK(start_info->mod_len == RAMDISK_SIZE || start_info->mod_len == pages * PAGE_SIZE,
          "length %lu", start_info->mod_len);
    for (unsigned long i = 0; i < pages; i++)
        CHECK_EQ(map((uintptr_t)at + i * PAGE_SIZE, p2m[start_info->mod_start + i], PTE_P), 0,
                 "page %lu", i);
    for (unsigned long i = 0; i < RAMDISK_SIZE; i++)
        wrong += at[i] != (uint8_t)(i / 7);
    CHECK_EQ(wrong, 0, "bytes that are not the ramdisk's");
    for (unsigned long i = RAMDISK_SIZE; i < pages * PAGE_SIZE; i++)
        wrong += at[i] != 0;
    CHECK_EQ(wrong, 0, "bytes behind it that are not 0");
}

static void check_command_line(void)
{
    const char *line = (const char *)start_info->cmd_line;
    unsigned long wrong = 0;

    CHECK_EQ(strlen(line), 1023, "length of the command line");
    for (unsigned int i = 0; i < 1023; i++)
        wrong += line[i] != (char)('a' + i % 26);
    CHECK_EQ(wrong, 0, "bytes that are not the command line's");
}

void test_main(void)
{
    check_p2m();
    check_region();
    check_ramdisk();
    check_command_line();
}
