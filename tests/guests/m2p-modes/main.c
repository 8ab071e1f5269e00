/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * m2p-modes - claim: the machine-to-physical table can be read, and not written, by the kernel
 * always and by a program unless the assist m2p_strict is on: then the program gets a page fault.
 * What Xen has beside the table nobody can read.
 *
 * Blind spots: one root for both modes (the assist is not defined there).
 */
#include "guest.h"

#define CODE 0x400000ul
#define DATA 0x600000ul
#define M2P 0xffff800000000000ul

asm(".section .user, \"ax\"\n"
    "user_read: mov (%rdi), %rax; syscall\n"
    "user_write: mov %rsi, (%rdi); syscall\n"
    ".text\n");
extern char user_read[], user_write[];

static struct mmuext_op user_root = {.cmd = MMUEXT_NEW_USER_BASEPTR};

static void set_roots(void)
{
    uint64_t *root = (void *)start_info->pt_base, *copy = page_alloc();

    for (unsigned int i = 0; i < 512; i++)
        copy[i] = i < 256 || i > 271 ? root[i] : 0;
    CHECK_EQ(remap(copy, PTE_P), 0, "the programs' root read-only");
    user_root.arg1.mfn = va_to_mfn(copy);
    CHECK_EQ(mmuext_op(&user_root, 1, NULL), 0, "NEW_USER_BASEPTR");
}

static struct trap_frame run(const char *label, uint64_t at, uint64_t value)
{
    struct trap_frame f = program_frame(CODE + (uintptr_t)label % PAGE_SIZE, DATA + 2048);

    f.rdi = at;
    f.rsi = value;
    run_user(&f);
    return f;
}

static void check_fault(const char *label, uint64_t at, uint64_t error, const char *what)
{
    struct trap_frame f = run(label, at, 0);

    CHECK_EQ(f.vector, 14, "%s: vector", what);
    CHECK_EQ(f.error, error, "%s: error code", what);
    CHECK_EQ(last_trap.cr2, at, "%s: cr2", what);
}

static void check_kernel(uint64_t at, uint64_t pfn)
{
    CHECK_EQ(*(uint64_t *)at, pfn, "what the kernel reads");
    CHECK(!try_write((void *)at, pfn), "the kernel can write it");
    CHECK_EQ(last_trap.error, 3, "error code of that");
    CHECK_EQ(last_trap.cr2, at, "its cr2");
}

void test_main(void)
{
    uint64_t mfn = start_info->store_mfn, at = M2P + mfn * 8, pfn = m2p()[mfn];
    struct trap_frame f;

    map(CODE, va_to_mfn((void *)((uintptr_t)user_read & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(DATA, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    set_roots();
    check_kernel(at, pfn);
    f = run(user_read, at, 0);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "a program that reads it: vector");
    CHECK_EQ(f.rax, pfn, "what it reads");
    check_fault(user_write, at, 7, "a program that writes it");
    check_fault(user_read, 0xffff850000000000, 4, "a program that reads beside it");

    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0,
             "m2p_strict");
    set_roots();
    check_fault(user_read, at, 4, "with m2p_strict");
    check_kernel(at, pfn);
}
