/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hostile-gdt - claim: whatever is in the guest's descriptor tables, using it ends in an
 * exception for the guest, or works; it ends nothing else. Random and special descriptors are
 * loaded into every segment register, returned to in kernel and in user mode, and looked at.
 *
 * Tables with what Xen forbids (gates, task segments) may be refused instead.
 *
 * Blind spots: what code in a strange segment then does.
 */
#include "guest.h"

#define ENTRIES 512
#define CODE 0x400000ul
#define STACK 0x500000ul

static uint64_t *gdt;
static unsigned long loads, faults;

static uint64_t seed = 88172645463325252;

static uint64_t random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Is it an exception that loading this selector may raise? */
static void judge(uint16_t selector, const char *what)
{
    loads++;
    if (last_trap.vector == -1)
        return;
    faults++;
    CHECK(last_trap.vector == 11 || last_trap.vector == 12 || last_trap.vector == 13,
          "%s 0x%x: vector %lu", what, selector, last_trap.vector);
    CHECK(last_trap.error == (selector & 0xfffcu) || last_trap.error == 0, "%s 0x%x: error 0x%lx",
          what, selector, (unsigned long)last_trap.error);
}

#define LOAD(insn, selector)                                                                       \
    do {                                                                                           \
        trap_reset();                                                                              \
        asm volatile(EX_TRY(insn) : : "r"((uint32_t)(selector)) : "memory");                       \
        judge(selector, insn);                                                                     \
    } while (0)

static void load_all(uint16_t selector)
{
    uint32_t value = 0;
    uint8_t ok;

    LOAD("mov %0, %%fs", selector);
    LOAD("mov %0, %%es", selector);
    LOAD("mov %0, %%ds", selector);
    /* What stays loaded when its table goes would be a case for the failsafe callback. */
    asm volatile("mov %0, %%ds\n mov %0, %%es\n mov %0, %%fs" : : "r"(0));
    trap_reset();
    asm volatile(EX_TRY("mov %0, %%ss") : : "r"((uint32_t)selector) : "memory");
    judge(selector, "mov ss");
    asm volatile("mov %0, %%ss" : : "r"((uint32_t)FLAT_KERNEL_SS));
    asm volatile("lar %2, %0\n setz %1" : "+r"(value), "=q"(ok) : "r"((uint32_t)selector) : "cc");
    asm volatile("lsl %2, %0\n setz %1" : "+r"(value), "=q"(ok) : "r"((uint32_t)selector) : "cc");
    asm volatile("verr %w0\n verw %w0" : : "r"((uint32_t)selector) : "cc");
}

static uint64_t resume, resume_rsp;
static bool trapped;

static bool hook(struct trap_frame *frame)
{
    if (frame->vector == TRAP_EVENT)
        return false;
    trapped = true;
    CHECK(frame->vector == 11 || frame->vector == 12 || frame->vector == 13,
          "return to the kernel: vector %lu", frame->vector);
    frame->rip = resume;
    frame->cs = FLAT_KERNEL_CS & ~3ul;
    frame->ss = FLAT_KERNEL_SS;
    frame->rsp = resume_rsp;
    return true;
}

/* iret hypercall and iretq to kernel mode. */
static void return_to_kernel(uint16_t cs, uint16_t ss)
{
    uint64_t words[9] = {0, 0, 0, 0, 0, cs & 0xfffcu, 0x202, 0, ss};

    trap_hook = hook;
    asm volatile("lea 1f(%%rip), %%rcx\n mov %%rcx, %[resume]\n mov %%rcx, 32(%%rax)\n"
                 "mov %%rsp, %[resume_rsp]\n mov %%rsp, 56(%%rax)\n mov %%rsp, %%rbx\n"
                 "mov %%rax, %%rsp\n mov $23, %%eax\n syscall\n ud2\n"
                 "1: mov %[flat], %%ecx\n mov %%ecx, %%ss\n"
                 : [resume] "=m"(resume), [resume_rsp] "=m"(resume_rsp)
                 : "a"(words), [flat] "i"(FLAT_KERNEL_SS)
                 : "rbx", "rcx", "r11", "memory", "cc");
    asm volatile("lea 1f(%%rip), %%rcx\n mov %%rcx, %[resume]\n mov %%rsp, %[resume_rsp]\n"
                 "mov %%rsp, %%rbx\n push %[ss]\n push %%rbx\n push $0x202\n push %[cs]\n"
                 "push %%rcx\n iretq\n 1: mov %[flat], %%ecx\n mov %%ecx, %%ss\n"
                 : [resume] "=m"(resume), [resume_rsp] "=m"(resume_rsp)
                 : [cs] "r"((uint64_t)(cs | 3)), [ss] "r"((uint64_t)ss), [flat] "i"(FLAT_KERNEL_SS)
                 : "rbx", "rcx", "memory", "cc");
    trap_hook = NULL;
}

asm(".section .user, \"ax\"\n user_int80: int $0x80; jmp user_int80\n .text\n");
extern char user_int80[];

/* The program is the same in 16, 32 and 64 bit code. */
static void return_to_user(uint16_t cs, uint16_t ss)
{
    struct trap_frame f = {.rip = CODE + (uintptr_t)user_int80 % PAGE_SIZE,
                           .cs = cs,
                           .ss = ss,
                           .rsp = STACK + 2048,
                           .rflags = 0x202};

    run_user(&f);
    CHECK(f.vector == 0x80 || (f.vector >= 10 && f.vector <= 14),
          "user cs 0x%x ss 0x%x: vector %lu", cs, ss, (unsigned long)f.vector);
}

/* Present code that is not 64-bit code: the kernel could not go on there. */
static bool is_compat(uint64_t desc)
{
    return (desc >> 47 & 1) && (desc >> 43 & 3) == 3 && !(desc >> 53 & 1);
}

static void use_all(void)
{
    for (unsigned int i = 0; i < ENTRIES; i++) {
        uint16_t selector = (uint16_t)(i << 3 | 3);

        load_all(selector);
        if (!is_compat(gdt[i]))
            return_to_kernel(selector, FLAT_KERNEL_SS);
        return_to_kernel(FLAT_KERNEL_CS, selector);
        return_to_user(selector, FLAT_USER_SS);
        return_to_user(FLAT_USER_CS, selector);
    }
}

static void check_table(const char *what)
{
    unsigned long frame = va_to_mfn(gdt);
    long rc;

    CHECK_EQ(remap(gdt, PTE_P), 0, "table read-only");
    rc = hypercall2(__HYPERVISOR_set_gdt, &frame, ENTRIES);
    loads = faults = 0;
    if (!rc)
        use_all();
    print("%s: set_gdt %ld, %lu loads, %lu faults\n", what, rc, loads, faults);
    CHECK_EQ(hypercall2(__HYPERVISOR_set_gdt, NULL, 0), 0, "no table");
    CHECK_EQ(remap(gdt, PTE_P | PTE_RW), 0, "table writable");
}

/* All types, present and not, all DPLs, code and system. */
static void fill_systematic(uint64_t bits)
{
    for (unsigned int i = 0; i < ENTRIES; i++)
        gdt[i] =
            0x000f00000000ffff | (uint64_t)(i & 0xff) << 40 | (uint64_t)(i >> 8 & 1) << 53 | bits;
}

void test_main(void)
{
    gdt = page_alloc();
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_int80 & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(page_alloc()), PTE_P | PTE_RW | PTE_U);
    memset(gdt, 0, PAGE_SIZE);
    check_table("empty");
    memset(gdt, 0xff, PAGE_SIZE);
    check_table("ones");
    for (unsigned int i = 0; i < 4; i++) {
        for (unsigned int k = 0; k < ENTRIES; k++)
            gdt[k] = random();
        check_table("random");
    }
    fill_systematic(0x0080000000000000);
    check_table("systematic");
    fill_systematic(0x1240000012345000);
    check_table("systematic, with bases");
    /* Only what Xen takes, too: code and data of all kinds. */
    for (unsigned int i = 0; i < ENTRIES; i++)
        gdt[i] = 0x008f10000000ffff | (uint64_t)(i & 0xef) << 40 | (uint64_t)(i >> 8 & 1) << 53;
    check_table("code and data");
    CHECK(xen_version(XENVER_version, NULL) > 0, "the hypervisor does not answer any more");
}
