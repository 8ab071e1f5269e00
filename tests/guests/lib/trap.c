/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * trap.c - what happens on an exception or event: a test's hook, the table of instructions
 * that are expected to fault, user code's end, else a report with all registers and a crash.
 */
#include "guest.h"

struct ex_entry {
    uint64_t from, to;
};

extern const struct ex_entry ex_table_start[], ex_table_end[];
extern char trap_stack_top[];
void user_enter(struct trap_frame *frame);
void user_enter_words(const uint64_t words[9], uint64_t nr, uint64_t a1, uint64_t a2);
_Noreturn void user_leave(void);
void trap_dispatch(struct trap_frame *frame);

struct last_trap last_trap = {.vector = -1};
bool (*trap_hook)(struct trap_frame *frame);
unsigned long user_events;
void (*on_user_event)(void);
uint64_t frame_end;
static struct trap_frame *user_frame;

static void record(const struct trap_frame *frame)
{
    last_trap.vector = (long)frame->vector;
    last_trap.error = frame->error;
    last_trap.rip = frame->rip;
    last_trap.rsp = frame->rsp;
    last_trap.cs = frame->cs;
    last_trap.rflags = frame->rflags;
    last_trap.cr2 = frame->vector == 14 ? own_vcpu()->arch.cr2 : 0;
    last_trap.count++;
}

static bool trap_not_fault(uint64_t vector)
{
    return vector == 1 || vector == 3 || vector == 4 || vector >= 32;
}

static bool expected(struct trap_frame *frame)
{
    for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++) {
        /* Traps (int3, int n) show the next instruction, faults the instruction itself. */
        if (e->from == frame->rip || (e->to == frame->rip && trap_not_fault(frame->vector))) {
            record(frame);
            frame->rip = e->to;
            return true;
        }
    }
    return false;
}

static _Noreturn void unexpected(const struct trap_frame *f)
{
    print("vector %lu error 0x%lx at rip 0x%lx cs 0x%lx rflags 0x%lx rsp 0x%lx ss 0x%lx\n",
          f->vector, f->error, f->rip, f->cs, f->rflags, f->rsp, f->ss);
    print("rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx r8 %lx\n", f->rax, f->rbx,
          f->rcx, f->rdx, f->rsi, f->rdi, f->rbp, f->r8);
    print("r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx cr2 %lx\n", f->r9, f->r10, f->r11,
          f->r12, f->r13, f->r14, f->r15, (unsigned long)vcpu0()->arch.cr2);
    failure("unexpected trap %lu", f->vector);
    finish();
}

void trap_dispatch(struct trap_frame *frame)
{
    bool user = (frame->cs & 3) == 3;

    frame_end = (uintptr_t)(&frame->ss + 1);
    if (!user && trap_hook && trap_hook(frame))
        return;
    if (frame->vector == TRAP_EVENT) {
        event_scan();
        if (user) {
            user_events++;
            if (on_user_event)
                on_user_event();
        }
        return;
    }
    if (user && user_frame) {
        struct trap_frame *to = user_frame;

        user_frame = NULL;
        if (frame->vector == 14)
            last_trap.cr2 = vcpu0()->arch.cr2;
        memcpy(to, frame, sizeof(*to));
        user_leave();
    }
    if (!user && expected(frame))
        return;
    unexpected(frame);
}

void run_user(struct trap_frame *frame)
{
    struct trap_frame copy = *frame; /* the way in overwrites parts of it */

    copy.cs |= 3;
    copy.ss |= 3;
    user_frame = frame;
    user_enter(&copy);
}

void run_user_words(struct trap_frame *end, const uint64_t words[9])
{
    user_frame = end;
    user_enter_words(words, __HYPERVISOR_iret, 0, 0);
}

void run_user_multicall(struct trap_frame *end, const uint64_t words[9], multicall_entry_t *list,
                        unsigned long n)
{
    user_frame = end;
    user_enter_words(words, __HYPERVISOR_multicall, HC(list), n);
}

bool try_read(const volatile void *at, uint64_t *ret)
{
    uint8_t byte = 0;

    trap_reset();
    asm volatile(EX_TRY("movb (%[at]), %[byte]") : [byte] "+q"(byte) : [at] "r"(at) : "memory");
    if (ret)
        *ret = byte;
    return last_trap.vector == -1;
}

bool try_write(volatile void *at, uint64_t value)
{
    trap_reset();
    asm volatile(EX_TRY("movb %b[value], (%[at])") : : [value] "q"(value), [at] "r"(at) : "memory");
    return last_trap.vector == -1;
}

void trap_init(void)
{
    static struct trap_info table[34];

    for (unsigned int i = 0; i < 32; i++) {
        table[i].vector = (uint8_t)i;
        table[i].flags = i == 3 || i == 4 ? 3 : 0;
        table[i].cs = FLAT_KERNEL_CS;
        table[i].address = trap_entries[i];
    }
    table[32].vector = 0x80;
    table[32].flags = 3;
    table[32].cs = FLAT_KERNEL_CS;
    table[32].address = (unsigned long)trap_entry_int80;
    if (set_trap_table(table))
        error("set_trap_table failed");

    struct callback_register event = {.type = CALLBACKTYPE_event,
                                      .address = (unsigned long)event_entry};
    struct callback_register failsafe = {.type = CALLBACKTYPE_failsafe,
                                         .address = (unsigned long)failsafe_entry};
    struct callback_register syscall = {.type = CALLBACKTYPE_syscall,
                                        .address = (unsigned long)syscall_entry};

    if (hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &event) ||
        hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &failsafe) ||
        hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &syscall))
        error("callback_op failed");
    if (hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, trap_stack_top))
        error("stack_switch failed");
}
