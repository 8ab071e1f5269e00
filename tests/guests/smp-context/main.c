/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp-context - claim: VCPUOP_initialise takes a vcpu_guest_context whole: general registers,
 * flags with IOPL, selectors, bases, roots, TS, CR4, debug registers, x87 and SSE state, trap
 * table and callbacks with their masks, for a start in the kernel or in a program; refuses one that
 * names what does not exist and then has done nothing; takes one that is almost all zero. Timers
 * and runstates of other vCPUs: asked for, set and stopped, or refused, as the ABI says. vcpu_info,
 * runstate and time areas of other vCPUs, by virtual and by machine address, and how they are given
 * up. NMIs to other vCPUs.
 *
 * Blind spots: AVX state, which the context has no place for.
 */
#include "guest.h"

#define PATTERN(n) (0x0123456789abcd00ul + (n))
#define OTHER 1
#define MS 1000000ul

uint64_t ctx_gpr[16], ctx_flags, ctx_segments[6], ctx_xmm[2]; /* asm */
uint8_t ctx_st[16];
uint32_t ctx_mxcsr;
uint16_t ctx_fcw;
static volatile unsigned long stage, order;
static struct {
    uint64_t dr[8], cr0, cr3, cr4, fs_base, gs_base, gs_user;
    uint8_t mask;
    long cli_vector;
} volatile seen;
static uint8_t area_a[4096] __attribute__((aligned(4096)));

/* The first instructions of the other vCPU. */
asm(".text\n"
    "ctx_entry:\n"
    "mov %rax, ctx_gpr(%rip); mov %rcx, ctx_gpr+8(%rip); mov %rdx, ctx_gpr+16(%rip)\n"
    "mov %rbx, ctx_gpr+24(%rip); mov %rsp, ctx_gpr+32(%rip); mov %rbp, ctx_gpr+40(%rip)\n"
    "mov %rsi, ctx_gpr+48(%rip); mov %rdi, ctx_gpr+56(%rip); mov %r8, ctx_gpr+64(%rip)\n"
    "mov %r9, ctx_gpr+72(%rip); mov %r10, ctx_gpr+80(%rip); mov %r11, ctx_gpr+88(%rip)\n"
    "mov %r12, ctx_gpr+96(%rip); mov %r13, ctx_gpr+104(%rip); mov %r14, ctx_gpr+112(%rip)\n"
    "mov %r15, ctx_gpr+120(%rip)\n"
    "pushfq; pop ctx_flags(%rip)\n"
    "mov %cs, ctx_segments(%rip); mov %ss, ctx_segments+8(%rip)\n"
    "mov %ds, ctx_segments+16(%rip); mov %es, ctx_segments+24(%rip)\n"
    "mov %fs, ctx_segments+32(%rip); mov %gs, ctx_segments+40(%rip)\n"
    "cld; and $-16, %rsp; call ctx_main; ud2\n");
extern char ctx_entry[];
void ctx_main(void);

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static volatile unsigned long nmis;
static uint8_t nmi_mask;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector != 2)
        return false;
    nmi_mask = own_vcpu()->evtchn_upcall_mask;
    nmis++;
    return true;
}

void ctx_main(void)
{
    uint64_t value;

    seen.mask = own_vcpu()->evtchn_upcall_mask;
    asm volatile("mov %%dr0, %0" : "=r"(value));
    seen.dr[0] = value;
    asm volatile("mov %%dr3, %0" : "=r"(value));
    seen.dr[3] = value;
    asm volatile("mov %%dr6, %0" : "=r"(value));
    seen.dr[6] = value;
    asm volatile("mov %%dr7, %0" : "=r"(value));
    seen.dr[7] = value;
    asm volatile("mov %%cr0, %0" : "=r"(value));
    seen.cr0 = value;
    asm volatile("mov %%cr3, %0" : "=r"(value));
    seen.cr3 = value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    seen.cr4 = value;
    seen.fs_base = rdmsr(0xc0000100);
    seen.gs_base = rdmsr(0xc0000101);
    seen.gs_user = rdmsr(0xc0000102);
    asm volatile("clts\n fnstcw ctx_fcw(%%rip)\n stmxcsr ctx_mxcsr(%%rip)\n"
                 "movups %%xmm3, ctx_xmm(%%rip)\n fstpt ctx_st(%%rip)\n"
                 :
                 :
                 : "memory");
    trap_reset();
    asm volatile(EX_TRY("cli"));
    seen.cli_vector = last_trap.vector;
    stage = 1;
    own_events_on();
    while (order < 1) /* spins: NMIs and ticks come here */
        asm volatile("pause");
    stage = 2;
    for (;;) {
        vcpu_op(VCPUOP_down, OTHER, NULL);
        stage++;
    }
}

static vcpu_guest_context_t ctx;
static struct {
    uint32_t id;
} self_1 = {OTHER};

/* Of the FXSAVE image: control words, one number on the x87 stack, xmm3. */
static void fill_fpu(uint8_t *image)
{
    *(uint16_t *)(image + 0) = 0x27f;
    *(uint16_t *)(image + 2) = 7 << 11; /* top of the stack */
    *(uint8_t *)(image + 4) = 0x80;     /* where something is */
    *(uint32_t *)(image + 24) = 0x3f80;
    *(uint64_t *)(image + 32) = 0xc90fdaa22168c235;
    *(uint16_t *)(image + 40) = 0x4000;
    *(uint64_t *)(image + 160 + 3 * 16) = 0x0123456789abcdef;
    *(uint64_t *)(image + 160 + 3 * 16 + 8) = 0xfedcba9876543210;
}

static void fill_context(void)
{
    uint64_t *const gpr[] = {
        &ctx.user_regs.rax, &ctx.user_regs.rcx, &ctx.user_regs.rdx, &ctx.user_regs.rbx,
        &ctx.user_regs.rsp, &ctx.user_regs.rbp, &ctx.user_regs.rsi, &ctx.user_regs.rdi,
        &ctx.user_regs.r8,  &ctx.user_regs.r9,  &ctx.user_regs.r10, &ctx.user_regs.r11,
        &ctx.user_regs.r12, &ctx.user_regs.r13, &ctx.user_regs.r14, &ctx.user_regs.r15};

    memset(&ctx, 0, sizeof(ctx));
    ctx.flags = VGCF_in_kernel | VGCF_i387_valid;
    fill_fpu((uint8_t *)&ctx.fpu_ctxt);
    for (unsigned int i = 0; i < 16; i++)
        *gpr[i] = PATTERN(i);
    for (unsigned int i = 0; i < 32; i++) {
        ctx.trap_ctxt[i].cs = FLAT_KERNEL_CS;
        ctx.trap_ctxt[i].address = trap_entries[i];
    }
    ctx.trap_ctxt[2].flags = 4;
    ctx.user_regs.rip = (uintptr_t)ctx_entry;
    ctx.user_regs.cs = FLAT_KERNEL_CS & ~3;
    ctx.user_regs.ss = FLAT_KERNEL_SS & ~3;
    ctx.user_regs.rsp = (uintptr_t)page_alloc() + PAGE_SIZE - 16;
    ctx.user_regs.rflags = 0x1000 | 0x401; /* IOPL 1, DF, CF */
    ctx.kernel_ss = FLAT_KERNEL_SS;
    ctx.kernel_sp = (uintptr_t)page_alloc() + PAGE_SIZE;
    ctx.ctrlreg[0] = 0x80050033 | 8; /* TS */
    ctx.ctrlreg[3] = va_to_maddr((void *)start_info->pt_base);
    ctx.ctrlreg[4] = 0x8 | 0x2; /* DE, and PVI, which there is not */
    ctx.debugreg[0] = 0x123456;
    ctx.debugreg[3] = 0xffffffff80000000;
    ctx.debugreg[7] = 0x400;
    ctx.event_callback_eip = (uintptr_t)event_entry;
    ctx.failsafe_callback_eip = (uintptr_t)failsafe_entry;
    ctx.syscall_callback_eip = (uintptr_t)syscall_entry;
    ctx.fs_base = 0x7777000;
    ctx.gs_base_kernel = (uintptr_t)&self_1;
    ctx.gs_base_user = 0x8888000;
}

static void check_refused(void)
{
    static uint64_t *const addresses[] = {(uint64_t *)&ctx.trap_ctxt[200].address,
                                          (uint64_t *)&ctx.event_callback_eip,
                                          (uint64_t *)&ctx.syscall_callback_eip,
                                          (uint64_t *)&ctx.fs_base,
                                          (uint64_t *)&ctx.gs_base_kernel,
                                          (uint64_t *)&ctx.gs_base_user,
                                          (uint64_t *)&ctx.ldt_base};
    long rc;

    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        fill_context();
        *addresses[i] = 0x0000800000000000;
        ctx.ldt_ents = 1;
        CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, &ctx), -XEN_EINVAL,
                 "a context whose address %u is not canonical", i);
    }
    fill_context();
    ctx.ctrlreg[3] = 0x7fffffful << PAGE_SHIFT;
    CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, &ctx), -XEN_EINVAL, "a root in no frame");
    fill_context();
    ctx.ctrlreg[1] = 0x7fffffful << PAGE_SHIFT;
    CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, &ctx), -XEN_EINVAL, "a user root in no frame");
    fill_context();
    ctx.gdt_ents = 512;
    ctx.gdt_frames[0] = 0x7fffffful;
    CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, &ctx), -XEN_EINVAL, "a GDT in no frame");
    fill_context();
    ctx.ldt_ents = 8193;
    CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, &ctx), -XEN_EINVAL, "an LDT of 8193 entries");
    CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, (void *)0x1000), -XEN_EFAULT, "no context");
    CHECK_EQ(vcpu_op(VCPUOP_up, OTHER, NULL), -XEN_EINVAL, "up after all that");
    CHECK_EQ(vcpu_op(VCPUOP_is_up, OTHER, NULL), 0, "is_up after all that");
    memset(&ctx, 0, sizeof(ctx));
    rc = vcpu_op(VCPUOP_initialise, 3, &ctx);
    CHECK(rc == 0 || rc == -XEN_EINVAL, "a context of zeros, also the root: %ld", rc);
}

/* ---- a start in a program ---- */

#define CODE 0x400000ul
asm(".section .user, \"ax\"\n"
    "ctx_program: mov %gs:0, %rdx; int3\n"
    ".text\n"
    "ctx_int3: mov %rax, program_rax(%rip); mov %rdx, program_rdx(%rip)\n"
    "mov %gs:0, %rax; mov %rax, program_gs(%rip); mov 24(%rsp), %rax; mov %rax, program_cs(%rip)\n"
    "mov %rsp, program_rsp(%rip); incq program_done(%rip)\n"
    "mov $24, %eax; mov $2, %edi; mov $2, %esi; xor %edx, %edx; syscall; ud2\n"); /* down */
extern char ctx_program[], ctx_int3[];
volatile unsigned long program_done, program_rax, program_rdx, program_gs, program_cs, program_rsp;

static void check_program(void)
{
    static const uint64_t user_word = 0x7777, kernel_word = 2;
    uint8_t *stack = page_alloc();

    map(CODE, va_to_mfn((void *)((uintptr_t)ctx_program & ~(PAGE_SIZE - 1))), PTE_P);
    fill_context();
    ctx.flags = 0;
    ctx.user_regs.rip = CODE + (uintptr_t)ctx_program % PAGE_SIZE;
    ctx.user_regs.cs = FLAT_USER_CS;
    ctx.user_regs.ss = FLAT_USER_SS;
    ctx.user_regs.rflags = 0x202;
    ctx.ctrlreg[0] = 0x80050033;
    ctx.ctrlreg[1] = ctx.ctrlreg[3];
    ctx.kernel_sp = (uintptr_t)stack + PAGE_SIZE;
    ctx.trap_ctxt[3].flags = 3;
    ctx.trap_ctxt[3].address = (uintptr_t)ctx_int3;
    ctx.gs_base_user = (uintptr_t)&user_word;
    ctx.gs_base_kernel = (uintptr_t)&kernel_word;
    CHECK_EQ(vcpu_op(VCPUOP_initialise, 2, &ctx), 0, "initialise for a program");
    CHECK_EQ(vcpu_op(VCPUOP_up, 2, NULL), 0, "up");
    CHECK(wait_for(&program_done, 1, 10 * SECOND), "the program does not start");
    CHECK_EQ(program_rax, PATTERN(0), "its rax");
    CHECK_EQ(program_rdx, user_word, "its gs");
    CHECK_EQ(program_gs, kernel_word, "the kernel's gs then");
    CHECK_EQ(program_cs & 0xffff, FLAT_USER_CS, "its cs in the frame");
    CHECK_EQ(program_rsp, (uintptr_t)stack + PAGE_SIZE - 56, "its frame on the kernel's stack");
}

static uint64_t sum(const struct vcpu_runstate_info *r)
{
    return r->time[0] + r->time[1] + r->time[2] + r->time[3];
}

/* Runstate of the other one; it may be off the CPU for a moment. Its times count since the domain
 * was made, which may be later than system time does. */
static void check_runstate(int a, int b, const char *what)
{
    static uint64_t made = ~0ul;
    struct vcpu_runstate_info r = {.state = 77};
    uint64_t before = now();

    CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, OTHER, &r), 0, "get_runstate_info, %s", what);
    CHECK(r.state == a || r.state == b, "%s: state %d", what, r.state);
    if (made == ~0ul)
        made = before - sum(&r);
    CHECK(sum(&r) <= now() && made + sum(&r) <= now() + 100 * MS &&
              made + sum(&r) + 100 * MS > before,
          "%s: times sum up to %lu at %lu", what, sum(&r), before - made);
    CHECK(r.state_entry_time <= now(), "%s: entry time", what);
}

static void check_state(void)
{
    for (unsigned int i = 0; i < 16; i++)
        CHECK_EQ(ctx_gpr[i], i == 4 ? ctx.user_regs.rsp : PATTERN(i), "register %u", i);
    CHECK_EQ(ctx_flags & 0x3601, 0x601, "CF, DF and IF, but no IOPL, in the flags");
    CHECK_EQ(ctx_segments[0] & 0xffff, FLAT_KERNEL_CS, "cs");
    CHECK_EQ(ctx_segments[1] & 0xffff, FLAT_KERNEL_SS, "ss");
    for (unsigned int i = 2; i < 6; i++)
        CHECK_EQ(ctx_segments[i] & 0xffff, 0, "selector %u", i);
    CHECK_EQ(seen.mask, 1, "upcall mask at its start");
    CHECK_EQ(seen.cli_vector, -1, "cli with IOPL 1 from the context");
    CHECK_EQ(seen.cr0 & 8, 8, "TS");
    CHECK_EQ(seen.cr3, ctx.ctrlreg[3], "cr3");
    CHECK_EQ(seen.cr4 & 0xe, 8, "DE and what does not exist in cr4");
    CHECK_EQ(seen.dr[0], 0x123456, "dr0");
    CHECK_EQ(seen.dr[3], 0xffffffff80000000, "dr3");
    CHECK_EQ(seen.dr[6], 0xffff0ff0, "dr6");
    CHECK_EQ(seen.dr[7], 0x400, "dr7");
    CHECK_EQ(ctx_fcw, 0x27f, "x87 control word");
    CHECK_EQ(ctx_mxcsr, 0x3f80, "mxcsr");
    CHECK(ctx_xmm[0] == 0x0123456789abcdef && ctx_xmm[1] == 0xfedcba9876543210, "xmm3");
    CHECK(*(uint64_t *)ctx_st == 0xc90fdaa22168c235 && *(uint16_t *)(ctx_st + 8) == 0x4000, "st");
    CHECK_EQ(seen.fs_base, 0x7777000, "FS base");
    CHECK_EQ(seen.gs_base, (uintptr_t)&self_1, "GS base");
    CHECK_EQ(seen.gs_user, 0x8888000, "GS base of programs");
}

static void check_nmi(void)
{
    trap_hook = hook;
    for (unsigned long i = 1; i <= 5; i++) {
        CHECK_EQ(vcpu_op(VCPUOP_send_nmi, OTHER, NULL), 0, "send_nmi");
        CHECK(wait_for(&nmis, i, SECOND), "NMI %lu did not come", i);
    }
    CHECK_EQ(nmi_mask, 1, "upcall mask in its handler");
    CHECK_EQ(vcpu_op(VCPUOP_send_nmi, OTHER, &ctx), -XEN_EINVAL, "send_nmi with an argument");
}

static void check_timers(void)
{
    struct vcpu_set_periodic_timer periodic = {.period_ns = 2 * MS};
    struct vcpu_set_singleshot_timer single = {.timeout_abs_ns = 1};
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = OTHER};
    const volatile unsigned long *count;
    unsigned long before;

    CHECK_EQ(event_channel_op(EVTCHNOP_bind_virq, &bind), 0, "bind_virq on another vCPU");
    count = &event_count[bind.port];
    event_unmask(bind.port);
    /* It was created with a timer of 100 Hz. */
    CHECK(wait_for(count, 3, SECOND), "%lu ticks of the timer at the start", *count);
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, OTHER, NULL), 0, "stop_periodic_timer");
    spin_ns(20 * MS);
    before = *count;
    spin_ns(50 * MS);
    CHECK(*count <= before + 1, "%lu ticks after it", *count - before); /* one was on its way */
    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, OTHER, &periodic), 0, "set_periodic_timer");
    CHECK(wait_for(count, before + 5, SECOND), "%lu ticks of it", *count - before);
    CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, OTHER, NULL), 0, "stop_periodic_timer");
    periodic.period_ns = MS - 1;
    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, OTHER, &periodic), -XEN_EINVAL, "too short");
    CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, OTHER, (void *)0x1000), -XEN_EFAULT, "at nothing");
    CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, OTHER, &single), -XEN_EINVAL, "singleshot");
    CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, OTHER, NULL), -XEN_EINVAL, "stop_singleshot");
    CHECK_EQ(vcpu_op(VCPUOP_get_physid, OTHER, &ctx), -XEN_EINVAL, "get_physid");
    CHECK_EQ(vcpu_op(VCPUOP_get_physid, 0, &ctx), -XEN_EINVAL, "get_physid of ourselves");
    CHECK_EQ(vcpu_op(99, OTHER, &ctx), -XEN_ENOSYS, "operation 99");
    CHECK_EQ(vcpu_op(99, 99, &ctx), -XEN_ENOENT, "operation 99 of no vCPU");
}

/* Areas of the other vCPU and of this one, 14 and 15 by machine address. */
static void check_areas(unsigned int id)
{
    volatile struct vcpu_runstate_info *r = (void *)(area_a + 64);
    volatile struct vcpu_time_info *t = (void *)(area_a + 256);
    uint64_t where;

    memset(area_a, 0, sizeof(area_a));
    r->state = 77;
    where = va_to_maddr(area_a + 64);
    CHECK_EQ(vcpu_op(14, id, &where), 0, "runstate area by machine address");
    where = va_to_maddr(area_a + 256);
    CHECK_EQ(vcpu_op(15, id, &where), 0, "time area by machine address");
    for (unsigned int i = 0; i < 1000 && (r->state == 77 || !t->version); i++)
        spin_ns(MS);
    CHECK(r->state != 77, "vCPU %u: no runstate", id);
    CHECK(t->version && !(t->version & 1), "vCPU %u: time version %u", id, t->version);
    CHECK_EQ(t->tsc_to_system_mul, vcpu0()->time.tsc_to_system_mul, "its scale");
    CHECK(!(r->state_entry_time >> 63), "the update mark stays behind");
    where = ~0ul;
    CHECK_EQ(vcpu_op(14, id, &where), 0, "no runstate area");
    CHECK_EQ(vcpu_op(15, id, &where), 0, "no time area");
    where = 0x7fffffful << PAGE_SHIFT;
    CHECK(vcpu_op(14, id, &where) < 0, "a runstate area in no frame");
    CHECK(vcpu_op(15, id, &where) < 0, "a time area in no frame");
    where = va_to_maddr(area_a) + PAGE_SIZE - 8;
    CHECK(vcpu_op(14, id, &where) < 0, "a runstate area over the end of a page");
    CHECK(vcpu_op(15, id, &where) < 0, "a time area over the end of a page");
    where = 0;
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, id, &where), 0, "time area at 0");
    where = 0x1000; /* not mapped: skipped */
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, id, &where), 0, "time area nowhere");
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, id, &where), 0, "runstate nowhere");
    CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, id, (void *)0x1000), -XEN_EFAULT,
             "an argument nowhere");
}

static void check_info(void)
{
    struct vcpu_register_vcpu_info reg = {.mfn = va_to_mfn(area_a), .offset = 512};
    const volatile vcpu_info_t *info = (void *)(area_a + 512);

    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, OTHER, &reg), -XEN_EINVAL,
             "vcpu_info of a vCPU that runs");
    order = 1;
    CHECK(wait_for(&stage, 2, SECOND), "it does not go on");
    for (int i = 0; i < 1000 && vcpu_op(VCPUOP_is_up, OTHER, NULL) == 1; i++)
        spin_ns(MS);
    check_runstate(RUNSTATE_offline, RUNSTATE_offline, "down again");
    reg.offset = PAGE_SIZE - 32;
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, OTHER, &reg), -XEN_ENXIO, "over the end");
    reg.offset = 512;
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, OTHER, &reg), 0, "vcpu_info of one that is down");
    CHECK_EQ(info->evtchn_upcall_pending, 1, "upcall_pending there");
    CHECK_EQ(info->evtchn_pending_sel, ~0ul, "pending_sel there");
    CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, OTHER, &reg), -XEN_EBUSY, "once more");
}

void test_main(void)
{
    if (count_vcpus() < 4) {
        skip("needs four vCPUs");
        return;
    }
    /* The library knows its vCPU by gs:0, which is 0 for this one. */
    CHECK_EQ(vcpu_initialise(7, NULL), -XEN_ENOENT, "initialise of no vCPU");
    check_runstate(RUNSTATE_offline, RUNSTATE_offline, "before it starts");
    check_refused();
    fill_context();
    CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, &ctx), 0, "initialise");
    CHECK_EQ(vcpu_op(VCPUOP_initialise, OTHER, &ctx), -XEN_EEXIST, "initialise again");
    CHECK_EQ(vcpu_op(VCPUOP_up, OTHER, NULL), 0, "up");
    if (!wait_for(&stage, 1, SECOND)) {
        failure("it does not start");
        return;
    }
    check_state();
    check_runstate(RUNSTATE_running, RUNSTATE_runnable, "while it runs");
    check_nmi();
    check_timers();
    check_areas(0);
    check_areas(OTHER);
    check_info();
    check_program();
}
