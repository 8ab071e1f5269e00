/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * entry-state - claim: what a PV kernel finds at its first instruction is as ABI 4.2 to 4.6
 * say: registers, flags, selectors, control and debug registers, x87 and SSE state; the order
 * and the flags of the page tables; start_info to the last field; an empty shared_info with
 * upcalls masked; console and store pages and the grants of them; port numbers.
 *
 * Blind spots: a ramdisk, INIT_P2M (Linux has both); descriptor tables (see segments).
 */
#include "guest.h"

/* What Xen adds to entries when it takes a table over: U, and that it was not there. */
#define XENS_OWN (PTE_U | 1ul << 52)

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

#define MSR_FS_BASE 0xc0000100
#define CR4_FIXED 0x620 /* PAE, OSFXSR, OSXMMEXCPT; MCE may be there, too */
#define CR4_OWN (1ul << 2 | 1ul << 3 | 1ul << 16 | 1ul << 18)

static uint64_t first_cr4, first_bases[3], first_dr6, first_dr7;

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void check_registers(void)
{
    const struct entry_state *s = &entry_state;
    uint64_t stack_end = start_info->pt_base + (start_info->nr_pt_frames + 1) * PAGE_SIZE;

    for (unsigned int i = 0; i < 16; i++) {
        if (i != RSP && i != RSI)
            CHECK_EQ(s->gpr[i], 0, "register %u at entry", i);
    }
    CHECK_EQ(s->gpr[RSI], (uintptr_t)start_info, "rsi");
    CHECK_EQ(s->gpr[RSP], stack_end, "rsp: the end of the page behind the page tables");
    CHECK_EQ(s->rflags & 0x3200, 0x200, "IF and IOPL in rflags");
    CHECK_EQ(s->rflags & 0x400, 0, "DF");
    CHECK_EQ(s->cs, FLAT_KERNEL_CS, "cs");
    CHECK_EQ(s->ss, FLAT_KERNEL_SS, "ss");
    CHECK_EQ(s->ds | s->es | s->fs | s->gs, 0, "ds, es, fs and gs");
    CHECK_EQ(s->fcw, 0x37f, "x87 control word");
    CHECK_EQ(s->mxcsr, 0x1f80, "mxcsr");
}

static void check_system_registers(void)
{
    uint64_t cr0, cr3;
    uint32_t r[4], low, high;

    asm volatile("mov %%cr0, %0\n mov %%cr3, %1" : "=r"(cr0), "=r"(cr3));
    CHECK_EQ(cr0 & 0x80010008, 0x80010000, "PG, WP and TS in cr0");
    CHECK_EQ(cr3, va_to_maddr((void *)start_info->pt_base), "cr3");
    CHECK_EQ(first_cr4 & CR4_FIXED, CR4_FIXED, "PAE, OSFXSR and OSXMMEXCPT in cr4");
    CHECK_EQ(first_cr4 & CR4_OWN, 0, "the guest's own bits in cr4");
    for (unsigned int i = 0; i < 3; i++)
        CHECK_EQ(first_bases[i], 0, "base MSR 0xc000010%u", i);
    CHECK_EQ(first_dr6, 0xffff0ff0, "dr6");
    CHECK_EQ(first_dr7, 0x400, "dr7");
    cpuid_forced(1, 0, r);
    if (!(r[2] >> 26 & 1))
        return;
    asm volatile("mov %0, %%cr4" : : "r"(first_cr4 | 1ul << 18));
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    CHECK((low & 1) && !(low & ~3u) && !high, "XCR0 0x%x: more than x87 and SSE", low);
}

/* L4, L3, L2, L1 tables one after the other, as many as the region needs and no more. */
static void check_tables(void)
{
    uint64_t top = start_info->pt_base + (start_info->nr_pt_frames + 1) * PAGE_SIZE;
    uint64_t end = (top + 512 * 1024 + 0x3fffff) & ~0x3ffffful, last = end - 1;
    unsigned long bad_l1 = 0, bad_upper = 0, wrong_place = 0, tables = 1;
    uint64_t next = start_info->pt_base + PAGE_SIZE;

    for (unsigned int level = 4; level > 1; level--) {
        uint64_t step = 1ul << (PAGE_SHIFT + 9 * (level - 1)), first = VIRT_BASE & ~(step - 1);

        for (uint64_t i = 0; i <= (last - first) / step; i++) {
            uint64_t va = first + i * step, entry = *pte_of(va, level);

            bad_upper += (entry & ~PTE_FRAME) != (PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D);
            wrong_place += (uint64_t)mfn_to_va((entry & PTE_FRAME) >> PAGE_SHIFT) != next;
            next += PAGE_SIZE;
            tables++;
        }
    }
    CHECK_EQ(bad_upper, 0, "upper entries that are not P RW U A D");
    CHECK_EQ(wrong_place, 0, "tables out of order");
    CHECK_EQ(tables, start_info->nr_pt_frames, "number of page tables");
    for (uint64_t va = VIRT_BASE; va < end; va += PAGE_SIZE) {
        bool table = va >= start_info->pt_base &&
                     va < start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE;
        uint64_t want = PTE_P | PTE_A | (table ? 0 : PTE_RW), entry = *pte_of(va, 1);

        if (shared_info == (void *)va) /* the library has mapped it */
            continue;
        bad_l1 += (entry & ~PTE_FRAME & ~PTE_D & ~XENS_OWN) != want;
        bad_l1 += (entry & PTE_FRAME) >> PAGE_SHIFT != va_to_mfn((void *)va);
    }
    CHECK_EQ(bad_l1, 0, "level-1 entries that are not P A, and RW but for tables");
}

static void check_start_info(void)
{
    const char *magic = start_info->magic;
    unsigned long dirty = 0;

    for (unsigned int i = 14; i < sizeof(start_info->magic); i++)
        dirty += magic[i] != 0;
    CHECK(!memcmp(magic, "xen-3.0-x86_64", 14) && !dirty, "magic %s", magic);
    CHECK_EQ(start_info->flags & ~0x10u, 0, "flags but for VIRT_P2M_4TOOLS");
    CHECK_EQ((uintptr_t)start_info % PAGE_SIZE, 0, "start_info is a page of its own");
    CHECK_EQ(start_info->mod_start | start_info->mod_len, 0, "no module");
    CHECK(strlen((const char *)start_info->cmd_line) < 1024, "the command line does not end");
    CHECK(start_info->pt_base > (uintptr_t)start_info, "page tables behind start_info");
    CHECK_EQ((uintptr_t)mfn_to_va(start_info->store_mfn), (uintptr_t)start_info + PAGE_SIZE,
             "the store's page is the next one");
    CHECK_EQ((uintptr_t)mfn_to_va(start_info->console.domU.mfn),
             (uintptr_t)start_info + 2 * PAGE_SIZE, "then the console's");
    CHECK_EQ(start_info->pt_base, (uintptr_t)start_info + 3 * PAGE_SIZE, "then the page tables");
    CHECK(start_info->mfn_list > VIRT_BASE && start_info->mfn_list < (uintptr_t)start_info,
          "the p2m list is in front of start_info");
}

static void check_shared_info(void)
{
    const shared_info_t *s = &entry_shared_info;
    unsigned long masked = 0, dirty = 0;

    for (unsigned int i = 0; i < 32; i++)
        masked += s->vcpu_info[i].evtchn_upcall_mask == 1;
    CHECK_EQ(masked, 32, "vCPUs with upcalls masked");
    for (unsigned int i = 0; i < 64; i++)
        dirty += s->evtchn_mask[i] != 0;
    CHECK_EQ(dirty, 0, "words of the event mask that are not 0");
    CHECK_EQ(s->arch.max_pfn | s->arch.pfn_to_mfn_frame_list_list | s->arch.nmi_reason, 0, "arch");
    for (unsigned int i = 1; i < 32; i++)
        dirty += s->vcpu_info[i].time.version | s->vcpu_info[i].evtchn_upcall_pending;
    CHECK_EQ(dirty, 0, "vcpu_info of vCPUs that are not there");
    CHECK(s->vcpu_info[0].time.tsc_to_system_mul && !(s->vcpu_info[0].time.version & 1),
          "the time record is not there at the start");
    CHECK(s->wc_version && !(s->wc_version & 1), "wall clock's version %u", s->wc_version);
}

/* Entries 0 and 1 of the grant table are the console's and the store's. */
static void check_grants(void)
{
    unsigned long frame;
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    const grant_entry_v1_t *entry = (const void *)0x40000000ul;
    const uint64_t want[] = {start_info->console.domU.mfn, start_info->store_mfn};

    set_xen_guest_handle(setup.frame_list, &frame);
    CHECK_EQ(grant_table_op(GNTTABOP_setup_table, &setup, 1), 0, "setup_table");
    CHECK_EQ(setup.status, 0, "its status");
    CHECK_EQ(map((uintptr_t)entry, frame, PTE_P | PTE_RW), 0, "mapping it");
    for (unsigned int i = 0; i < 2; i++) {
        CHECK_EQ(entry[i].flags & GTF_type_mask, GTF_permit_access, "type of entry %u", i);
        CHECK_EQ(entry[i].frame, want[i], "frame of entry %u", i);
        CHECK_EQ(entry[i].domid, 0, "domain of entry %u", i);
    }
    uint64_t pfn = m2p()[frame];
    CHECK(pfn >= start_info->nr_pages || ((const uint64_t *)start_info->mfn_list)[pfn] != frame,
          "the grant frame is in the p2m as pfn %lu", pfn);
}

static void check_ports(void)
{
    const uint32_t port[] = {start_info->store_evtchn, start_info->console.domU.evtchn};

    for (unsigned int i = 0; i < 2; i++) {
        struct evtchn_status status = {.dom = DOMID_SELF, .port = port[i]};

        CHECK_EQ(event_channel_op(EVTCHNOP_status, &status), 0, "status of port %u", port[i]);
        CHECK_EQ(status.status, EVTCHNSTAT_interdomain, "port %u", port[i]);
        CHECK_EQ(status.u.interdomain.dom, 0, "its peer");
    }
}

void test_main(void)
{
    asm volatile("mov %%cr4, %0" : "=r"(first_cr4));
    for (unsigned int i = 0; i < 3; i++)
        first_bases[i] = rdmsr(MSR_FS_BASE + i);
    asm volatile("mov %%dr6, %0\n mov %%dr7, %1" : "=r"(first_dr6), "=r"(first_dr7));
    check_registers();
    check_system_registers();
    check_tables();
    check_start_info();
    check_shared_info();
    check_grants();
    check_ports();
}
