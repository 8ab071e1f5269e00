/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * multicall-rules - claim: more of ABI 3.8. Results are 64 bits wide and go to their entry and
 * nowhere else; arguments stay as they were; each kind of call works as an entry: batches with a
 * count of their own, one that fails in the middle, block and yield; entries see what those
 * before them did; a list that cannot be written or is not there; lists of any length; an iret
 * to a program ends the list.
 *
 * Blind spots: preemption in the middle (see huge-counts).
 */
#include "guest.h"

static long multicall(multicall_entry_t *list, unsigned long n)
{
    return hypercall2(__HYPERVISOR_multicall, list, n);
}

static void check_entries(void)
{
    static multicall_entry_t list[3];
    uint64_t value = 0;
    mmu_update_t req[3] = {{va_to_maddr(&value), 7}, {~0xffful, 0}, {va_to_maddr(&value), 9}};
    unsigned int done = 99;

    memset(list, 0xee, sizeof(list));
    list[0].op = __HYPERVISOR_mmu_update;
    list[0].args[0] = HC(req);
    list[0].args[1] = 3;
    list[0].args[2] = HC(&done);
    list[0].args[3] = DOMID_SELF;
    list[1].op = __HYPERVISOR_get_debugreg;
    list[1].args[0] = 7;
    CHECK_EQ(multicall(list, 2), 0, "multicall");
    CHECK_EQ(list[0].result, -XEN_EINVAL, "a batch that fails");
    CHECK_EQ(done, 1, "its count");
    CHECK_EQ(list[1].result, 0x400, "the entry behind it");
    CHECK_EQ(list[2].result, 0xeeeeeeeeeeeeeeee, "the entry behind the last");
    CHECK_EQ(list[0].args[0], HC(req), "argument 0");
    CHECK_EQ(list[0].args[1], 3, "argument 1");
    CHECK_EQ(list[0].args[5], 0xeeeeeeeeeeeeeeee, "the sixth argument");
    CHECK_EQ(list[0].op, __HYPERVISOR_mmu_update, "the operation");
}

/* An address that needs all 64 bits. */
static void check_width(void)
{
    multicall_entry_t list[3] = {
        {.op = __HYPERVISOR_set_debugreg, .args = {1, 0xffffc90012345678}},
        {.op = __HYPERVISOR_get_debugreg, .args = {1}},
        {.op = 0x100000000ul + __HYPERVISOR_xen_version, .args = {XENVER_pagesize}}};

    CHECK_EQ(multicall(list, 3), 0, "multicall");
    CHECK_EQ(list[1].result, 0xffffc90012345678, "a result of 64 bits, of what the last one set");
    CHECK(list[2].result == (xen_ulong_t)-XEN_ENOSYS || list[2].result == 4096,
          "an operation with bits above 32: %ld", (long)list[2].result);
    hypercall2(__HYPERVISOR_set_debugreg, 1, 0);
}

static void check_waiting(unsigned int port)
{
    multicall_entry_t list[4] = {{.op = __HYPERVISOR_sched_op, .args = {SCHEDOP_yield}},
                                 {.op = __HYPERVISOR_fpu_taskswitch, .args = {0}},
                                 {.op = __HYPERVISOR_sched_op, .args = {SCHEDOP_block}},
                                 {.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}}};
    unsigned long before = event_count[port];

    events_off();
    event_send(port);
    CHECK_EQ(multicall(list, 4), 0, "multicall");
    for (unsigned int i = 0; i < 3; i++)
        CHECK_EQ(list[i].result, 0, "entry %u", i);
    CHECK_EQ(list[3].result, 4096, "the entry behind block");
    CHECK_EQ(event_count[port], before + 1, "upcalls at its end");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask behind it");
}

static void check_bad_lists(void)
{
    static multicall_entry_t list[2] __attribute__((aligned(4096)));
    multicall_entry_t *at = (void *)(0x40000000 + PAGE_SIZE - 64 - 16);

    CHECK_EQ(multicall((void *)NOWHERE, 1), -XEN_EFAULT, "no list");
    CHECK_EQ(multicall((void *)NOWHERE, 0), 0, "no list of no entries");
    CHECK_EQ(multicall((void *)0x0000800000000000, 1), -XEN_EFAULT, "a non-canonical list");
    list[0].op = list[1].op = __HYPERVISOR_xen_version;
    list[0].args[0] = list[1].args[0] = XENVER_pagesize;
    remap(list, PTE_P);
    CHECK_EQ(multicall(list, 2), -XEN_EFAULT, "a list that cannot be written");
    remap(list, PTE_P | PTE_RW);
    /* One and a quarter entries in front of a hole. */
    map((uintptr_t)at & ~(PAGE_SIZE - 1), va_to_mfn(page_alloc()), PTE_P | PTE_RW);
    at->op = __HYPERVISOR_xen_version;
    at->args[0] = XENVER_pagesize;
    CHECK_EQ(multicall(at, 2), -XEN_EFAULT, "a list whose second entry ends in a hole");
    CHECK_EQ(at->result, 4096, "its first entry");
}

static void check_lengths(void)
{
    static multicall_entry_t list[700];

    for (unsigned int n = 1; n <= ARRAY_SIZE(list); n += n < 70 ? 1 : 157) {
        unsigned long wrong = 0;

        for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
            list[i] = (multicall_entry_t){
                .op = __HYPERVISOR_update_va_mapping, .result = 77, .args = {0x0000800000000000}};
        CHECK_EQ(multicall(list, n), 0, "%u entries", n);
        for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
            wrong += list[i].result != (i < n ? (xen_ulong_t)-XEN_EINVAL : 77);
        CHECK_EQ(wrong, 0, "wrong results of %u entries", n);
    }
}

/* ---- iret to a program ---- */

#define CODE 0x400000ul
#define STACK 0x500000ul
asm(".section .user, \"ax\"\n user_int80: int $0x80\n"
    ".text\n");
extern char user_int80[];

static void check_iret(void)
{
    static multicall_entry_t list[3];
    static struct trap_frame end;
    const uint64_t words[9] = {0x4711,
                               1,
                               2,
                               0,
                               CODE + (uintptr_t)user_int80 % PAGE_SIZE,
                               FLAT_USER_CS,
                               0x202,
                               STACK + 2048,
                               FLAT_USER_SS};

    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_int80 & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    for (unsigned int i = 0; i < 3; i++)
        list[i] = (multicall_entry_t){
            .op = __HYPERVISOR_xen_version, .result = 77, .args = {XENVER_pagesize}};
    list[1].op = __HYPERVISOR_iret;
    run_user_multicall(&end, words, list, 3);
    CHECK_EQ(end.vector, 0x80, "the program");
    CHECK_EQ(end.rax, 0x4711, "its rax");
    CHECK_EQ(list[0].result, 4096, "the entry before it");
    CHECK_EQ(list[2].result, 77, "the entry behind it");
}

void test_main(void)
{
    long port = bind_ipi();

    check_entries();
    check_width();
    check_waiting((unsigned int)port);
    check_bad_lists();
    check_lengths();
    check_iret();
}
