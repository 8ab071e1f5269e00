/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mmu-errors - claim: the letter of ABI 3.7 and 7. mmu_update's commands 0 to 3, the address
 * bits it ignores, tables of every level, pages that are no tables, its count of what is done
 * up to an error of any kind; entries that it refuses (large pages, Xen's slots, foreign
 * frames) and those that it must take (anything not present, the free bits); flushes asked for
 * by update_va_mapping in each way; each mmuext_op with its errors; domains other than
 * DOMID_SELF; stores to tables without a hypercall, by level.
 *
 * Blind spots: several vCPUs (see smp-flush); tables that are not pinned.
 */
#include "guest.h"

#define WINDOW 0x40000000ul
#define NO_FRAME 0x7fffffful
#define OTHER_DOMAIN 0x1234

static uint8_t *page_a, *page_b;
static volatile uint64_t *window = (volatile uint64_t *)WINDOW;

static uint64_t pte(const void *page, uint64_t flags)
{
    return va_to_mfn(page) << PAGE_SHIFT | flags;
}

static long update(uint64_t ptr, uint64_t val)
{
    mmu_update_t req = {.ptr = ptr, .val = val};

    return mmu_update(&req, 1, NULL);
}

static long ext(unsigned int cmd, uint64_t arg1, uint64_t arg2)
{
    struct mmuext_op op = {.cmd = cmd};

    op.arg1.linear_addr = arg1;
    op.arg2.src_mfn = arg2;
    return mmuext_op(&op, 1, NULL);
}

static void check_commands(void)
{
    uint64_t *entry = pte_of(WINDOW, 1), at = va_to_maddr(entry);
    uint64_t value = pte(page_b, PTE_P | PTE_RW);

    for (unsigned int low = 0; low < 4; low++) {
        if (low == MMU_MACHPHYS_UPDATE)
            continue;
        CHECK_EQ(update(at, 0), 0, "clearing the entry");
        CHECK_EQ(update(at | low, value), 0, "command %u", low);
        CHECK_EQ(*entry & PTE_FRAME, value & PTE_FRAME, "the entry after command %u", low);
    }
    for (unsigned int low = 4; low < 8; low++)
        CHECK_EQ(update(at | low, value), -XEN_ENOSYS, "command %u", low);
    update(at, pte(page_b, PTE_P | PTE_RW | PTE_A | PTE_D));
    CHECK_EQ(update(at | MMU_PT_UPDATE_PRESERVE_AD, pte(page_b, PTE_P)), 0, "PRESERVE_AD");
    CHECK_EQ(*entry & (PTE_A | PTE_D | PTE_RW), PTE_A | PTE_D, "A and D kept");
    update(at | 3, pte(page_b, PTE_P));
    CHECK_EQ(*entry & PTE_D, 0, "D after command 3");
    /* The frame's offset says nothing to MACHPHYS_UPDATE. */
    uint64_t mfn = va_to_mfn(page_a), pfn = m2p()[mfn];
    CHECK_EQ(update(mfn << PAGE_SHIFT | 0x7f8 | MMU_MACHPHYS_UPDATE, 0x4711), 0, "MACHPHYS_UPDATE");
    CHECK_EQ(m2p()[mfn], 0x4711, "m2p");
    CHECK_EQ(((const uint64_t *)0xffff800000000000)[mfn], 0x4711, "m2p where Xen has it");
    update(mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, pfn);
}

/* A present entry may hold any of these, an absent one anything at all. */
static void check_entry_bits(void)
{
    static const uint64_t fine[] = {1u << 8, 7u << 9, 1ull << 63, 0x3full << 52};
    static const uint64_t cache[] = {1u << 3, 1u << 4}; /* Xen's are for guests with devices */
    uint64_t *entry = pte_of(WINDOW, 1), at = va_to_maddr(entry);

    page_b[0] = 0x5a;
    for (unsigned int i = 0; i < ARRAY_SIZE(fine); i++) {
        CHECK_EQ(update(at, pte(page_b, PTE_P | PTE_RW | fine[i])), 0, "bits 0x%lx", fine[i]);
        ext(MMUEXT_INVLPG_LOCAL, WINDOW, 0);
        CHECK_EQ(*(volatile uint8_t *)window, 0x5a, "memory through bits 0x%lx", fine[i]);
        if (fine[i] < 1ull << 52 || fine[i] >> 63)
            CHECK_EQ(*entry & fine[i], fine[i], "the entry keeps bits 0x%lx", fine[i]);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(cache); i++) {
        long rc = update(at, pte(page_b, PTE_P | PTE_RW | cache[i]));

        CHECK(rc == 0 || rc == -XEN_EINVAL, "bits 0x%lx: %ld", cache[i], rc);
    }
    CHECK_EQ(update(at, 0xfffffffffffffffe), 0, "an absent entry full of ones");
    CHECK_EQ(*entry, 0xfffffffffffffffe, "what is in it");
    for (unsigned int level = 2; level <= 4; level++) {
        uint64_t spare = va_to_maddr(pte_of(0x7f0000000000ul - (1ul << 39), 4));
        CHECK_EQ(update(spare, 0xfffffffffffffffe), 0, "an absent upper entry full of ones");
        CHECK_EQ(update(spare, 0), 0, "and empty again");
    }
}

static void check_refused(void)
{
    uint64_t at = va_to_maddr(pte_of(WINDOW, 1));
    static const unsigned int shifts[] = {0, 12, 21, 30, 39};

    for (unsigned int level = 2; level <= 4; level++) {
        uint64_t *entry = pte_of(WINDOW, level), old = *entry;

        CHECK_EQ(update(va_to_maddr(entry), old | 0x80), -XEN_EINVAL, "PSE at level %u", level);
        CHECK_EQ(*entry & 0x80, 0, "PSE is in the entry of level %u", level);
        entry = pte_of(WINDOW + (1ul << shifts[level]), level);
        CHECK_EQ(update(va_to_maddr(entry), pte(page_a, PTE_P | PTE_RW | PTE_U | 0x80)),
                 -XEN_EINVAL, "a large page at level %u", level);
        CHECK_EQ(*entry, 0, "the entry of level %u", level);
    }
    CHECK_EQ(update(0xfffffffffffff000ul, 0), -XEN_EINVAL, "a table at no address");
    CHECK(update(NO_FRAME << PAGE_SHIFT, 0) < 0, "a table in no frame");
    CHECK_EQ(update(at, NO_FRAME << PAGE_SHIFT | PTE_P), -XEN_EPERM, "an entry for no memory");
    CHECK_EQ(update_va_mapping(WINDOW, NO_FRAME << PAGE_SHIFT | PTE_P, 0), -XEN_EPERM,
             "update_va_mapping for no memory");
    CHECK_EQ(update(at, PTE_FRAME | PTE_P), -XEN_EINVAL, "an entry for the last frame number");
    CHECK(update(NO_FRAME << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 0) < 0, "m2p of no frame");
    for (unsigned int slot = 256; slot < 272; slot++) {
        uint64_t *entry = (uint64_t *)start_info->pt_base + slot;

        CHECK_EQ(update(va_to_maddr(entry), 0), -XEN_EINVAL, "clearing L4 slot %u", slot);
        CHECK_EQ(update(va_to_maddr(entry) | MMU_PT_UPDATE_PRESERVE_AD, pte(page_a, PTE_P)),
                 -XEN_EINVAL, "setting L4 slot %u", slot);
    }
    CHECK_EQ(update_va_mapping(0xffff800000000000, pte(page_a, PTE_P), 0), -XEN_EINVAL,
             "update_va_mapping in Xen's hole");
    CHECK_EQ(update_va_mapping(0x0000800000000000, pte(page_a, PTE_P), 0), -XEN_EINVAL,
             "update_va_mapping at a non-canonical address");
}

static void check_done(void)
{
    static mmu_update_t req[300];
    uint64_t good = va_to_maddr(page_b), edge = WINDOW + PAGE_SIZE;
    unsigned int done;

    for (unsigned int i = 0; i < ARRAY_SIZE(req); i++)
        req[i] = (mmu_update_t){good + 8 * i, i + 1000};
    for (unsigned int bad = 0; bad < 300; bad += 37) {
        memset(page_b, 0, PAGE_SIZE);
        req[bad].ptr = ~0xffful;
        done = 99999;
        CHECK_EQ(mmu_update(req, 300, &done), -XEN_EINVAL, "a batch with bad entry %u", bad);
        CHECK_EQ(done, bad, "done of it");
        CHECK(!bad || ((uint64_t *)page_b)[bad - 1] == bad - 1 + 1000, "the one before it");
        CHECK_EQ(((uint64_t *)page_b)[bad + 1], 0, "the one behind it");
        req[bad].ptr = good + 8 * bad;
    }
    /* The list ends at a hole. */
    map(WINDOW, va_to_mfn(page_a), PTE_P | PTE_RW);
    for (unsigned int fit = 0; fit < 80; fit += 13) {
        mmu_update_t *list = (void *)(edge - fit * sizeof(*list));

        for (unsigned int i = 0; i < fit; i++)
            list[i] = (mmu_update_t){good + 8 * i, fit};
        done = 99999;
        CHECK_EQ(mmu_update(list, fit + 3, &done), -XEN_EFAULT, "a list with a hole at %u", fit);
        CHECK_EQ(done, fit, "done of it");
        CHECK(!fit || ((uint64_t *)page_b)[fit - 1] == fit, "the last one in front of the hole");
    }
    CHECK_EQ(mmu_update(req, 2, (void *)NOWHERE), 0, "done at no address");
    CHECK_EQ(mmu_update(req, 0, NULL), 0, "nothing to do");
    CHECK_EQ(mmu_update((void *)NOWHERE, 0, &done), 0, "nothing to do at no address");
    CHECK_EQ(done, 0, "done of that");
    struct mmuext_op ops[3] = {
        {.cmd = MMUEXT_TLB_FLUSH_LOCAL}, {.cmd = MMUEXT_TLB_FLUSH_ALL}, {.cmd = 14}};
    CHECK_EQ(mmuext_op(ops, 3, &done), -XEN_ENOSYS, "an mmuext_op that does not exist");
    CHECK_EQ(done, 2, "done of it");
    CHECK_EQ(mmuext_op(ops, 2, (void *)NOWHERE), 0, "done of mmuext_op at no address");
}

static void check_domains(void)
{
    mmu_update_t req = {va_to_maddr(page_b), 1};
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    static const uint32_t others[] = {OTHER_DOMAIN, DOMID_INVALID, DOMID_SELF | 0x4712u << 16};

    for (unsigned int i = 0; i < ARRAY_SIZE(others); i++) {
        long rc = hypercall4(__HYPERVISOR_mmu_update, &req, 1, 0, others[i]);
        CHECK(rc == -XEN_ESRCH || rc == -XEN_EPERM, "mmu_update for domain 0x%x: %ld", others[i],
              rc);
        rc = hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, others[i]);
        CHECK(rc == -XEN_ESRCH || rc == -XEN_EPERM || !rc, "mmuext_op for domain 0x%x: %ld",
              others[i], rc);
    }
    long rc = hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, WINDOW, pte(page_a, PTE_P), 0,
                         OTHER_DOMAIN);
    CHECK(rc == -XEN_ESRCH || rc == -XEN_EPERM, "update_va_mapping_otherdomain: %ld", rc);
    CHECK_EQ(hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, WINDOW, pte(page_a, PTE_P),
                        UVMF_INVLPG, DOMID_SELF),
             0, "update_va_mapping_otherdomain for ourselves");
}

/* The window alternates between two pages; each way to flush shows the other one. */
static void check_flushes(void)
{
    static uint64_t masks[2] = {1, ~0ul};
    const uint64_t flags[] = {UVMF_TLB_FLUSH | UVMF_LOCAL,
                              UVMF_TLB_FLUSH | UVMF_ALL,
                              UVMF_TLB_FLUSH | (uintptr_t)&masks[0],
                              UVMF_TLB_FLUSH | (uintptr_t)&masks[1],
                              UVMF_INVLPG | UVMF_LOCAL,
                              UVMF_INVLPG | UVMF_ALL,
                              UVMF_INVLPG | (uintptr_t)&masks[0],
                              UVMF_INVLPG | (uintptr_t)&masks[1]};

    *(uint64_t *)page_a = 0xa;
    *(uint64_t *)page_b = 0xb;
    map(WINDOW, va_to_mfn(page_a), PTE_P | PTE_RW);
    CHECK_EQ(*window, 0xa, "page a");
    for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
        CHECK_EQ(update_va_mapping(WINDOW, pte(page_b, PTE_P | PTE_RW), flags[i]), 0, "flags %u",
                 i);
        CHECK_EQ(*window, 0xb, "content after flags %u", i);
        CHECK_EQ(update_va_mapping(WINDOW, pte(page_a, PTE_P), flags[i]), 0, "flags %u", i);
        CHECK_EQ(*window, 0xa, "content after flags %u again", i);
        CHECK(!try_write(window, 1), "written after flags %u took RW away", i);
    }
    CHECK_EQ(update_va_mapping(WINDOW, pte(page_a, PTE_P | PTE_RW), UVMF_NONE), 0, "no flush");
    CHECK(try_write(window, 0xa), "more rights need no flush");
    CHECK_EQ(update_va_mapping(WINDOW, pte(page_a, PTE_P), UVMF_INVLPG | NOWHERE), -XEN_EFAULT,
             "a vCPU mask at no address");
    CHECK_EQ(update_va_mapping(WINDOW, pte(page_a, PTE_P), UVMF_NONE | NOWHERE), 0,
             "a vCPU mask that is not looked at");
    CHECK_EQ(update_va_mapping(WINDOW + (1ul << 21), 0, 0), -XEN_EINVAL, "no level-1 table");
}

static void check_ext(void)
{
    static uint64_t mask = ~0ul;
    uint64_t *root = page_alloc();

    CHECK_EQ(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (uintptr_t)&mask), 0, "TLB_FLUSH_MULTI");
    CHECK_EQ(ext(MMUEXT_INVLPG_MULTI, WINDOW, (uintptr_t)&mask), 0, "INVLPG_MULTI");
    CHECK_EQ(ext(MMUEXT_TLB_FLUSH_MULTI, 0, NOWHERE), -XEN_EINVAL, "its mask at no address");
    CHECK_EQ(ext(MMUEXT_INVLPG_MULTI, WINDOW, NOWHERE), -XEN_EINVAL, "its mask at no address");
    CHECK_EQ(ext(MMUEXT_INVLPG_ALL, 0x0000800000000000, 0), 0, "INVLPG_ALL, non-canonical");
    CHECK_EQ(ext(MMUEXT_INVLPG_LOCAL, ~0ul, 0), 0, "INVLPG_LOCAL of the last address");
    CHECK_EQ(ext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0, "TLB_FLUSH_ALL");
    long rc = ext(MMUEXT_FLUSH_CACHE, 0, 0);
    CHECK(rc == 0 || rc == -XEN_EACCES, "FLUSH_CACHE: %ld", rc);
    CHECK_EQ(ext(19, va_to_mfn(page_a), 0), -XEN_EOPNOTSUPP, "MARK_SUPER");
    CHECK_EQ(ext(20, va_to_mfn(page_a), 0), -XEN_EOPNOTSUPP, "UNMARK_SUPER");
    CHECK_EQ(ext(14, 0, 0), -XEN_ENOSYS, "operation 14");
    CHECK_EQ(ext(21, 0, 0), -XEN_ENOSYS, "operation 21");
    CHECK(ext(MMUEXT_CLEAR_PAGE, NO_FRAME, 0) < 0, "CLEAR_PAGE of no frame");
    CHECK(ext(MMUEXT_COPY_PAGE, va_to_mfn(page_a), NO_FRAME) < 0, "COPY_PAGE from no frame");
    CHECK(ext(MMUEXT_COPY_PAGE, NO_FRAME, va_to_mfn(page_a)) < 0, "COPY_PAGE to no frame");
    CHECK(ext(MMUEXT_UNPIN_TABLE, NO_FRAME, 0) < 0, "unpinning no frame");
    CHECK_EQ(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0, "no user root");
    CHECK(ext(MMUEXT_NEW_USER_BASEPTR, NO_FRAME, 0) < 0, "a user root in no frame");
    CHECK_EQ(ext(MMUEXT_SET_LDT, WINDOW, 0), 0, "no LDT");
    CHECK_EQ(ext(MMUEXT_SET_LDT, WINDOW + 8, 0), 0, "a misaligned LDT without entries");
    CHECK_EQ(ext(MMUEXT_SET_LDT, WINDOW, 8192), 0, "8192 entries, checked when they are used");
    CHECK_EQ(ext(MMUEXT_SET_LDT, WINDOW, 8193), -XEN_EINVAL, "8193 entries");
    ext(MMUEXT_SET_LDT, 0, 0);

    /* A second root, pinned, used and given up. */
    memcpy(root, (void *)start_info->pt_base, PAGE_SIZE);
    remap(root, PTE_P);
    CHECK_EQ(ext(MMUEXT_PIN_L4_TABLE, va_to_mfn(root), 0), 0, "PIN_L4_TABLE");
    CHECK_EQ(ext(MMUEXT_NEW_BASEPTR, va_to_mfn(root), 0), 0, "NEW_BASEPTR");
    uint64_t cr3;
    asm volatile("mov %%cr3, %0" : "=r"(cr3));
    CHECK_EQ(cr3, va_to_maddr(root), "cr3 after it");
    asm volatile("mov %0, %%cr3" : : "r"(va_to_maddr((void *)start_info->pt_base)));
    asm volatile("mov %%cr3, %0" : "=r"(cr3));
    CHECK_EQ(cr3, va_to_maddr((void *)start_info->pt_base), "cr3 after mov to cr3");
    CHECK_EQ(ext(MMUEXT_UNPIN_TABLE, va_to_mfn(root), 0), 0, "UNPIN_TABLE");
    CHECK_EQ(remap(root, PTE_P | PTE_RW), 0, "the page is an ordinary one again");
    root[300] = 1;
}

/* A plain store to a table: emulated at level 1, a fault above. */
static void check_stores(void)
{
    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables),
             0, "vm_assist");
    for (unsigned int level = 1; level <= 4; level++) {
        uint64_t *entry = pte_of(WINDOW, level), value = *entry;

        trap_reset();
        asm volatile(EX_TRY("mov %[value], (%[entry])")
                     :
                     : [value] "r"(value), [entry] "r"(entry)
                     : "memory");
        CHECK_EQ(last_trap.vector, level == 1 ? -1 : 14, "a store to a level-%u table", level);
        if (level > 1) {
            CHECK_EQ(last_trap.error, 3, "its error code");
            CHECK_EQ(last_trap.cr2, (uintptr_t)entry, "its cr2");
        }
    }
    /* Each width, and only part of an entry. */
    uint64_t *entry = pte_of(WINDOW + 5 * PAGE_SIZE, 1);
    trap_reset();
    asm volatile(EX_TRY("movl $0x1234564, (%[entry])") : : [entry] "r"(entry) : "memory");
    asm volatile(EX_TRY("movw $0x4321, 4(%[entry])") : : [entry] "r"(entry) : "memory");
    asm volatile(EX_TRY("movb $0x21, 6(%[entry])") : : [entry] "r"(entry) : "memory");
    asm volatile("movl $0x1234566, %%eax\n" EX_TRY("xchg %%eax, (%[entry])")
                 :
                 : [entry] "r"(entry)
                 : "memory", "rax");
    CHECK_EQ(last_trap.vector, -1, "stores of 4, 2 and 1 byte");
    CHECK_EQ(*entry, 0x0021432101234566, "what they leave");
}

/* U is of no importance: programs reach what their root reaches. */
asm(".section .user, \"ax\"\n"
    "user_read: mov (%rdi), %rax\n mov %rsi, (%rdi)\n syscall\n"
    ".text\n");
extern char user_read[];

static void check_user_bit(void)
{
    struct trap_frame f = {.cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = WINDOW + 64,
                           .rdi = WINDOW + PAGE_SIZE,
                           .rsi = 0x1234,
                           .rflags = 0x202};

    user_root_init();
    *(uint64_t *)page_b = 0x4321;
    map(WINDOW, va_to_mfn((void *)((uintptr_t)user_read & ~(PAGE_SIZE - 1))), PTE_P);
    map(WINDOW + PAGE_SIZE, va_to_mfn(page_b), PTE_P | PTE_RW);
    f.rip = WINDOW + (uintptr_t)user_read % PAGE_SIZE;
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "a program in pages without U");
    CHECK_EQ(f.rax, 0x4321, "what it read");
    CHECK_EQ(*(uint64_t *)page_b, 0x1234, "what it wrote");
}

void test_main(void)
{
    page_a = page_alloc();
    page_b = page_alloc();
    map(WINDOW, va_to_mfn(page_a), PTE_P | PTE_RW);
    check_commands();
    check_entry_bits();
    check_refused();
    check_done();
    check_domains();
    check_flushes();
    check_ext();
    check_stores();
    check_user_bit();
}
