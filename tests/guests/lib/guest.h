/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.h - the little library under every test guest in tests/guests. A test defines
 * test_main() and reports with the verbs below; the worst report wins and becomes the last
 * line on the console, "Test result: SUCCESS|SKIP|ERROR|FAILURE", then the guest powers off.
 *
 * At test_main() the guest has: a trap table for vectors 0-31 and 0x80 (DPL 0, events stay as
 * they are), event and syscall callbacks, shared_info mapped, all events masked by port,
 * upcalls enabled, IOPL 0, one vCPU, the builder's page tables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"

#ifdef LOW_GUEST
#define VIRT_BASE 0ul
#else
#define VIRT_BASE 0xffffffff80000000ul
#endif
#define NOWHERE 0x7f1234567000ul /* in the user half; no test maps anything there */
#define PAGE_SIZE 4096ul
#define PAGE_SHIFT 12
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define barrier() asm volatile("" ::: "memory")

extern start_info_t *start_info;
extern shared_info_t *shared_info;

/* What the builder left for the first instruction (start.S), and shared_info before the library
 * changed anything in it. gpr[] is in encoding order: rax rcx rdx rbx rsp rbp rsi rdi r8.. */
struct entry_state {
    uint64_t gpr[16], rflags;
    uint16_t cs, ss, ds, es, fs, gs, fcw, pad;
    uint32_t mxcsr, pad2;
};
extern const struct entry_state entry_state;
extern shared_info_t entry_shared_info;

void test_main(void);

/* ---- reports (report.c) ---------------------------------------------------------------- */
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
void print(const char *fmt, ...) PRINTF(1, 2);   /* %s %c %d %u %x %l.. %p, widths with 0 */
void failure(const char *fmt, ...) PRINTF(1, 2); /* the claim does not hold */
void error(const char *fmt, ...) PRINTF(1, 2);   /* the test itself could not be done */
void skip(const char *fmt, ...) PRINTF(1, 2);
/* Prints the result line and ends the domain. */
_Noreturn void finish(void);
_Noreturn void shutdown(unsigned int reason);

/* Count a claim; say so when it does not hold. */
#define CHECK(condition, fmt, ...)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            failure("line %d: " fmt, __LINE__, ##__VA_ARGS__);                                     \
    } while (0)
/* As CHECK for two integers, which are printed. */
#define CHECK_EQ(got, want, fmt, ...)                                                              \
    do {                                                                                           \
        long got_ = (long)(got), want_ = (long)(want);                                             \
        if (got_ != want_)                                                                         \
            failure("line %d: " fmt ": got 0x%lx (%ld), want 0x%lx (%ld)", __LINE__,               \
                    ##__VA_ARGS__, got_, got_, want_, want_);                                      \
    } while (0)

/* ---- console (console.c) --------------------------------------------------------------- */
void console_init(void);
void console_write(const char *text, size_t size);
extern bool console_by_hypercall; /* for a guest that has lost the ring's port */
/* Wait (bounded) until the other side has taken everything. */
void console_drain(void);
struct xencons_interface *console_page(void);

/* ---- traps (trap.c, trap.S) ------------------------------------------------------------- */
#define TRAP_EVENT 256
#define TRAP_SYSCALL 257

struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* The last exception that an expected-fault place caught; vector -1 = none since reset. */
struct last_trap {
    long vector;
    uint64_t error, rip, cr2, rsp, cs, rflags;
    unsigned long count;
};
extern struct last_trap last_trap;

/* Called first for every trap and event that comes from kernel mode; true = handled, the
 * frame (which it may edit) is returned to. */
extern bool (*trap_hook)(struct trap_frame *frame);

void trap_init(void);
/* Raw entry points, for tests that load trap tables of their own. */
extern const uint64_t trap_entries[32];
void trap_entry_int80(void);
void event_entry(void);
void failsafe_entry(void);
void syscall_entry(void);
extern char boot_stack_top[];

/* An instruction that may fault: execution goes on behind it and last_trap tells. Use inside
 * asm volatile, after trap_reset(). */
#define EX_TRY(insn)                                                                               \
    "661: " insn "\n"                                                                              \
    "662:\n"                                                                                       \
    ".pushsection .ex_table, \"a\"\n"                                                              \
    ".quad 661b, 662b\n"                                                                           \
    ".popsection\n"

static inline void trap_reset(void)
{
    last_trap.vector = -1;
    last_trap.error = 0;
    last_trap.cr2 = 0;
    barrier();
}

/* True if the byte / word can be read or written. */
bool try_read(const volatile void *at, uint64_t *ret);
bool try_write(volatile void *at, uint64_t value);

/* Where 64-bit user code begins: flat segments, interrupts enabled, the other registers 0. */
static inline struct trap_frame program_frame(uint64_t rip, uint64_t rsp)
{
    return (struct trap_frame){
        .rip = rip, .cs = FLAT_USER_CS, .ss = FLAT_USER_SS, .rsp = rsp, .rflags = 0x202};
}

/* Run guest user code: enters with the frame's registers (CS RPL 3 is set for you), returns
 * when it traps in any way but an event; *frame is then the state at the trap, as the bounce
 * frame told it. */
void run_user(struct trap_frame *frame);
/* The same by the nine words of an iret hypercall; the other registers are anything. *end is the
 * state at the trap. */
void run_user_words(struct trap_frame *end, const uint64_t words[9]);
/* By a multicall, one entry of which is the iret. */
void run_user_multicall(struct trap_frame *end, const uint64_t words[9], multicall_entry_t *list,
                        unsigned long n);
extern unsigned long user_events;   /* upcalls that came while user code ran */
extern void (*on_user_event)(void); /* called in them, after event_scan() */
/* Where the last frame that arrived ended: above its ss. */
extern uint64_t frame_end;

/* ---- events (event.c) ------------------------------------------------------------------- */
extern volatile unsigned long event_count[4096]; /* upcalls seen, by port */
extern volatile unsigned long upcall_count;
extern volatile unsigned long spurious_upcalls; /* with no port pending */
vcpu_info_t *vcpu0(void);
void event_scan(void);

static inline void events_off(void)
{
    vcpu0()->evtchn_upcall_mask = 1;
    barrier();
}

/* Unmask, and make the hypercall that lets a pending upcall come. */
void events_on(void);
void event_mask(unsigned int port);
void event_unmask(unsigned int port);
bool event_pending(unsigned int port);
void event_clear(unsigned int port);
long bind_virq(unsigned int virq); /* port or -errno; unmasked */
long bind_ipi(void);
long event_send(unsigned int port);
/* Our own number: what a grant must name, and DOMID_SELF is no number. */
domid_t own_domid(void);
long block(void);

/* ---- memory (memory.c) ------------------------------------------------------------------ */
#define PTE_P 1ull
#define PTE_RW 2ull
#define PTE_U 4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_G 0x100ull
#define PTE_GUEST_KERNEL (1ull << 52)
#define PTE_NX (1ull << 63)
#define PTE_FRAME 0x000ffffffffff000ull

/* A zeroed page of the initially mapped region; never given back. */
void *page_alloc(void);
uint64_t va_to_mfn(const void *va);

static inline uint64_t va_to_maddr(const void *va)
{
    return va_to_mfn(va) << PAGE_SHIFT | ((uintptr_t)va & (PAGE_SIZE - 1));
}

void *mfn_to_va(uint64_t mfn); /* of a frame in the initial region */
const uint64_t *m2p(void);
/* Pointer (through the region's mapping) to the entry of `level` that maps va, or NULL. */
uint64_t *pte_of(uint64_t va, unsigned int level);
/* Map va (any, tables are made as needed) to a frame. 0 or -errno. */
long map(uint64_t va, uint64_t mfn, uint64_t flags);
long unmap(uint64_t va);
long remap(const void *va, uint64_t flags); /* same frame, new flags, flushed */
/* Use the kernel's root for user mode too, once per test. */
void user_root_init(void);

/* ---- time (time.c) ---------------------------------------------------------------------- */
uint64_t now(void); /* system time, ns */
void spin_ns(uint64_t ns);

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* ---- several vCPUs (smp.c) -------------------------------------------------------------- */
#define MAX_VCPUS 8
#define SECOND 1000000000ul
/* How many vCPUs the domain has. */
unsigned int count_vcpus(void);
/* Have vCPU id run function(id) with events enabled; it goes down when that returns. initialise
 * only prepares it, 0 or -errno. */
long vcpu_initialise(unsigned int id, void (*function)(unsigned int id));
void vcpu_start(unsigned int id, void (*function)(unsigned int id));
/* The same once its function has returned and it is down. */
void vcpu_resume(unsigned int id, void (*function)(unsigned int id));
/* Until it is down, two seconds at most. */
void vcpu_wait_down(unsigned int id);
unsigned int vcpu_self(void);
vcpu_info_t *own_vcpu(void);
void own_events_on(void);
long bind_ipi_to(unsigned int id); /* as bind_ipi */
/* Yield until *word is at least that. False: it took longer than ns. */
bool wait_for(const volatile unsigned long *word, unsigned long least, uint64_t ns);

/* ---- the rest --------------------------------------------------------------------------- */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    asm volatile("cpuid"
                 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                 : "0"(leaf), "2"(sub));
}

/* The form that always reaches the hypervisor. */
static inline void cpuid_forced(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    asm volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2"
                 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                 : "0"(leaf), "2"(sub));
}
