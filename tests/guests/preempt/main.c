/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * preempt - claim: a timer event reaches code that spins without any hypercall, in kernel and
 * in user mode, in loops of every shape, within milliseconds, and the interrupted registers
 * and flags come back unharmed.
 *
 * Blind spots: instructions that take long by themselves (long rep strings are one shape).
 */
#include "guest.h"

static unsigned int port;
static uint8_t scratch[65536];

static void set_timer(uint64_t ns)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = now() + ns};

    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
}

#define SPIN(what, body, ...)                                                                      \
    do {                                                                                           \
        volatile unsigned long *seen = &event_count[port];                                         \
        unsigned long before = *seen;                                                              \
        uint64_t start = now();                                                                    \
                                                                                                   \
        set_timer(1000000);                                                                        \
        asm volatile("1:\n" body "\n"                                                              \
                     "cmp %[before], (%[seen])\n"                                                  \
                     "je 1b\n"                                                                     \
                     :                                                                             \
                     : [seen] "r"(seen), [before] "r"(before), ##__VA_ARGS__                       \
                     : "rax", "rcx", "rdx", "rsi", "rdi", "memory", "cc");                         \
        print("%s: %lu us\n", what, (now() - start) / 1000);                                       \
        CHECK(now() - start < 1000000000, "%s: %lu us", what, (now() - start) / 1000);             \
    } while (0)

static void check_kernel(void)
{
    SPIN("tight loop", "");
    SPIN("pause", "pause");
    SPIN("inner loop", "mov $1000, %%ecx\n 2: loop 2b");
    SPIN("calls", "call 3f\n jmp 4f\n 3: ret\n 4:");
    SPIN("indirect jump", "lea 5f(%%rip), %%rax\n jmp *%%rax\n 5:");
    SPIN("flags", "cmp %%eax, %%edx\n setc %%al\n adc %%ecx, %%edx\n pushfq\n popfq");
    SPIN("rep stos", "mov %[at], %%rdi\n mov $65536, %%ecx\n rep stosb", [at] "r"(scratch));
    SPIN("locked", "lock incl (%[at])", [at] "r"(scratch));
    SPIN("self jump", "jmp 6f\n 6:");
}

/* Every register holds its pattern while events come and go. */
uint64_t spin_with_registers(volatile unsigned long *seen, unsigned long until);
asm(".text\n"
    "spin_with_registers:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov $0x0303, %ebx; mov $0x0505, %ebp; mov $0x0808, %r8d; mov $0x0909, %r9d\n"
    "mov $0x1010, %r10d; mov $0x1111, %r11d; mov $0x1212, %r12d; mov $0x1313, %r13d\n"
    "mov $0x1414, %r14d; mov $0x1515, %r15d; mov $0x0202, %edx; mov $0x0101, %ecx\n"
    "1: xor %eax, %eax\n"
    "cmp $0x0303, %ebx; jne 2f\n cmp $0x0505, %ebp; jne 2f\n cmp $0x0808, %r8d; jne 2f\n"
    "cmp $0x0909, %r9d; jne 2f\n cmp $0x1010, %r10d; jne 2f\n cmp $0x1111, %r11d; jne 2f\n"
    "cmp $0x1212, %r12d; jne 2f\n cmp $0x1313, %r13d; jne 2f\n cmp $0x1414, %r14d; jne 2f\n"
    "cmp $0x1515, %r15d; jne 2f\n cmp $0x0202, %edx; jne 2f\n cmp $0x0101, %ecx; jne 2f\n"
    "stc; std; nop; nop; nop; pushfq; pop %rax; cld\n"
    "and $0x401, %eax; cmp $0x401, %eax; mov $2, %eax; jne 3f\n"
    "cmp %rsi, (%rdi); jb 1b\n"
    "xor %eax, %eax; jmp 3f\n"
    "2: mov $1, %eax\n"
    "3: pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n");

static void check_registers(void)
{
    struct vcpu_set_periodic_timer timer = {.period_ns = 1000000};
    unsigned long start = event_count[port];

    vcpu_op(VCPUOP_set_periodic_timer, 0, &timer);
    CHECK_EQ(spin_with_registers(&event_count[port], start + 50), 0,
             "registers (1) or flags (2) lost across an event");
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
}

asm(".section .user, \"ax\"\n"
    "user_spin: lea 1f(%rip), %rbx\n"
    "1: mov (%rdi), %rax; cmp %rsi, %rax; je 1b\n"
    "syscall\n"
    ".text\n");
extern char user_spin[];

static void check_user(void)
{
    static struct trap_frame frame;
    uint64_t code = 0x400000, data = 0x600000, start = now();
    /* The page that holds the counter, read-only in the lower half. */
    uint64_t counter = (uintptr_t)&event_count[port];

    user_root_init();
    map(code, va_to_mfn((void *)((uintptr_t)user_spin & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(data, va_to_mfn((void *)(counter & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    frame.rip = code + (uintptr_t)user_spin % PAGE_SIZE;
    frame.cs = FLAT_USER_CS;
    frame.ss = FLAT_USER_SS;
    frame.rflags = 0x202;
    frame.rdi = data + counter % PAGE_SIZE;
    frame.rsi = event_count[port];
    set_timer(1000000);
    run_user(&frame);
    print("user loop: %lu us\n", (now() - start) / 1000);
    CHECK_EQ(frame.vector, TRAP_SYSCALL, "end of the user loop");
    CHECK(now() - start < 1000000000, "user loop: %lu us", (now() - start) / 1000);
    CHECK(user_events >= 1, "the event did not come in user mode");
}

void test_main(void)
{
    long rc = bind_virq(VIRQ_TIMER);

    if (rc <= 0) {
        error("bind_virq: %ld", rc);
        return;
    }
    port = (unsigned int)rc;
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    check_kernel();
    check_registers();
    check_user();
}
