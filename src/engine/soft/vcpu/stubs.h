/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stubs.h - the vCPU process's end of its stubs: making, running, stopping, changing their
 * memory, recycling, killing. Knows nothing of guest page tables.
 *
 * A stub is never believed to have stopped because it says so. It is *parked* when the host
 * kernel has written the number of the present run to R on its behalf (entry.S has the
 * argument): then no instruction of its program is executed until V releases it, and
 * operations given to it with the release are carried out before. One thread; the only
 * concurrency inside V is the signal handler that calls stubs_kick().
 */
#pragma once

#include "base/types.h"
#include "engine/soft/stub/stub_layout.h"

enum stub_state {
    STUB_ABSENT, /* the slot is empty */
    STUB_CLEAN,  /* no guest memory mapped; ready for a program */
    STUB_DIRTY,  /* its program is over; to be cleaned before the next */
    STUB_BOUND,
};

#define STUB_QUEUE (Q_MAX_OPS - 1) /* one more may come before them, for tsc_traps */
#define STUB_MISPLACED 0xffff      /* it may run where it must not any more */

enum stub_outcome {
    STUB_HAS_STOPPED, /* x says why */
    STUB_HAS_DIED,    /* or did not stop when it had to: kill it. Its program may have run */
    STUB_DIED_BEFORE, /* the same before its program began: nothing of it was executed */
};

struct stub {
    struct stub_q *q;           /* V writes */
    const volatile uint64_t *r; /* the host kernel writes, for S */
    struct stub_x *x;           /* anybody writes */
    uint8_t state;              /* enum stub_state */
    uint8_t kind;               /* STUB_WANT_*: where in the address space it is */
    volatile bool kicked;       /* a kick was sent since it was last released */
    bool failed;                /* operations were lost: its memory is in an unknown state */
    bool rolled_back;           /* it may have stopped before it had loaded the selectors in X */
    bool tsc_traps;             /* its program may not read the counter, from the next release on */
    bool cleaning;              /* DIRTY, and the unmapping has been ordered */
    uint16_t beside;            /* it keeps off this CPU; + 1, 0 = none, or STUB_MISPLACED */
    int fd;                     /* pidfd */
    uint32_t pid;
    uint32_t nops, maps;            /* queued operations, and how many of them may be STUB_OP_MAP */
    uint64_t unmap_ns;              /* CPU time that its last orders may take */
    uint64_t dirty_since;           /* order in which stubs became dirty */
    uint64_t tls[STUB_TLS_ENTRIES]; /* descriptors that it has, 0 = none; user_segment.c */
    uint64_t *ldt;                  /* the same for its LDT ... */
    uint32_t ldt_entries;           /* ... of which so many may be other than 0 */
    struct stub_op ops[STUB_QUEUE];
};

extern struct stub stubs[STUB_MAX];

/* ---- stubs.c: the slots ---- */

/* Take what the zygote makes; returns when one stub is ready. 0 or -errno. */
int stubs_init(void);
/* A stub of that kind without guest memory, now bound: a clean one, or a dirty one recycled, or a
 * new one. NULL: all slots are bound (put one first), or the zygote does not answer. */
struct stub *stub_get(uint8_t kind);
/* Where it is: from the names in stub_layout.h. Bytes. */
static inline uint64_t stub_by(const struct stub *s)
{
    return s->kind == STUB_WANT_ASIDE ? STUB_ASIDE_BY : 0;
}
/* Can stubs of that kind have nothing of a program's mapped there? */
static inline bool stub_is_at(uint8_t kind, uint64_t va)
{
    return kind == STUB_WANT_ASIDE
               ? va < STUB_LOW || (va >= STUB_GUARD && va < STUB_END + STUB_ASIDE_BY)
               : va < STUB_END;
}
/* Its program is over. Cleaning begins, and is waited for when the stub is next used. One that has
 * an LDT ends. */
void stub_put(struct stub *s);
/* SIGKILL; the slot is empty then. */
void stub_kill(struct stub *s);

/* ---- stub_mem.c: what is mapped ---- */

/* Queue a change: carried out before the stub next runs. Bytes. Where the queue overflows it is
 * carried out at once; s->failed tells if that went wrong. */
void stub_map(struct stub *s, uint64_t va, uint64_t len, uint64_t ram_offset, uint32_t prot);
void stub_unmap(struct stub *s, uint64_t va, uint64_t len);
/* Queue a change of the CPUs that it runs on, to those in q->cpus at the release. */
void stub_place(struct stub *s);
/* Queue another segment, op is STUB_OP_TLS or STUB_OP_LDT: the two words of a struct user_desc. */
void stub_segment(struct stub *s, uint32_t op, uint64_t number_and_base, uint64_t limit_and_flags);
/* Instead of what was queued, but for segments; clears s->failed. */
void stub_unmap_all(struct stub *s);
/* Have the queue carried out now, without running the program. `reset`: for another program.
 * 0, -EIO: an operation failed and the address space is in an unknown state (unmap all), -ESRCH:
 * it does not obey (kill it). */
int stub_sync(struct stub *s, bool reset);
/* Have it begun; stub_park() waits for it. The stub must be parked. */
void stub_sync_begin(struct stub *s, bool reset);

/* ---- stub_run.c ---- */

void stub_run_init(void);
/* None is going to run soon: nobody has to wait awake. */
void stub_run_rest(void);
/* The stub is about to go. */
void stub_run_forget(const struct stub *s);
/* From now on stubs run on these CPUs, bit per CPU, as many as Q has room for. */
void stub_run_set_cpus(const uint8_t *cpus);
/* How many V and its stubs may run on. */
unsigned int stub_run_nr_cpus(void);
/* Let the stub carry out its queue, and go on from x->regs, until it stops. */
enum stub_outcome stub_run(struct stub *s);
/* Is it parked? If not, ask it to; it will be by the next time or so. */
bool stub_is_parked(struct stub *s);
/* Wait until a stub is parked that has (it says) stopped, whatever its program is up to. 0, or
 * -ESRCH: it is dead or does not obey, kill it. */
int stub_park(struct stub *s);
/* Async-signal-safe: the stub in stub_run is to stop; stays pending until cleared. True:
 * one is on its way to stop, and stub_run returns then. */
bool stubs_kick(void);
bool stubs_kick_pending(void);
void stubs_kick_clear(void);

/* pidfd_send_signal; 0 or -errno (-ESRCH: the process is gone). Signal 0 only asks. */
int stub_signal(int pidfd, int sig);
#define STUB_SIGUSR1 10
#define STUB_SIGKILL 9
