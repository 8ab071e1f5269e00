/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-mmu.c - mmu_update, update_va_mapping, mmuext_op and multicall.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_env.h"

#include "cpu/pv/pv.h"

#define SELF 0x7ff0
#define PTE(f, flags) ((uint64_t)(f) << 12 | (flags))
#define DONE (ARGS + 0x3ff8)

struct req {
    uint64_t ptr, val;
};

struct ext {
    uint32_t cmd;
    uint64_t arg1, arg2;
};

struct call {
    uint64_t op;
    int64_t result;
    uint64_t args[6];
};

static int64_t mmu_update(const struct req *reqs, unsigned int n)
{
    memcpy(fake_at(ARGS), reqs, n * sizeof(*reqs));
    memset(fake_at(DONE), 0xee, 8);
    return fake_hypercall(1, ARGS, n, DONE, SELF, 0);
}

static int64_t mmuext(uint32_t cmd, uint64_t arg1, uint64_t arg2)
{
    struct ext e = {cmd, arg1, arg2};

    memcpy(fake_at(ARGS), &e, sizeof(e));
    return fake_hypercall(26, ARGS, 1, DONE, SELF, 0);
}

static uint32_t done(void)
{
    uint32_t n;

    memcpy(&n, fake_at(DONE), 4);
    return n;
}

static void test_update_commands(void **state)
{
    gva_t slot = KVA(FRAME_DATA) + 0x88;
    maddr_t at = PTE(FRAME_DATA, 0x88);
    struct req r[] = {
        {at | 0, PTE(30, 0x67)},
        {at | 2, PTE(31, 0x3)},     /* keeps A and D */
        {PTE(33, 1), 0x777},        /* m2p */
        {at + 8 + 3, PTE(32, 0x3)}, /* bits 0-2 are not address */
    };

    assert_int_equal(mmu_update(r, 4), 0);
    assert_int_equal(done(), 4);
    assert_int_equal(fake_word(slot), PTE(31, 0x63));
    assert_int_equal(fake_word(slot + 8), PTE(32, 0x3));
    assert_int_equal(fake.m2p[33], 0x777);
    assert_int_equal(fake.written[FRAME_DATA], 1); /* once for the run */
}

static void test_update_errors(void **state)
{
    maddr_t at = PTE(FRAME_DATA, 0);
    struct req bad_frame[] = {{at, PTE(30, 1)}, {at + 8, PTE(NR_FRAMES, 1)}, {at + 16, PTE(30, 1)}};
    struct req bad_table[] = {{PTE(NR_FRAMES, 0), 0}};
    struct req bad_m2p[] = {{at, 0}, {PTE(NR_FRAMES, 1), 0}};
    struct req not_present[] = {{at, 0xfffffffffffffffe}};

    assert_int_equal(mmu_update(bad_frame, 3), -XEN_EPERM); /* no memory: a device's */
    assert_int_equal(done(), 1);
    assert_int_equal(fake_word(KVA(FRAME_DATA) + 16), 0);
    assert_int_equal(mmu_update(bad_table, 1), -XEN_EINVAL);
    assert_int_equal(done(), 0);
    assert_int_equal(mmu_update(bad_m2p, 2), -XEN_EINVAL);
    assert_int_equal(done(), 1);
    assert_int_equal(mmu_update(not_present, 1), 0); /* a swap entry */
    assert_int_equal(fake_hypercall(1, ARGS, 1, 0, 7, 0), -XEN_ESRCH);
    assert_int_equal(fake_hypercall(1, ARGS, 1, 0, SELF | 3 << 16, 0), -XEN_ESRCH);
}

static void test_update_unreadable_list(void **state)
{
    gva_t list = KVA(FRAME_HOLE) - 2 * sizeof(struct req); /* two fit */
    struct req r[] = {{PTE(FRAME_DATA, 0), PTE(30, 1)}, {PTE(FRAME_DATA, 8), PTE(31, 1)}};

    memcpy(fake_at(list), r, sizeof(r));
    assert_int_equal(fake_hypercall(1, list, 5, DONE, SELF, 0), -XEN_EFAULT);
    assert_int_equal(done(), 2);
    assert_int_equal(fake_word(KVA(FRAME_DATA) + 8), PTE(31, 1));
    assert_int_equal(fake_hypercall(1, 0x8000000000000000, 5, 0, SELF, 0), -XEN_EFAULT);
    /* Nowhere to put the count. */
    assert_int_equal(fake_hypercall(1, list, 2, KVA(FRAME_HOLE), SELF, 0), 0);
}

static void test_update_long_list_is_continued(void **state)
{
    /* 10000 requests from a list that is mapped over and over. */
    gva_t list = KBASE + 64 * PAGE_SIZE;
    uint64_t *l1 = fake_at(KVA(FRAME_L1));
    unsigned int i;

    for (i = 64; i < 104; i++)
        l1[i] = PTE(FRAME_DATA, 1);
    for (i = 0; i < 256; i++)
        memcpy(fake_at(KVA(FRAME_DATA) + 16 * i), &(struct req){PTE(30, 0), PTE(i % 60, 1)}, 16);
    assert_int_equal(fake_hypercall(1, list, 10000, DONE, SELF, 0), 0);
    assert_int_equal(done(), 10000);
    assert_true(fake_continued >= 2);
    assert_int_equal(fake_word(KVA(30)), PTE((10000 - 1) % 256 % 60, 1));
    /* A count that nobody can have memory for ends where the list does. */
    assert_int_equal(fake_hypercall(1, list, 0x7fffffff, DONE, SELF, 0), -XEN_EFAULT);
    assert_int_equal(done(), 40 * 256);
}

/* An event that is due, or a kick, comes in between, but not before some work was done. */
static void test_long_lists_are_preempted(void **state)
{
    gva_t list = KBASE + 64 * PAGE_SIZE;
    uint64_t *l1 = fake_at(KVA(FRAME_L1));
    unsigned int i;

    for (i = 64; i < 104; i++)
        l1[i] = PTE(FRAME_DATA, 3);
    for (i = 0; i < 256; i++)
        memcpy(fake_at(KVA(FRAME_DATA) + 16 * i), &(struct req){PTE(30, 0), 0}, 16);
    assert_int_equal(fake_hypercall(1, list, 1000, DONE, SELF, 0), 0);
    assert_int_equal(fake_continued, 0);
    fake_info()->evtchn_upcall_pending = 1;
    assert_int_equal(fake_hypercall(1, list, 1000, DONE, SELF, 0), 0);
    assert_int_equal(fake_continued, 31); /* after each 32 */
    assert_int_equal(done(), 1000);
    fake_info()->evtchn_upcall_mask = 1;
    assert_int_equal(fake_hypercall(1, list, 1000, DONE, SELF, 0), 0);
    assert_int_equal(fake_continued, 0);
    fake.kicked = true;
    memset(fake_at(KVA(FRAME_DATA)), 17, PAGE_SIZE); /* op and arguments of a multicall */
    assert_int_equal(fake_hypercall(13, list, 100, 0, 0, 0), 0);
    assert_int_equal(fake_continued, 12); /* after each 8 */
}

#define U 4ull
#define G 0x100ull
#define GUEST_KERNEL (1ull << 52)

/* How many frames are looked at to update `count` entries of a table, one request each. */
static unsigned int frames_for(maddr_t table, unsigned int count)
{
    unsigned int before = fake.frames_named;

    for (unsigned int i = 0; i < count; i++) {
        struct req r = {table + 8 * i, PTE(30, 3)};

        assert_int_equal(mmu_update(&r, 1), 0);
    }
    return fake.frames_named - before;
}

/* What a table that is not pinned is, is looked for once, not for each of its entries: a kernel
 * that forks updates thousands. */
static void test_update_looks_once(void **state)
{
    const maddr_t tables[] = {PTE(FRAME_L1, 0x800), PTE(FRAME_DATA, 0)};

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        unsigned int first = frames_for(tables[i], 1), more = frames_for(tables[i], 64);

        assert_true(more < 64 * first);
        assert_true(frames_for(tables[i], 64) == more);
    }
    assert_int_equal(fake_word(KVA(FRAME_L1) + 0x800), PTE(30, 3) | U | GUEST_KERNEL);
    assert_int_equal(fake_word(KVA(FRAME_DATA)), PTE(30, 3)); /* no table */
}

/* ... until an update of an upper table makes it one, or it is pinned. */
static void test_update_looks_again(void **state)
{
    struct req use = {PTE(FRAME_L2, 0x100), PTE(FRAME_DATA, 3)};
    struct req entry = {PTE(FRAME_DATA, 0), PTE(30, 7)};

    assert_int_equal(mmu_update(&entry, 1), 0);
    assert_int_equal(fake_word(KVA(FRAME_DATA)), PTE(30, 7));
    assert_int_equal(mmu_update(&use, 1), 0);
    assert_int_equal(fake_word(KVA(FRAME_L2) + 0x100), PTE(FRAME_DATA, 3) | U);
    assert_int_equal(mmu_update(&entry, 1), 0);
    assert_int_equal(fake_word(KVA(FRAME_DATA)), PTE(30, 7) | G);
    use.val = 0;
    assert_int_equal(mmu_update(&use, 1), 0);
    assert_int_equal(mmuext(0, FRAME_DATA, 0), 0);
    assert_int_equal(mmuext(4, FRAME_DATA, 0), 0);
    entry.val = PTE(31, 7);
    assert_int_equal(mmu_update(&entry, 1), 0);
    assert_int_equal(fake_word(KVA(FRAME_DATA)), PTE(31, 7)); /* no table any more */
}

static void test_update_flushes_when_due(void **state)
{
    maddr_t l2 = PTE(FRAME_L2, 0x100), l1 = PTE(FRAME_L1, 0x800);
    struct req grow[] = {{l2, PTE(30, 3)}, {l2 + 8, PTE(31, 3)}};
    struct req change[] = {{l2, 0}, {l2 + 8, 0}};
    struct req same[] = {{l2, PTE(30, 3)}};
    struct req leaf[] = {{l1, PTE(30, 3)}, {l1, PTE(31, 3)}};

    assert_int_equal(mmu_update(grow, 2), 0);
    assert_int_equal(fake.flushes, 0); /* nothing was there before */
    assert_int_equal(mmu_update(same, 1), 0);
    assert_int_equal(fake.flushes, 0);
    assert_int_equal(mmu_update(change, 2), 0);
    assert_int_equal(fake.flushes, 1); /* one for both */

    assert_int_equal(mmuext(0, FRAME_L1, 0), 0);
    assert_int_equal(mmu_update(leaf, 2), 0);
    assert_int_equal(fake.flushes, 1); /* level 1 is the guest's to flush */
    assert_int_equal(mmuext(4, FRAME_L1, 0), 0);
    assert_int_equal(mmu_update(leaf, 2), 0);
    assert_int_equal(fake.flushes, 2); /* what it is now nobody knows */
}

static void test_update_refuses_xens_slots(void **state)
{
    unsigned int slots[] = {255, 256, 271, 272};
    int64_t want[] = {0, -XEN_EINVAL, -XEN_EINVAL, 0};
    unsigned int i;

    mmuext(3, 40, 0);
    for (i = 0; i < 4; i++) {
        struct req live[] = {{PTE(FRAME_L4, slots[i] * 8), PTE(30, 1)}};
        struct req pinned[] = {{PTE(40, slots[i] * 8), PTE(30, 1)}};
        struct req other[] = {{PTE(41, slots[i] * 8), PTE(30, 1)}};

        assert_int_equal(mmu_update(live, 1), want[i]);
        assert_int_equal(mmu_update(pinned, 1), want[i]);
        assert_int_equal(mmu_update(other, 1), 0);
    }
}

static void test_update_large_pages(void **state)
{
    struct req r[] = {{PTE(40, 0), PTE(30, 0x81)}};

    mmuext(1, 40, 0);
    assert_int_equal(mmu_update(r, 1), -XEN_EINVAL);
    mmuext(0, 40, 0);
    assert_int_equal(mmu_update(r, 1), 0); /* PAT */
}

static int64_t uvm(gva_t va, uint64_t pte, uint64_t flags)
{
    return fake_hypercall(14, va, pte, flags, 0, 0);
}

static void test_update_va_mapping(void **state)
{
    uint64_t *l1 = fake_at(KVA(FRAME_L1));
    gva_t va = KVA(40);

    assert_int_equal(uvm(va, PTE(30, 3), 0), 0);
    assert_int_equal(l1[40], PTE(30, 7) | 1ull << 52); /* the kernel's alone */
    assert_int_equal(fake.written[FRAME_L1], 1);
    assert_int_equal(fake.flushes + fake.invlpgs, 0);
    assert_int_equal(uvm(va, 0, 2), 0);
    assert_int_equal(l1[40], 0);
    assert_int_equal(fake.invlpgs, 1);
    assert_int_equal(fake.last_invlpg, va);
    assert_int_equal(uvm(va, PTE(31, 1), 1 | 4), 0);
    assert_int_equal(fake.flushes, 1);

    *(uint64_t *)fake_at(ARGS) = 2; /* only vcpu 1 */
    assert_int_equal(uvm(va, 0, ARGS | 1), 0);
    assert_int_equal(fake.flushes, 1);
    assert_true(fake.flushed_others == 2);
    *(uint64_t *)fake_at(ARGS) = 3;
    assert_int_equal(uvm(va, 0, ARGS | 1), 0);
    assert_int_equal(fake.flushes, 2);
    assert_int_equal(uvm(va, 0, KVA(FRAME_HOLE) | 1), -XEN_EFAULT);

    assert_int_equal(uvm(va, PTE(NR_FRAMES, 1), 0), -XEN_EPERM);
    assert_int_equal(uvm(0x1000, PTE(30, 1), 0), -XEN_EINVAL);
    assert_int_equal(uvm(PV_HOLE_START, PTE(30, 1), 0), -XEN_EINVAL);
    assert_int_equal(uvm(0x8000000000000000, PTE(30, 1), 0), -XEN_EINVAL);
    assert_int_equal(l1[40], 0);
    assert_int_equal(fake_hypercall(22, va, PTE(30, 1), 0, SELF, 0), 0);
    assert_int_equal(fake_hypercall(22, va, PTE(30, 1), 0, 5, 0), -XEN_ESRCH);
}

static void test_ext_roots_and_pins(void **state)
{
    memcpy(fake_at(KVA(40)), fake_at(KVA(FRAME_L4)), PAGE_SIZE);
    assert_int_equal(mmuext(5, 40, 0), 0);
    assert_int_equal(fake.cr3, 40);
    assert_int_equal(vcpu.cr3_kernel, 40);
    vcpu.cr3_kernel = FRAME_L4;
    assert_int_equal(mmuext(5, NR_FRAMES, 0), -XEN_EINVAL);
    assert_int_equal(vcpu.cr3_kernel, FRAME_L4);
    assert_int_equal(mmuext(15, 41, 0), 0);
    assert_int_equal(vcpu.cr3_user, 41);
    assert_int_equal(mmuext(15, 0, 0), 0);
    assert_true(vcpu.cr3_user == INVALID_MFN && fake.user_cr3 == INVALID_MFN);
    assert_int_equal(mmuext(2, 42, 0), 0);
    assert_int_equal(fake.pin_level[42], 3);
    assert_int_equal(mmuext(4, 42, 0), 0);
    assert_int_equal(mmuext(4, 42, 0), 0); /* lenient */
    assert_int_equal(fake.pin_level[42], 0);
    assert_int_equal(mmuext(0, NR_FRAMES, 0), -XEN_EINVAL);
}

static void test_ext_flushes(void **state)
{
    mmuext(6, 0, 0);
    assert_int_equal(fake.flushes, 1);
    mmuext(7, 0xabc000, 0);
    assert_int_equal(fake.last_invlpg, 0xabc000);
    *(uint64_t *)fake_at(ARGS + 0x100) = 1;
    mmuext(8, 0, ARGS + 0x100);
    assert_int_equal(fake.flushes, 2);
    mmuext(9, 0xabd000, ARGS + 0x100);
    assert_int_equal(fake.last_invlpg, 0xabd000);
    *(uint64_t *)fake_at(ARGS + 0x100) = ~1ull;
    assert_true(fake.flushed_others == 0);
    mmuext(8, 0, ARGS + 0x100);
    assert_int_equal(fake.flushes, 2);
    assert_true(fake.flushed_others == ~1ull);
    mmuext(9, 0xabd000, ARGS + 0x100);
    assert_true(fake.invlpg_others == ~1ull);
    fake.flushed_others = fake.invlpg_others = 0;
    mmuext(10, 0, 0);
    assert_int_equal(fake.flushes, 3);
    assert_true(fake.flushed_others == ~1ull);
    mmuext(11, 0xabe000, 0);
    assert_true(fake.invlpg_others == ~1ull);
    assert_int_equal(fake.last_invlpg, 0xabe000);
    assert_int_equal(mmuext(8, 0, KVA(FRAME_HOLE)), -XEN_EINVAL);
    assert_int_equal(mmuext(12, 0, 0), 0);
    assert_int_equal(mmuext(18, 0, 0), 0);
    assert_int_equal(mmuext(19, 0, 0), -XEN_EOPNOTSUPP);
    assert_int_equal(mmuext(14, 0, 0), -XEN_ENOSYS);
}

static void test_ext_ldt_and_pages(void **state)
{
    uint64_t desc;

    *(uint64_t *)fake_at(KVA(FRAME_LDT) + 16) = 0x1234;
    assert_int_equal(mmuext(13, KVA(FRAME_LDT), 3), 0);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x17, &desc), 0);
    assert_int_equal(desc, 0x1234);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x1f, &desc), -1);
    assert_int_equal(mmuext(13, KVA(FRAME_LDT) + 8, 3), -XEN_EINVAL);
    assert_int_equal(mmuext(13, KVA(FRAME_LDT), 8193), -XEN_EINVAL);
    assert_int_equal(mmuext(13, KVA(FRAME_LDT) + 8, 0), 0);
    assert_int_equal(pv_descriptor_read(&vcpu, 0x17, &desc), -1);

    assert_int_equal(mmuext(17, 40, FRAME_LDT), 0);
    assert_int_equal(fake_word(KVA(40) + 16), 0x1234);
    assert_int_equal(fake.written[40], 1);
    assert_int_equal(mmuext(16, 40, 0), 0);
    assert_int_equal(fake_word(KVA(40) + 16), 0);
    assert_int_equal(mmuext(16, NR_FRAMES, 0), -XEN_EINVAL);
    assert_int_equal(mmuext(17, 40, NR_FRAMES), -XEN_EINVAL);
}

static void test_ext_counts(void **state)
{
    struct ext e[] = {{6, 0, 0}, {5, NR_FRAMES, 0}, {6, 0, 0}};

    memcpy(fake_at(ARGS), e, sizeof(e));
    assert_int_equal(fake_hypercall(26, ARGS, 3, DONE, SELF, 0), -XEN_EINVAL);
    assert_int_equal(done(), 1);
    assert_int_equal(fake.flushes, 1);
}

static void put_calls(gva_t at, const struct call *c, unsigned int n)
{
    memcpy(fake_at(at), c, n * sizeof(*c));
}

static int64_t result(unsigned int i)
{
    return (int64_t)fake_word(ARGS + i * 64 + 8);
}

static void test_multicall_results(void **state)
{
    struct call c[20] = {{.op = 17}};
    unsigned int i;

    for (i = 0; i < 20; i++)
        c[i] = (struct call){.op = 17, .result = 99};
    c[3].op = 200;
    c[4].op = 1ull << 32 | 17;
    c[10] = (struct call){.op = 13, .args = {ARGS, 1}};
    c[12] = (struct call){.op = 12, .args = {5, 6, 7, 8, 9}};
    fake.domain_ret = 123;
    put_calls(ARGS, c, 20);
    assert_int_equal(fake_hypercall(13, ARGS, 20, 0, 0, 0), 0);
    assert_int_equal(result(0), 4 << 16 | 17);
    assert_int_equal(result(3), -XEN_ENOSYS);
    assert_int_equal(result(4), -XEN_ENOSYS);
    assert_int_equal(result(10), -XEN_EINVAL);
    assert_int_equal(result(12), 123);
    assert_int_equal(result(19), 4 << 16 | 17);
    assert_int_equal(fake.domain_nr, 12);
    assert_int_equal(fake.domain_args[4], 9);
}

static void test_multicall_bad_list(void **state)
{
    struct call c[] = {{.op = 17}, {.op = 17}};
    gva_t at = KVA(FRAME_HOLE) - 128;

    put_calls(at, c, 2);
    assert_int_equal(fake_hypercall(13, at, 3, 0, 0, 0), -XEN_EFAULT);
    assert_int_equal(fake_word(at + 64 + 8), 4 << 16 | 17); /* those before it ran */
    put_calls(KVA(FRAME_RO), c, 2);
    assert_int_equal(fake_hypercall(13, KVA(FRAME_RO), 2, 0, 0, 0), -XEN_EFAULT);
}

static void test_multicall_iret_leaves(void **state)
{
    uint64_t frame[] = {0x77, 2, 3, 0, USER_TEXT, 0xe033, 0x202, 0x7000, 0xe02b};
    struct call c[] = {{.op = 17}, {.op = 23}, {.op = 5, .args = {1}}};

    vcpu.gpr[RSP] = KVA(FRAME_STACK);
    memcpy(fake_at(KVA(FRAME_STACK)), frame, sizeof(frame));
    put_calls(ARGS, c, 3);
    assert_int_equal(fake_hypercall(13, ARGS, 3, 0, 0, 0), 0x77);
    assert_true(vcpu.user_mode);
    assert_int_equal(vcpu.rip, USER_TEXT);
    assert_int_equal(result(0), 4 << 16 | 17);
    assert_false(vcpu.cr0_ts); /* the rest was not run */
}

static void test_multicall_continues_its_entries(void **state)
{
    gva_t list = KBASE + 64 * PAGE_SIZE;
    uint64_t *l1 = fake_at(KVA(FRAME_L1));
    struct call c[] = {{.op = 17}, {.op = 1, .args = {list, 10000, DONE, SELF}}, {.op = 17}};
    unsigned int i;

    for (i = 64; i < 104; i++)
        l1[i] = PTE(FRAME_DATA, 1);
    for (i = 0; i < 256; i++)
        memcpy(fake_at(KVA(FRAME_DATA) + 16 * i), &(struct req){PTE(30, 0), 0}, 16);
    put_calls(ARGS, c, 3);
    assert_int_equal(fake_hypercall(13, ARGS, 3, 0, 0, 0), 0);
    assert_true(fake_continued >= 2);
    assert_int_equal(done(), 10000);
    assert_int_equal(result(0), 4 << 16 | 17);
    assert_int_equal(result(1), 0);
    assert_int_equal(result(2), 4 << 16 | 17);
}

static void test_hypercall_conventions(void **state)
{
    vcpu.cs = 0x13;
    vcpu.rflags = 0x246;
    vcpu.gpr[RBX] = 0xb;
    assert_int_equal(fake_hypercall(0xffffffff00000000 | 17, 0, 2, 3, 4, 5), -XEN_ENOSYS);
    assert_int_equal(fake_hypercall(17, 0, 2, 3, 4, 5), 4 << 16 | 17);
    assert_int_equal(vcpu.gpr[RCX], TEXT + 2);
    assert_int_equal(vcpu.gpr[R11], 0x246);
    assert_int_equal(vcpu.cs, 0xe033);
    assert_int_equal(vcpu.gpr[RDI], 0);
    assert_int_equal(vcpu.gpr[R8], 5);
    assert_int_equal(vcpu.gpr[RBX], 0xb);
    assert_int_equal(fake_hypercall(11, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    assert_int_equal(fake_hypercall(49, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    assert_int_equal(fake_hypercall(0xffffffff, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    assert_int_equal(fake.domain_calls, 0);
    fake.domain_ret = -XEN_EPERM;
    assert_int_equal(fake_hypercall(35, 1, 2, 3, 4, 5), -XEN_EPERM);
    assert_int_equal(fake.domain_calls, 1);
    assert_int_equal(fake.domain_args[2], 3);
}

#define T(f) cmocka_unit_test_setup(f, fake_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_update_commands),
        T(test_update_errors),
        T(test_update_unreadable_list),
        T(test_update_long_list_is_continued),
        T(test_long_lists_are_preempted),
        T(test_update_flushes_when_due),
        T(test_update_refuses_xens_slots),
        T(test_update_looks_once),
        T(test_update_looks_again),
        T(test_update_large_pages),
        T(test_update_va_mapping),
        T(test_ext_roots_and_pins),
        T(test_ext_flushes),
        T(test_ext_ldt_and_pages),
        T(test_ext_counts),
        T(test_multicall_results),
        T(test_multicall_bad_list),
        T(test_multicall_iret_leaves),
        T(test_multicall_continues_its_entries),
        T(test_hypercall_conventions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
