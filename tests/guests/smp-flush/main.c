/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * smp-flush - claim: when a TLB flush that names another vCPU returns, that vCPU uses the old
 * translation no more: neither to read nor to write, in kernel mode nor in user mode; whichever
 * hypercall asked for it; also if the other vCPU sleeps meanwhile.
 *
 * Two frames change places under an address that another vCPU reads or writes all the time.
 * Each holds the number of the round since when it has been valid.
 *
 * Blind spots: accesses that are in flight for longer than a round; upper levels.
 */
#include "guest.h"

#define VA 0xffffffffc0000000ul
#define USER_VA 0x40000000ul   /* what is switched, as a program sees it */
#define USER_DATA 0x40001000ul /* *s, and its stack */
#define USER_CODE 0x40002000ul
#define ROUNDS 50
#define OTHER 1
#define PATIENCE (20 * SECOND) /* of a host that has much else to do */

struct shared {
    volatile unsigned long epoch; /* rounds whose flush has returned */
    volatile unsigned long reads, stale;
    volatile unsigned long stop;
};

static struct shared *s;
static volatile unsigned long *frames[2]; /* by an address of their own */
static volatile unsigned long writes;
static long ipi;

enum how {
    UVM_ALL,
    UVM_MULTI,
    UVM_FLUSH_ALL,
    INVLPG_MULTI,
    FLUSH_MULTI,
    INVLPG_ALL,
    FLUSH_ALL,
    HOWS
};

static void mmuext(unsigned int cmd, uint64_t va, const uint64_t *mask)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.linear_addr = va};

    op.arg2.vcpumask.p = (void *)mask;
    if (mmuext_op(&op, 1, NULL))
        error("mmuext_op %u failed", cmd);
}

/* Let va lead to the frame, on every vCPU of `mask`. */
static void switch_to(uint64_t va, const volatile void *frame, uint64_t flags, enum how how)
{
    static uint64_t mask;
    uint64_t pte = va_to_mfn((const void *)frame) << PAGE_SHIFT | flags, uvm = UVMF_NONE;

    mask = 1 | 1 << OTHER;
    if (how == UVM_ALL)
        uvm = UVMF_INVLPG | UVMF_ALL;
    else if (how == UVM_MULTI)
        uvm = UVMF_INVLPG | (uintptr_t)&mask;
    else if (how == UVM_FLUSH_ALL)
        uvm = UVMF_TLB_FLUSH | UVMF_ALL;
    if (update_va_mapping(va, pte, uvm))
        error("update_va_mapping failed");
    switch (how) {
    case INVLPG_MULTI:
        mmuext(MMUEXT_INVLPG_MULTI, va, &mask);
        break;
    case FLUSH_MULTI:
        mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, &mask);
        break;
    case INVLPG_ALL:
        mmuext(MMUEXT_INVLPG_ALL, va, NULL);
        break;
    case FLUSH_ALL:
        mmuext(MMUEXT_TLB_FLUSH_ALL, 0, NULL);
        break;
    default:
        break;
    }
}

/* Reads *rdi, compares with the epoch before: { epoch, reads, stale, stop } at rsi. Programs
 * return to user_exit. */
void reader(volatile unsigned long *where, struct shared *shared);
extern char user_exit[];
asm(".pushsection .user, \"ax\"\n"
    "reader:\n"
    "1: mov (%rsi), %rax\n"
    "mov (%rdi), %rcx\n"
    "incq 8(%rsi)\n"
    "cmp %rax, %rcx\n"
    "jae 2f\n"
    "incq 16(%rsi)\n"
    "2: cmpq $0, 24(%rsi)\n"
    "je 1b\n"
    "ret\n"
    "user_exit: syscall\n"
    ".popsection\n");

static void read_on(unsigned int id)
{
    reader((volatile unsigned long *)VA, s);
}

static uint64_t user_code(const void *label)
{
    return USER_CODE + (uintptr_t)label % PAGE_SIZE;
}

static void read_as_program(unsigned int id)
{
    struct trap_frame f = {.rip = user_code((const void *)reader),
                           .cs = FLAT_USER_CS,
                           .ss = FLAT_USER_SS,
                           .rsp = USER_DATA + 2048,
                           .rdi = USER_VA,
                           .rsi = USER_DATA,
                           .rflags = 0x202};

    *(uint64_t *)((uint8_t *)s + 2048) = user_code(user_exit);
    user_root_init();
    run_user(&f);
    CHECK_EQ(f.vector, TRAP_SYSCALL, "the program's end");
}

static void check_reads(uint64_t va, const char *mode)
{
    s->epoch = s->stale = 0;
    frames[0][0] = frames[1][0] = 0;
    switch_to(va, frames[0], PTE_P | PTE_RW | PTE_U, FLUSH_ALL);
    for (enum how how = 0; how < HOWS; how++) {
        unsigned long before = s->stale;

        for (unsigned long i = 0; i < ROUNDS; i++) {
            unsigned long round = how * ROUNDS + i + 1, reads = s->reads;
            volatile unsigned long *frame = frames[round & 1];

            frame[0] = round;
            switch_to(va, frame, PTE_P | PTE_RW | PTE_U, how);
            s->epoch = round;
            if (!wait_for(&s->reads, reads + 2, PATIENCE)) {
                failure("%s, way %u, round %lu: the other vCPU does not run", mode, how, i);
                s->stop = 1;
                return;
            }
        }
        CHECK_EQ(s->stale, before, "%s, way %u: stale reads", mode, how);
    }
    s->stop = 1;
}

static void write_on(unsigned int id)
{
    volatile unsigned long *word = (volatile unsigned long *)(VA + 8);

    while (!s->stop) {
        *word = *word + 1;
        writes++;
    }
}

/* A frame that was taken away keeps its content. */
static void check_writes(void)
{
    unsigned long wrong = 0;

    s->stop = writes = 0;
    switch_to(VA, frames[0], PTE_P | PTE_RW, FLUSH_ALL);
    vcpu_resume(OTHER, write_on);
    for (unsigned int i = 1; i < HOWS * ROUNDS; i++) {
        volatile unsigned long *gone = frames[(i - 1) & 1] + 1;
        unsigned long value, before = writes;

        switch_to(VA, frames[i & 1], PTE_P | PTE_RW, i % HOWS);
        value = *gone;
        if (!wait_for(&writes, before + 3, PATIENCE)) {
            failure("round %u: the other vCPU does not run", i);
            break;
        }
        wrong += *gone != value;
    }
    CHECK_EQ(wrong, 0, "writes to a frame that was taken away");
    s->stop = 1;
}

static void sleep_between_reads(unsigned int id)
{
    unsigned long seen = event_count[ipi];

    while (!s->stop) {
        unsigned long epoch = s->epoch;

        if (*(volatile unsigned long *)VA < epoch)
            s->stale++;
        s->reads++;
        own_vcpu()->evtchn_upcall_mask = 1;
        barrier();
        if (event_count[ipi] == seen)
            block();
        own_events_on();
        seen = event_count[ipi];
    }
}

/* Flushes while the other vCPU blocks; then it is woken and reads once. */
static void check_sleeper(void)
{
    s->stale = s->reads = s->stop = s->epoch = 0;
    ipi = bind_ipi_to(OTHER);
    vcpu_resume(OTHER, sleep_between_reads);
    CHECK(wait_for(&s->reads, 1, PATIENCE), "the sleeper does not start");
    for (unsigned long i = 0; i < 40; i++) {
        unsigned long reads = s->reads;

        spin_ns(i % 4 * 100000);
        for (unsigned int k = 0; k < 40; k++) { /* more than anybody keeps a list of */
            frames[k & 1][0] = s->epoch + 1;
            switch_to(VA, frames[k & 1], PTE_P | PTE_RW, k % HOWS);
            s->epoch++;
        }
        event_send((unsigned int)ipi);
        if (!wait_for(&s->reads, reads + 1, PATIENCE)) {
            failure("round %lu: the sleeper does not wake", i);
            break;
        }
    }
    CHECK_EQ(s->stale, 0, "stale reads of a vCPU that slept");
    s->stop = 1;
    event_send((unsigned int)ipi);
}

void test_main(void)
{
    if (count_vcpus() < 2) {
        skip("needs two vCPUs");
        return;
    }
    s = page_alloc();
    frames[0] = page_alloc();
    frames[1] = page_alloc();
    if (map(VA, va_to_mfn((void *)frames[0]), PTE_P | PTE_RW)) {
        error("cannot map");
        return;
    }
    vcpu_start(OTHER, read_on);
    check_reads(VA, "kernel");
    vcpu_wait_down(OTHER);
    if (map(USER_VA, va_to_mfn((void *)frames[0]), PTE_P | PTE_RW | PTE_U) ||
        map(USER_DATA, va_to_mfn(s), PTE_P | PTE_RW | PTE_U) ||
        map(USER_CODE, va_to_mfn((const void *)(uintptr_t)reader), PTE_P | PTE_U)) {
        error("cannot map the program");
        return;
    }
    s->epoch = s->stop = 0;
    vcpu_resume(OTHER, read_as_program);
    check_reads(USER_VA, "user");
    vcpu_wait_down(OTHER);
    check_writes();
    vcpu_wait_down(OTHER);
    check_sleeper();
}
