/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nested-events - claim: upcalls, exceptions and hypercalls nest in any order and unwind to
 * the registers they interrupted: an upcall whose handler enables events takes the next one on
 * the same stack; an exception in an upcall and an upcall in an exception; an upcall from user
 * mode that is interrupted in turn; an event that is due at the way into user mode comes
 * before the first user instruction. No event is lost or comes twice.
 *
 * Blind spots: NMIs, several vCPUs, priorities (see event-fifo).
 */
#include "guest.h"

#define DEPTH 24
#define CODE 0x400000ul
#define STACK 0x500000ul

static unsigned int ports[DEPTH], nr_ports;
static unsigned int depth, deepest, faults;
static uint64_t outer_rsp[DEPTH + 1], bad_masks;
static bool nest_faults;

static void touch_missing(void)
{
    faults++;
    CHECK(!try_read((void *)NOWHERE, NULL), "a missing page can be read in a handler");
}

/* Each upcall sends the next event, enables events and so is interrupted itself. */
static bool nesting_hook(struct trap_frame *frame)
{
    if (frame->vector != TRAP_EVENT)
        return false;
    event_scan();
    outer_rsp[depth] = (uintptr_t)frame;
    if (depth && (frame->cs & 3) == 0 && outer_rsp[depth] >= outer_rsp[depth - 1])
        failure("depth %u: frame 0x%lx is not below 0x%lx", depth, outer_rsp[depth],
                outer_rsp[depth - 1]);
    bad_masks += !vcpu0()->evtchn_upcall_mask;
    if (nest_faults)
        touch_missing();
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (depth < nr_ports) {
        event_send(ports[depth]);
        events_on(); /* the next one comes here */
        events_off();
    }
    depth--;
    return true;
}

/* Registers across something that interrupts. */
#define REGISTERS_HOLD(what)                                                                       \
    do {                                                                                           \
        uint64_t sum;                                                                              \
                                                                                                   \
        asm volatile(                                                                              \
            "mov $1, %%ebx\n mov $2, %%ebp\n mov $3, %%r12d\n mov $4, %%r13d\n"                    \
            "mov $5, %%r14d\n mov $6, %%r15d\n mov $7, %%r9d\n"                                    \
            "mov $17, %%eax\n xor %%edi, %%edi\n xor %%esi, %%esi\n syscall\n"                     \
            "lea (%%rbx,%%rbp), %%rax\n lea (%%rax,%%r12,8), %%rax\n"                              \
            "imul %%r13, %%rax\n add %%r14, %%rax\n imul %%r15, %%rax\n add %%r9, %%rax\n"         \
            : "=a"(sum)                                                                            \
            :                                                                                      \
            : "rbx", "rbp", "r12", "r13", "r14", "r15", "r9", "rdi", "rsi", "rcx", "r11",          \
              "memory", "cc");                                                                     \
        CHECK_EQ(sum, ((1 + 2 + 3 * 8) * 4 + 5) * 6 + 7, what ": registers");                      \
    } while (0)

static void check_depth(bool with_faults)
{
    unsigned long before[DEPTH];

    nest_faults = with_faults;
    depth = deepest = 0;
    faults = 0;
    for (unsigned int i = 0; i < nr_ports; i++)
        before[i] = event_count[ports[i]];
    events_off();
    event_send(ports[0]);
    vcpu0()->evtchn_upcall_mask = 0;
    trap_hook = nesting_hook;
    REGISTERS_HOLD("nested upcalls");
    trap_hook = NULL;
    events_on();
    CHECK_EQ(deepest, nr_ports, "depth of nested upcalls");
    CHECK_EQ(depth, 0, "depth afterwards");
    CHECK_EQ(bad_masks, 0, "upcalls that began with events enabled");
    for (unsigned int i = 0; i < nr_ports; i++)
        CHECK_EQ(event_count[ports[i]] - before[i], 1, "upcalls of event %u", i);
    if (with_faults)
        CHECK_EQ(faults, nr_ports, "page faults in upcalls");
}

static bool fault_then_event(struct trap_frame *frame)
{
    if (frame->vector != 6)
        return false;
    event_send(ports[0]); /* events are on: the upcall comes in this handler */
    faults++;
    frame->rip += 2;
    return true;
}

static void check_event_in_fault(void)
{
    unsigned long before = event_count[ports[0]];
    uint64_t value = 0x1122334455667788;

    faults = 0;
    trap_hook = fault_then_event;
    for (unsigned int i = 0; i < 100; i++)
        asm volatile("ud2" : "+r"(value) : : "memory");
    trap_hook = NULL;
    CHECK_EQ(faults, 100, "exceptions");
    CHECK_EQ(event_count[ports[0]] - before, 100, "upcalls in their handlers");
    CHECK_EQ(value, 0x1122334455667788, "a register across all that");
}

static void check_many(void)
{
    unsigned long before = event_count[ports[1]], upcalls = upcall_count;

    for (unsigned int i = 0; i < 20000; i++)
        event_send(ports[1]);
    CHECK_EQ(event_count[ports[1]] - before, 20000, "events that arrived");
    CHECK(upcall_count - upcalls >= 20000 && upcall_count - upcalls < 20500, "%lu upcalls",
          upcall_count - upcalls);
}

asm(".section .user, \"ax\"\n"
    "user_start: inc %rax\n"
    "user_wait: cmpq $0, (%rdi); je user_wait; syscall\n"
    ".text\n");
extern char user_start[], user_wait[];

static volatile uint64_t *flag;

static struct trap_frame user_frame(void)
{
    return (struct trap_frame){.rip = CODE + (uintptr_t)user_start % PAGE_SIZE,
                               .cs = FLAT_USER_CS,
                               .ss = FLAT_USER_SS,
                               .rsp = STACK + 2048,
                               .rdi = STACK,
                               .rflags = 0x202};
}

/* Due at the way in: user_events counts it before rax has grown. */
static void check_into_user(void)
{
    struct trap_frame f = user_frame();
    unsigned long before = user_events;

    *flag = 1;
    events_off();
    event_send(ports[2]);
    run_user(&f); /* rflags.IF enables events */
    CHECK_EQ(f.vector, TRAP_SYSCALL, "end of the user code");
    CHECK_EQ(user_events - before, 1, "upcalls from user mode");
    CHECK_EQ(f.rax, 1, "rax after the user code");
    events_on();
}

/* In the upcall: another one on top of it, then the loop may end. */
static void end_user_loop(void)
{
    unsigned long before = event_count[ports[3]];

    events_on();
    event_send(ports[3]);
    events_off();
    CHECK_EQ(event_count[ports[3]] - before, 1, "an upcall in an upcall from user mode");
    *flag = 1;
}

/* A timer interrupts the user loop; its upcall ends the loop. */
static void check_from_user(unsigned int timer_port)
{
    unsigned long before = event_count[timer_port];
    struct vcpu_set_singleshot_timer timer;

    for (unsigned int i = 0; i < 5; i++) {
        struct trap_frame f = user_frame();

        *flag = 0;
        timer = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = now() + 2000000};
        vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
        on_user_event = end_user_loop;
        run_user(&f);
        on_user_event = NULL;
        CHECK_EQ(f.vector, TRAP_SYSCALL, "end of the user loop");
        CHECK_EQ(f.rax, 1, "rax after the user loop");
    }
    CHECK_EQ(event_count[timer_port] - before, 5, "timer events");
}

void test_main(void)
{
    long timer_port = bind_virq(VIRQ_TIMER);

    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL); /* the one of the start */

    for (nr_ports = 0; nr_ports < DEPTH; nr_ports++)
        ports[nr_ports] = (unsigned int)bind_ipi();
    check_depth(false);
    check_depth(true);
    check_event_in_fault();
    check_many();
    uint8_t *stack = page_alloc();
    flag = (volatile uint64_t *)stack;
    user_root_init();
    map(CODE, va_to_mfn((void *)((uintptr_t)user_start & ~(PAGE_SIZE - 1))), PTE_P | PTE_U);
    map(STACK, va_to_mfn(stack), PTE_P | PTE_RW | PTE_U);
    check_into_user();
    check_from_user((unsigned int)timer_port);
}
