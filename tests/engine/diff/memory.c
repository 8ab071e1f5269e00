/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * memory.c - memory of the two machines (see machine.h): the guest's RAM with its page
 * tables, the native twin of the window, and what both hold before a run and after it.
 */
#include "machine.h"

#include <asm/unistd.h>
#include <linux/mman.h>

#include "engine/soft/layout.h"
#include "engine/soft/vcpu/cache.h"
#include "engine/soft/vcpu/local.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/start.h"
#include "engine/soft/vcpu/trap.h"
#include "engine/soft/vcpu/vtlb.h"
#include "fake.h"
#include "memory.h"

#define NATIVE_FD 10
#define NR_FRAMES 64
#define FIRST_FRAME 20 /* of the window's pages */

/* Frames of the page tables. */
enum table {
    T_ROOT = 1,
    T_WINDOW_L3,
    T_WINDOW_L2,
    T_WINDOW_L1,
    T_USER_L3,
    T_USER_L2,
    T_USER_L1,
    T_LOW_L3,
    T_LOW_L2,
    T_LOW_L1
};

struct right {
    bool mapped, write, exec;
};

static const struct right rights[W_PAGES] = {
    [W_EXIT] = {true, false, true},      [W_CODE] = {true, true, true},
    [W_CODE + 1] = {true, true, true},   [W_DATA] = {true, true, false},
    [W_DATA + 1] = {true, true, false},  [W_RO] = {true, false, false},
    [W_POINTERS] = {true, true, false},  [W_STACK] = {true, true, false},
    [W_STACK + 1] = {true, true, false},
};

static const uint8_t user_pages[U_PAGES] = {
    [U_DATA1] = W_DATA + 1, [U_DATA0] = W_DATA, [U_HOLE] = 0, [U_RO] = W_RO};

static uint8_t *native_file;              /* linear map of the native machine's frames */
static const uint64_t all_frames = ~0ull; /* NR_FRAMES bits: all of them are the guest's */
static const void *const exit_slot = native_exit;

bool page_is_mapped(unsigned int page)
{
    return page < W_PAGES && rights[page].mapped;
}

/* Data pages are not neighbours in memory, stack pages are. */
static mfn_t frame_of(unsigned int page)
{
    return page == W_STACK + 1 ? FIRST_FRAME + 2 * W_STACK + 1 : FIRST_FRAME + 2 * page;
}

static uint64_t make_memfd(const char *name, int want_fd)
{
    long fd = sys_call(__NR_memfd_create, name, 0, 0, 0), r;

    if (fd < 0)
        start_fail("memfd_create", fd);
    r = sys_call(__NR_ftruncate, fd, NR_FRAMES << PAGE_SHIFT, 0, 0);
    if (r >= 0 && fd != want_fd)
        r = sys_call(__NR_dup2, fd, want_fd, 0, 0);
    if (r < 0)
        start_fail("memfd", r);
    return (uint64_t)fd;
}

static void map_at(uint64_t addr, uint64_t size, int prot, int fd, uint64_t offset)
{
    int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED | MAP_POPULATE;
    long r = sys_call6(__NR_mmap, (long)addr, (long)size, prot, flags, fd, (long)offset);

    if ((uint64_t)r != addr)
        start_fail("mmap", r);
}

static void set_entry(unsigned int table, uint64_t va, unsigned int level, uint64_t entry)
{
    uint64_t *t = ram_linear(table);

    t[va >> (12 + 9 * (level - 1)) & 511] = entry;
}

static void set_path(uint64_t va, unsigned int l3, unsigned int l2, unsigned int l1)
{
    set_entry(T_ROOT, va, 4, (uint64_t)l3 << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US | PTE_A);
    set_entry(l3, va, 3, (uint64_t)l2 << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US | PTE_A);
    set_entry(l2, va, 2, (uint64_t)l1 << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US | PTE_A);
}

static uint64_t leaf(unsigned int page)
{
    const struct right *r = &rights[page];

    return frame_of(page) << PAGE_SHIFT | PTE_P | PTE_US | (r->write ? PTE_RW : 0) |
           (r->exec ? 0 : PTE_NX);
}

static void make_page_tables(void)
{
    set_path(WINDOW, T_WINDOW_L3, T_WINDOW_L2, T_WINDOW_L1);
    set_path(WINDOW + NATIVE_DELTA, T_WINDOW_L3, T_WINDOW_L2, T_WINDOW_L1);
    set_path(USER, T_USER_L3, T_USER_L2, T_USER_L1);
    set_path(LOW, T_LOW_L3, T_LOW_L2, T_LOW_L1);
    for (unsigned int p = 0; p < W_PAGES; p++)
        if (rights[p].mapped)
            set_entry(T_WINDOW_L1, WINDOW + AT(p), 1, leaf(p));
    for (unsigned int p = 0; p < U_PAGES; p++)
        if (user_pages[p])
            set_entry(T_USER_L1, USER + AT(p), 1, leaf(user_pages[p]));
    set_entry(T_LOW_L1, LOW, 1, leaf(W_DATA));
}

static void map_native_page(uint64_t addr, unsigned int page)
{
    const struct right *r = &rights[page];

    map_at(addr, PAGE_SIZE, PROT_READ | (r->write ? PROT_WRITE : 0) | (r->exec ? PROT_EXEC : 0),
           NATIVE_FD, frame_of(page) << PAGE_SHIFT);
}

static void make_native_window(void)
{
    native_file = (uint8_t *)(WINDOW + NATIVE_DELTA + (1ull << 36));
    map_at((uintptr_t)native_file, NR_FRAMES << PAGE_SHIFT, PROT_READ | PROT_WRITE, NATIVE_FD, 0);
    for (unsigned int p = 0; p < W_PAGES; p++)
        if (rights[p].mapped)
            map_native_page(WINDOW + NATIVE_DELTA + AT(p), p);
    for (unsigned int p = 0; p < U_PAGES; p++)
        if (user_pages[p])
            map_native_page(USER + AT(p), user_pages[p]);
    map_native_page(LOW, W_DATA);
}

/* Guest: syscall. Native: jmp [exit_slot]. */
static void make_exits(void)
{
    uint8_t *g = ram_linear(frame_of(W_EXIT));
    uint8_t *n = native_file + (frame_of(W_EXIT) << PAGE_SHIFT);
    uint32_t slot = (uint32_t)(uintptr_t)&exit_slot;

    g[0] = 0x0f;
    g[1] = 0x05;
    n[0] = 0xff;
    n[1] = 0x24;
    n[2] = 0x25;
    __builtin_memcpy(n + 3, &slot, 4);
}

void memory_set_exit(bool program)
{
    uint8_t *g = ram_linear(frame_of(W_EXIT)), last = program ? 0x0b : 0x05; /* ud2, syscall */

    if (g[1] == last)
        return;
    vtlb_frame_written(frame_of(W_EXIT));
    g[1] = last;
}

void memory_init(void)
{
    make_memfd("guest", V_FD_RAM);
    make_memfd("native", NATIVE_FD);
    map_at(V_RUN, (sizeof(struct run) + PAGE_SIZE - 1) & PAGE_MASK, PROT_READ | PROT_WRITE, -1, 0);
    map_at(V_SHARED, (sizeof(struct dom_shared) + PAGE_SIZE - 1) & PAGE_MASK,
           PROT_READ | PROT_WRITE, -1, 0);
    map_at(V_M2P, PAGE_SIZE, PROT_READ | PROT_WRITE, -1, 0);
    map_at(V_FRAMES, PAGE_SIZE, PROT_READ | PROT_WRITE, -1, 0);
    map_at(V_RAM, NR_FRAMES << PAGE_SHIFT, PROT_READ | PROT_WRITE, V_FD_RAM, 0);
    shared->nr_frames = shared->nr_ram = shared->patch_first = NR_FRAMES;
    vcpu_allocated = &all_frames;
    make_page_tables();
    make_native_window();
    make_exits();
    /* The initial stack, vDSO and vvar: there kernel accesses to user memory must fault. */
    sys_unmap(0x780000000000, 0x7ffffffff000 - 0x780000000000);
    cache_init();
    vtlb_init();
    vcpu.cr3_kernel = T_ROOT;
    vcpu.cr3_user = INVALID_MFN;
}

static uint8_t *page_memory(bool guest, unsigned int page)
{
    return (guest ? (uint8_t *)V_RAM : native_file) + (frame_of(page) << PAGE_SHIFT);
}

void memory_write(bool guest, const struct start *s)
{
    for (unsigned int p = W_CODE; p < W_PAGES; p++) {
        bool code = p == W_CODE || p == W_CODE + 1;

        if (!rights[p].mapped)
            continue;
        if (guest)
            vtlb_frame_written(frame_of(p));
        memcpy(page_memory(guest, p), code ? s->code + AT(p - W_CODE) : s->page[p], PAGE_SIZE);
    }
}

void memory_read(bool guest, struct result *r)
{
    for (unsigned int p = W_CODE; p < W_PAGES; p++)
        if (rights[p].mapped)
            memcpy(r->page[p], page_memory(guest, p), PAGE_SIZE);
}

/* Every translation goes, as if the guest had unmapped and mapped all of the window. */
void memory_flush_tlb(void)
{
    for (unsigned int p = 0; p < W_PAGES; p++)
        set_entry(T_WINDOW_L1, WINDOW + AT(p), 1, 0);
    vtlb_flush(&vcpu);
    local_flush(T_ROOT);
    for (unsigned int p = 0; p < W_PAGES; p++)
        if (rights[p].mapped)
            set_entry(T_WINDOW_L1, WINDOW + AT(p), 1, leaf(p));
    for (unsigned int p = 0; p < U_PAGES; p++)
        if (user_pages[p])
            set_entry(T_USER_L1, USER + AT(p), 1, leaf(user_pages[p]));
}

void memory_set_marks(bool marked)
{
    memset(fake_marks + (((uint32_t)WINDOW & 0x7fffffff) >> 3), marked ? 0xff : 0, AT(W_PAGES) / 8);
}
