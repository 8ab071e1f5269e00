/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mmu-update - claim: page-table updates by hypercall do what the ABI says (mapping, rights,
 * A and D bits, m2p, batches that stop at the first error with `done` filled), no stale
 * translation is used once the guest has flushed, rights that grew need no flush, stores to
 * read-only level-1 tables are carried out, and bad updates are refused.
 *
 * Blind spots: several vCPUs, super pages, speed.
 */
#include "guest.h"

#define WINDOW 0x30000000ul

static uint8_t *page_a, *page_b;

static void check_rights(void)
{
    volatile uint8_t *w = (volatile uint8_t *)WINDOW;

    page_a[0] = 1;
    page_b[0] = 2;
    CHECK_EQ(map(WINDOW, va_to_mfn(page_a), PTE_P), 0, "map read-only");
    CHECK_EQ(w[0], 1, "content");
    CHECK(!try_write(w, 9), "a read-only mapping can be written");
    CHECK_EQ(last_trap.error, 3, "its error code");
    CHECK_EQ(map(WINDOW, va_to_mfn(page_a), PTE_P | PTE_RW), 0, "map writable");
    CHECK(try_write(w, 9) && page_a[0] == 9, "a writable mapping cannot be written");
    CHECK_EQ(map(WINDOW, va_to_mfn(page_b), PTE_P | PTE_RW), 0, "map another frame");
    CHECK_EQ(w[0], 2, "content of the new frame (stale translation?)");
    CHECK_EQ(map(WINDOW, va_to_mfn(page_b), PTE_P), 0, "rights away");
    CHECK(!try_write(w, 9), "written through a stale translation");
    CHECK_EQ(unmap(WINDOW), 0, "unmap");
    CHECK(!try_read(w, NULL), "read through a stale translation");
    CHECK_EQ(last_trap.error, 0, "its error code");
    CHECK_EQ(last_trap.cr2, WINDOW, "its cr2");
}

/* Rights that grow need no flush: the fault must be looked at again, not delivered. */
static void check_growing(void)
{
    volatile uint8_t *w = (volatile uint8_t *)WINDOW;
    mmu_update_t req;

    map(WINDOW, va_to_mfn(page_a), PTE_P);
    CHECK(try_read(w, NULL), "read");
    req.ptr = va_to_maddr(pte_of(WINDOW, 1));
    req.val = va_to_mfn(page_a) << PAGE_SHIFT | PTE_P | PTE_RW;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "mmu_update");
    CHECK(try_write(w, 5), "spurious fault after RW was added without a flush");
    req.val = 0;
    mmu_update(&req, 1, NULL);
    struct mmuext_op flush = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    mmuext_op(&flush, 1, NULL);
    CHECK(!try_read(w, NULL), "mapped after a flush");
    req.val = va_to_mfn(page_a) << PAGE_SHIFT | PTE_P;
    mmu_update(&req, 1, NULL);
    CHECK(try_read(w, NULL), "spurious fault after an entry was added without a flush");
}

static void check_accessed_dirty(void)
{
    volatile uint8_t *w = (volatile uint8_t *)WINDOW;
    uint64_t *pte;
    mmu_update_t req;

    map(WINDOW, va_to_mfn(page_a), PTE_P | PTE_RW);
    pte = pte_of(WINDOW, 1);
    (void)w[0];
    CHECK(*(volatile uint64_t *)pte & PTE_A, "A is not set by a read");
    w[0] = 1;
    CHECK(*(volatile uint64_t *)pte & PTE_D, "D is not set by a write");
    req.ptr = va_to_maddr(pte) | MMU_PT_UPDATE_PRESERVE_AD;
    req.val = va_to_mfn(page_a) << PAGE_SHIFT | PTE_P;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "PRESERVE_AD");
    CHECK_EQ(*pte & (PTE_A | PTE_D | PTE_RW), PTE_A | PTE_D, "A, D and RW after PRESERVE_AD");
    req.ptr = va_to_maddr(pte) | MMU_NORMAL_PT_UPDATE;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "normal update");
    CHECK_EQ(*pte & PTE_D, 0, "D after a normal update");
}

/* Both modes are ring 3: U is in every entry, bit 52 tells what the kernel's alone was meant to
 * be, and the rest is global. */
static void check_read_back(void)
{
    uint64_t frame = va_to_mfn(page_a) << PAGE_SHIFT, *pte = pte_of(WINDOW, 1);
    uint64_t *upper = pte_of(WINDOW, 2), all = PTE_U | PTE_G | PTE_GUEST_KERNEL, old = *upper;
    mmu_update_t req = {va_to_maddr(pte), frame | PTE_P};

    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "an entry without U");
    CHECK_EQ(*pte & all, PTE_U | PTE_GUEST_KERNEL, "what is read back");
    req.val |= PTE_U;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "an entry with U");
    CHECK_EQ(*pte & all, PTE_U | PTE_G, "what is read back");
    CHECK_EQ(update_va_mapping(WINDOW, frame | PTE_P, UVMF_INVLPG), 0, "update_va_mapping");
    CHECK_EQ(*pte & all, PTE_U | PTE_GUEST_KERNEL, "what is read back of it");
    req.val = frame;
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "an entry that is not present");
    CHECK_EQ(*pte, frame, "is kept as it is");
    req = (mmu_update_t){va_to_maddr(upper), old & ~PTE_U};
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "an entry of level 2 without U");
    CHECK_EQ(*upper & all, PTE_U, "what is read back of it");
    req = (mmu_update_t){va_to_maddr(page_b + 8), 1};
    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "an ordinary page");
    CHECK_EQ(*(uint64_t *)(page_b + 8), 1, "its content");
}

static void check_m2p(void)
{
    uint64_t mfn = va_to_mfn(page_a), pfn = m2p()[mfn];
    mmu_update_t req = {.ptr = mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, .val = 0x1234};

    CHECK_EQ(mmu_update(&req, 1, NULL), 0, "MACHPHYS_UPDATE");
    CHECK_EQ(m2p()[mfn], 0x1234, "m2p");
    req.val = pfn;
    mmu_update(&req, 1, NULL);
    CHECK_EQ(m2p()[mfn], pfn, "m2p restored");
    req.ptr = 0x7fffffffful << PAGE_SHIFT | MMU_MACHPHYS_UPDATE;
    CHECK(mmu_update(&req, 1, NULL) < 0, "MACHPHYS_UPDATE of no frame");
}

static void check_batch(void)
{
    uint64_t pte = va_to_maddr(pte_of(WINDOW, 1));
    uint64_t good = va_to_mfn(page_a) << PAGE_SHIFT | PTE_P;
    mmu_update_t req[4] = {{pte, good}, {pte, good}, {0xfffffffffffff000ul, good}, {pte, good}};
    unsigned int done = 99;

    CHECK(mmu_update(req, 4, &done) < 0, "a batch with a bad entry succeeds");
    CHECK_EQ(done, 2, "done");
    CHECK_EQ(mmu_update(req, 2, &done), 0, "a good batch");
    CHECK_EQ(done, 2, "done");
    CHECK_EQ(mmu_update(req, 0, &done), 0, "an empty batch");
    CHECK_EQ(done, 0, "done");
    req[0].val = 0x7fffffffful << PAGE_SHIFT | PTE_P;
    CHECK(mmu_update(req, 1, NULL) < 0, "an entry for a frame that does not exist");
    /* A plain page: an 8-byte store. */
    req[0].ptr = va_to_maddr(page_b + 16);
    req[0].val = 0x1122334455667788;
    CHECK_EQ(mmu_update(req, 1, NULL), 0, "update of an ordinary page");
    CHECK_EQ(*(uint64_t *)(page_b + 16), 0x1122334455667788, "its content");
    CHECK_EQ(hypercall4(__HYPERVISOR_mmu_update, req, 1, 0, 0x1234), -XEN_ESRCH,
             "a domain that does not exist");
}

static void check_hole(void)
{
    uint64_t *l4 = (uint64_t *)start_info->pt_base;

    for (unsigned int slot = 256; slot < 272; slot++) {
        mmu_update_t req = {.ptr = va_to_maddr(&l4[slot]),
                            .val = va_to_mfn(page_a) << PAGE_SHIFT | PTE_P};

        CHECK(mmu_update(&req, 1, NULL) < 0, "Xen's L4 slot %u can be written", slot);
    }
}

static void check_va_mapping(void)
{
    volatile uint8_t *w = (volatile uint8_t *)WINDOW;

    CHECK_EQ(
        update_va_mapping(WINDOW, va_to_mfn(page_b) << PAGE_SHIFT | PTE_P | PTE_RW, UVMF_INVLPG), 0,
        "update_va_mapping");
    CHECK_EQ(w[16], 0x88, "content");
    CHECK_EQ(update_va_mapping(WINDOW, 0, UVMF_TLB_FLUSH | UVMF_ALL), 0, "unmap, flush all");
    CHECK(!try_read(w, NULL), "mapped after that");
    CHECK_EQ(update_va_mapping(0x7f0000000000ul, 0, 0), -XEN_EINVAL, "no table there");
    CHECK(update_va_mapping(WINDOW, 0x7fffffffful << PAGE_SHIFT | PTE_P, 0) < 0, "no such frame");
}

/* Writable page tables: stores to a read-only level-1 table are done by the hypervisor. */
static void check_ptwr(void)
{
    volatile uint8_t *w = (volatile uint8_t *)WINDOW;
    uint64_t *pte = pte_of(WINDOW, 1);
    uint64_t value = va_to_mfn(page_a) << PAGE_SHIFT | PTE_P | PTE_RW;
    struct mmuext_op invlpg = {.cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = WINDOW};

    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables),
             0, "vm_assist");
    page_a[0] = 77;
    trap_reset();
    asm volatile(EX_TRY("mov %[value], (%[pte])")
                 :
                 : [value] "r"(value), [pte] "r"(pte)
                 : "memory");
    CHECK_EQ(last_trap.vector, -1, "vector at a plain store");
    CHECK_EQ(w[0], 77, "content through the entry");
    w[0] = 78;
    trap_reset();
    asm volatile(EX_TRY("lock andq $~2, (%[pte])") : : [pte] "r"(pte) : "memory", "cc");
    CHECK_EQ(last_trap.vector, -1, "vector at lock and");
    mmuext_op(&invlpg, 1, NULL);
    CHECK(!try_write(w, 1), "written after RW was removed by lock and");
    uint64_t old = 0;
    trap_reset();
    asm volatile(EX_TRY("xchg %[old], (%[pte])") : [old] "+r"(old) : [pte] "r"(pte) : "memory");
    CHECK_EQ(last_trap.vector, -1, "vector at xchg");
    CHECK_EQ(old & PTE_FRAME, value & PTE_FRAME, "old entry by xchg");
    CHECK(old & PTE_D, "D bit in what xchg gave");
    mmuext_op(&invlpg, 1, NULL);
    CHECK(!try_read(w, NULL), "mapped after xchg with 0");
}

static void check_mmuext(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = va_to_mfn(page_b)};
    struct mmuext_op ops[3] = {
        {.cmd = MMUEXT_TLB_FLUSH_LOCAL}, {.cmd = 99}, {.cmd = MMUEXT_TLB_FLUSH_LOCAL}};
    unsigned int done = 99;

    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "CLEAR_PAGE");
    CHECK_EQ(page_b[16], 0, "content after it");
    page_a[100] = 55;
    op.cmd = MMUEXT_COPY_PAGE;
    op.arg2.src_mfn = va_to_mfn(page_a);
    CHECK_EQ(mmuext_op(&op, 1, NULL), 0, "COPY_PAGE");
    CHECK_EQ(page_b[100], 55, "content after it");
    CHECK(mmuext_op(ops, 3, &done) < 0, "an unknown operation in a batch");
    CHECK_EQ(done, 1, "done");
    for (unsigned int cmd = MMUEXT_PIN_L1_TABLE; cmd <= MMUEXT_PIN_L4_TABLE; cmd++) {
        op.cmd = cmd;
        op.arg1.mfn = 0x7fffffffful;
        CHECK(mmuext_op(&op, 1, NULL) < 0, "pinning of no frame, level %u", cmd + 1);
    }
    op.cmd = MMUEXT_NEW_BASEPTR;
    CHECK(mmuext_op(&op, 1, NULL) < 0, "NEW_BASEPTR to no frame");
    op.arg1.mfn = ~0ul;
    CHECK(mmuext_op(&op, 1, NULL) < 0, "NEW_BASEPTR to frame ~0");
}

void test_main(void)
{
    page_a = page_alloc();
    page_b = page_alloc();
    check_rights();
    check_growing();
    check_accessed_dirty();
    check_read_back();
    check_m2p();
    check_batch();
    check_hole();
    check_va_mapping();
    check_ptwr();
    check_mmuext();
}
