/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hypercall-rules - claim: the rules of ABI 1 and 2 that hold for every hypercall. The number
 * is all of rax; rcx and r11 are what the instruction makes them; cs and ss are Xen's flat
 * ones afterwards; an unknown number leaves all argument registers alone; structures may lie
 * at any address and over pages that are no neighbours; what is an int in the ABI has no upper
 * half; each call, also one that fails or does
 * not exist, is followed by an upcall that is due; numbers that nothing is behind give
 * -ENOSYS, the toolstack's -EPERM.
 *
 * Blind spots: bad pointers (see hypercall-bad-pointers).
 */
#include "guest.h"

struct after {
    uint64_t rax, rcx, r11, rdi, rsi, rdx, r10, r8, next, rflags;
} after;
uint64_t call_number; /* asm */

/* Argument registers get a pattern; what all of them are afterwards is stored. */
static void call_with_pattern(uint64_t rax)
{
    call_number = rax;
    asm volatile("mov call_number(%%rip), %%rax\n"
                 "mov $0x1111222233334444, %%rdi\n mov $0x2222333344445555, %%rsi\n"
                 "mov $0x3333444455556666, %%rdx\n mov $0x4444555566667777, %%r10\n"
                 "mov $0x5555666677778888, %%r8\n"
                 "stc\n"
                 "syscall\n"
                 "1: mov %%rax, after(%%rip)\n mov %%rcx, after+8(%%rip)\n"
                 "mov %%r11, after+16(%%rip)\n mov %%rdi, after+24(%%rip)\n"
                 "mov %%rsi, after+32(%%rip)\n mov %%rdx, after+40(%%rip)\n"
                 "mov %%r10, after+48(%%rip)\n mov %%r8, after+56(%%rip)\n"
                 "lea 1b(%%rip), %%rax\n mov %%rax, after+64(%%rip)\n"
                 "pushfq\n pop after+72(%%rip)\n"
                 :
                 :
                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r10", "r11", "memory", "cc");
}

static void check_registers(void)
{
    static const uint32_t numbers[] = {11, 48, 63, 4711, 0xffffffff};

    for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
        call_with_pattern(numbers[i]);
        CHECK_EQ(after.rax, -XEN_ENOSYS, "hypercall %u", numbers[i]);
        CHECK(after.rdi == 0x1111222233334444 && after.rsi == 0x2222333344445555 &&
                  after.rdx == 0x3333444455556666 && after.r10 == 0x4444555566667777 &&
                  after.r8 == 0x5555666677778888,
              "hypercall %u changed its argument registers", numbers[i]);
        CHECK_EQ(after.rcx, after.next, "rcx after hypercall %u", numbers[i]);
        CHECK_EQ(after.r11 & 0x201, 0x201, "r11 after hypercall %u", numbers[i]);
        CHECK_EQ(after.rflags & 1, 1, "carry after hypercall %u", numbers[i]);
    }
    CHECK_EQ(hypercall2(0xabcd000000000000ul + __HYPERVISOR_xen_version, XENVER_pagesize, 0),
             -XEN_ENOSYS, "a number with bits above eax");
}

/* A code and a stack segment of our own, which the call replaces. */
static void check_selectors(void)
{
    uint64_t *gdt = page_alloc();
    unsigned long frame = va_to_mfn(gdt);
    uint32_t cs, ss;

    gdt[2] = 0x00affb000000ffff; /* 64-bit code */
    gdt[3] = 0x00cff3000000ffff; /* data */
    remap(gdt, PTE_P);
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, &frame, 512), 0, "set_gdt");
    asm volatile("mov %[own], %%eax\n mov %%eax, %%ss\n"
                 "pushq $0x13\n lea 1f(%%rip), %%rax\n push %%rax\n lretq\n"
                 "1: mov %%cs, %%eax\n mov %%eax, %[cs]\n"
                 "mov $17, %%eax\n xor %%edi, %%edi\n xor %%esi, %%esi\n syscall\n"
                 "mov %%ss, %%eax\n mov %%eax, %[ss]\n"
                 : [cs] "=m"(cs), [ss] "=m"(ss)
                 : [own] "i"(3 << 3 | 3)
                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r10", "r11", "memory", "cc");
    CHECK_EQ(cs, 0x13, "cs before the call");
    CHECK_EQ(ss, FLAT_KERNEL_SS, "ss after the call");
    asm volatile("mov %%cs, %0" : "=r"(cs));
    CHECK_EQ(cs, FLAT_KERNEL_CS, "cs after the call");
}

/* Arguments at odd addresses and across two pages whose frames are no neighbours. */
static void check_alignment(void)
{
    uint8_t *high = page_alloc(), *between = page_alloc(), *low = page_alloc();
    uint64_t va = 0x40000000;

    (void)between;
    map(va, va_to_mfn(low), PTE_P | PTE_RW);
    map(va + PAGE_SIZE, va_to_mfn(high), PTE_P | PTE_RW);
    for (unsigned int back = 1; back < 24; back++) {
        struct evtchn_status *s = (void *)(va + PAGE_SIZE - back);
        struct evtchn_status status = {.dom = DOMID_SELF, .port = start_info->store_evtchn};
        char text[16];

        memcpy(s, &status, sizeof(status));
        CHECK_EQ(event_channel_op(EVTCHNOP_status, s), 0, "status, %u bytes before a page", back);
        memcpy(&status, s, sizeof(status));
        CHECK_EQ(status.status, EVTCHNSTAT_interdomain, "its result, %u bytes before", back);
        CHECK_EQ(xen_version(XENVER_extraversion, s), 0, "extraversion, %u before", back);
        xen_version(XENVER_extraversion, text);
        CHECK(!memcmp(s, text, sizeof(text)), "its text, %u before", back);
    }
}

/* What has become due while upcalls were masked comes at the end of any call. */
static void check_upcalls(unsigned int port)
{
    static const struct {
        unsigned int nr;
        unsigned long arg;
        const char *what;
    } calls[] = {
        {__HYPERVISOR_xen_version, 0, "xen_version"},
        {__HYPERVISOR_xen_version, 99, "xen_version of no command"},
        {__HYPERVISOR_memory_op, 2, "memory_op"},
        {__HYPERVISOR_mmu_update, 0x1000, "mmu_update without a list"},
        {__HYPERVISOR_fpu_taskswitch, 0, "fpu_taskswitch"},
        {__HYPERVISOR_sysctl, 0, "sysctl"},
        {__HYPERVISOR_sched_op, SCHEDOP_yield, "yield"},
        {__HYPERVISOR_sched_op, SCHEDOP_block, "block"},
        {__HYPERVISOR_set_timer_op, 0, "set_timer_op"},
        {11, 0, "hypercall 11"},
        {4711, 0, "hypercall 4711"},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        unsigned long before = event_count[port];

        events_off();
        event_send(port);
        CHECK_EQ(event_count[port], before, "%s: upcall while masked", calls[i].what);
        vcpu0()->evtchn_upcall_mask = 0;
        barrier();
        hypercall2(calls[i].nr, calls[i].arg, 0);
        CHECK_EQ(event_count[port], before + 1, "%s: upcall at its end", calls[i].what);
    }
    /* The flag alone decides, not who set it. */
    unsigned long before = spurious_upcalls;
    vcpu0()->evtchn_upcall_pending = 0xff;
    barrier();
    hypercall0(11);
    CHECK_EQ(spurious_upcalls, before + 1, "an upcall that the guest asked itself for");
}

static void check_refused(void)
{
    static uint64_t zeros[64];
    static const struct {
        unsigned int nr;
        long rc;
    } calls[] = {
        {__HYPERVISOR_platform_op, -XEN_EPERM},
        {__HYPERVISOR_sysctl, -XEN_EPERM},
        {__HYPERVISOR_domctl, -XEN_EPERM},
        {__HYPERVISOR_physdev_op_compat, -XEN_ENOSYS},
        {__HYPERVISOR_xsm_op, -XEN_ENOSYS},
        {__HYPERVISOR_nmi_op, -XEN_EINVAL},
        {__HYPERVISOR_xenoprof_op, -XEN_ENOSYS},
        {__HYPERVISOR_kexec_op, -XEN_ENOSYS},
        {38, -XEN_ENOSYS},
        {__HYPERVISOR_argo_op, -XEN_ENOSYS},
        {__HYPERVISOR_xenpmu_op, -XEN_ENOSYS},
        {__HYPERVISOR_dm_op, -XEN_ENOSYS},
        {42, -XEN_ENOSYS},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        CHECK_EQ(hypercall2(calls[i].nr, 0, 0), calls[i].rc, "hypercall %u", calls[i].nr);
        CHECK_EQ(hypercall2(calls[i].nr, zeros, zeros), calls[i].rc, "hypercall %u with pointers",
                 calls[i].nr);
        CHECK_EQ(hypercall2(calls[i].nr, 0, zeros), calls[i].rc, "hypercall %u, command 0",
                 calls[i].nr);
    }
    for (unsigned int nr = 43; nr < 128; nr++)
        CHECK_EQ(hypercall2(nr, 0, 0), -XEN_ENOSYS, "hypercall %u", nr);
    long rc = hypercall2(__HYPERVISOR_hvm_op, 1, zeros);
    CHECK(rc == -XEN_ENOSYS || rc == -XEN_EINVAL || rc == -XEN_EPERM, "hvm_op: %ld", rc);
}

/* Commands and counts that are ints. */
static void check_int_arguments(unsigned int port)
{
    const unsigned long junk = 0xdeadbeef00000000;
    struct callback_register cb = {.type = CALLBACKTYPE_event, .address = (uintptr_t)event_entry};
    struct physdev_set_iopl iopl = {.iopl = 0};
    struct evtchn_send send = {.port = port};
    struct sched_poll poll = {.nr_ports = 0};
    mmu_update_t req = {.ptr = va_to_maddr(page_alloc()), .val = 1};
    uint64_t start;

    CHECK_EQ(hypercall2(__HYPERVISOR_xen_version, junk, 0), xen_version(0, NULL), "xen_version");
    CHECK_EQ(hypercall2(__HYPERVISOR_callback_op, junk, &cb), 0, "callback_op");
    CHECK_EQ(hypercall2(__HYPERVISOR_vm_assist, junk, junk | 2), 0, "vm_assist");
    CHECK_EQ(hypercall2(__HYPERVISOR_physdev_op, junk | PHYSDEVOP_set_iopl, &iopl), 0,
             "physdev_op");
    CHECK_EQ(hypercall2(__HYPERVISOR_event_channel_op, junk | EVTCHNOP_send, &send), 0, "send");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_segment_base, junk | SEGBASE_FS, 0x1000), 0, "FS base");
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, NULL, junk), 0, "set_gdt");
    CHECK_EQ(hypercall3(__HYPERVISOR_vcpu_op, junk | VCPUOP_is_up, junk, 0), 1, "vcpu_op");
    CHECK_EQ(hypercall4(__HYPERVISOR_mmu_update, &req, junk | 1, 0, DOMID_SELF), 0, "mmu_update");
    CHECK_EQ(hypercall2(__HYPERVISOR_get_debugreg, junk | 7, 0), 0x400, "get_debugreg");
    start = now();
    poll.timeout = start + 20000000;
    CHECK_EQ(hypercall2(__HYPERVISOR_sched_op, junk | SCHEDOP_poll, &poll), 0, "poll");
    CHECK(now() - start > 15000000, "poll did not wait");
    events_off();
    event_send(port);
    CHECK_EQ(hypercall2(__HYPERVISOR_sched_op, junk | SCHEDOP_block, 0), 0, "block");
    CHECK_EQ(vcpu0()->evtchn_upcall_mask, 0, "upcall mask behind it");
}

/* Every one of the 128 slots that the builder and MSR 0x40000000 fill. */
static void check_page(void)
{
    const uint8_t *slots[] = {hypercall_page, page_alloc()};
    uint64_t maddr = va_to_maddr(slots[1]);

    asm volatile("wrmsr" : : "a"((uint32_t)maddr), "d"((uint32_t)(maddr >> 32)), "c"(0x40000000));
    for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++) {
        unsigned long bad = 0;

        for (unsigned int nr = 0; nr < 128; nr++) {
            const uint8_t *at = slots[i] + nr * 32 + (nr == __HYPERVISOR_iret);

            bad += slots[i][nr * 32] != 0x51 || at[3] != 0xb8 || at[4] != nr || at[5] || at[6] ||
                   at[7] || at[8] != 0x0f || at[9] != 0x05;
        }
        CHECK_EQ(bad, 0, "slots without their call, page %u", i);
    }
    long (*fn)(unsigned long cmd, void *arg) = (void *)(slots[1] + __HYPERVISOR_xen_version * 32);
    CHECK_EQ(fn(XENVER_pagesize, NULL), 4096, "a call through the page that the MSR filled");
    trap_reset();
    asm volatile(EX_TRY("wrmsr") : : "a"(0xfffff000), "d"(0x7ff), "c"(0x40000000));
    CHECK_EQ(last_trap.vector, 13, "filling a page that does not exist");
}

void test_main(void)
{
    long port = bind_ipi();

    check_registers();
    check_selectors();
    check_alignment();
    check_upcalls((unsigned int)port);
    check_refused();
    check_int_arguments((unsigned int)port);
    check_page();
}
