/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * multicall - claim: each entry runs as the call it names and gets its own result, errors do
 * not stop the rest, the multicall itself returns 0, nesting is refused, events come at its
 * end, an iret inside ends it.
 *
 * Blind spots: lists longer than 64 entries, preemption in the middle.
 */
#include "guest.h"

static void check_results(void)
{
    multicall_entry_t calls[4];
    struct evtchn_send bad = {.port = 4000};

    memset(calls, 0, sizeof(calls));
    calls[0].op = __HYPERVISOR_xen_version;
    calls[0].args[0] = XENVER_version;
    calls[1].op = __HYPERVISOR_event_channel_op;
    calls[1].args[0] = EVTCHNOP_send;
    calls[1].args[1] = HC(&bad);
    calls[2].op = 47;
    calls[3].op = __HYPERVISOR_xen_version;
    calls[3].args[0] = XENVER_pagesize;
    CHECK_EQ(hypercall2(__HYPERVISOR_multicall, calls, 4), 0, "multicall");
    CHECK_EQ(calls[0].result, xen_version(XENVER_version, NULL), "result 0");
    CHECK_EQ(calls[1].result, -XEN_EINVAL, "result 1");
    CHECK_EQ(calls[2].result, -XEN_ENOSYS, "result 2");
    CHECK_EQ(calls[3].result, 4096, "result 3");
    CHECK_EQ(hypercall2(__HYPERVISOR_multicall, calls, 0), 0, "an empty multicall");
}

static void check_nesting(void)
{
    multicall_entry_t inner = {.op = __HYPERVISOR_xen_version};
    multicall_entry_t outer = {.op = __HYPERVISOR_multicall, .args = {HC(&inner), 1}};

    CHECK_EQ(hypercall2(__HYPERVISOR_multicall, &outer, 1), 0, "outer");
    CHECK_EQ(outer.result, -XEN_EINVAL, "inner");
}

static void check_fault(void)
{
    multicall_entry_t *at = (void *)(0x40000000ul + PAGE_SIZE - sizeof(multicall_entry_t));
    void *page = page_alloc();

    CHECK_EQ(map(0x40000000ul, va_to_mfn(page), PTE_P | PTE_RW), 0, "map");
    at->op = __HYPERVISOR_xen_version;
    at->args[0] = XENVER_pagesize;
    at->result = 0;
    CHECK_EQ(hypercall2(__HYPERVISOR_multicall, at, 2), -XEN_EFAULT, "a list that runs off");
    CHECK_EQ(at->result, 4096, "the entry before the fault");
    CHECK(hypercall2(__HYPERVISOR_multicall, at, 0xffffffff) < 0, "a count of ~0");
}

static void check_event(void)
{
    long port = bind_ipi();
    struct evtchn_send send = {.port = (unsigned int)port};
    multicall_entry_t calls[2];

    memset(calls, 0, sizeof(calls));
    calls[0].op = __HYPERVISOR_event_channel_op;
    calls[0].args[0] = EVTCHNOP_send;
    calls[0].args[1] = HC(&send);
    calls[1].op = __HYPERVISOR_xen_version;
    calls[1].args[0] = XENVER_pagesize;
    CHECK_EQ(hypercall2(__HYPERVISOR_multicall, calls, 2), 0, "multicall");
    CHECK_EQ(event_count[port], 1, "upcalls after it");
    CHECK_EQ(calls[1].result, 4096, "the entry behind the send");
}

static void check_mmu(void)
{
    uint8_t *page = page_alloc();
    multicall_entry_t calls[32];

    page[0] = 9;
    map(0x50000000ul, va_to_mfn(page), PTE_P);
    memset(calls, 0, sizeof(calls));
    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        calls[i].op = __HYPERVISOR_update_va_mapping;
        calls[i].args[0] = 0x50000000ul + (i + 1) * PAGE_SIZE;
        calls[i].args[1] = va_to_mfn(page) << PAGE_SHIFT | PTE_P;
        calls[i].args[2] = UVMF_INVLPG;
    }
    CHECK_EQ(hypercall2(__HYPERVISOR_multicall, calls, ARRAY_SIZE(calls)), 0, "multicall");
    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        CHECK_EQ(calls[i].result, 0, "entry %u", i);
        CHECK_EQ(*(volatile uint8_t *)calls[i].args[0], 9, "mapping %u", i);
    }
}

/* A multicall whose second entry is an iret: execution goes on at the frame's rip. */
long multicall_iret(multicall_entry_t *calls, unsigned long count);
asm(".text\n"
    "multicall_iret:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, %rbx\n"
    "mov %rsp, %rdx; and $-16, %rsp\n"
    "pushq $0xe02b; push %rdx; pushq $0x202; pushq $0xe030\n"
    "lea 1f(%rip), %rax; push %rax\n"
    "pushq $0; pushq $0; pushq $0; pushq $0x77\n"
    "mov $13, %eax\n"
    "syscall\n"
    "mov %rbx, %rsp; mov $-1, %rax; jmp 2f\n"
    "1: cmp %rbx, %rsp; je 2f\n mov %rbx, %rsp; mov $-2, %rax\n"
    "2: pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n");

static void check_iret(void)
{
    multicall_entry_t calls[3];

    memset(calls, 0, sizeof(calls));
    calls[0].op = __HYPERVISOR_xen_version;
    calls[0].args[0] = XENVER_pagesize;
    calls[1].op = __HYPERVISOR_iret;
    calls[2].op = __HYPERVISOR_xen_version;
    calls[2].args[0] = XENVER_pagesize;
    CHECK_EQ(multicall_iret(calls, 3), 0x77, "rax after an iret inside a multicall");
    CHECK_EQ(calls[0].result, 4096, "the entry before the iret");
    CHECK_EQ(calls[2].result, 0, "the entry behind the iret");
}

void test_main(void)
{
    check_results();
    check_nesting();
    check_fault();
    check_event();
    check_mmu();
    check_iret();
}
