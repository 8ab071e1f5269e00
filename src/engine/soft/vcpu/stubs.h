/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stubs.h - the vCPU process's end of its stubs: making, running, stopping, changing their
 * memory, recycling, killing. Knows nothing of guest page tables.
 *
 * A stub is never believed to have stopped because it says so. Rights that are to be gone are
 * gone when the mapper's acknowledgement is here, or while the kernel has shown that the stub
 * sleeps (stub_revoke). One thread; the only concurrency inside V is the signal handler that
 * calls stubs_kick().
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

enum stub_outcome {
    STUB_HAS_STOPPED, /* x says why */
    STUB_HAS_DIED,    /* or did not stop when it had to, and has been killed */
};

struct stub {
    struct stub_q *q;           /* V writes */
    const volatile uint32_t *r; /* V reads */
    struct stub_x *x;           /* anybody writes */
    uint8_t state;              /* enum stub_state */
    bool parked;                /* proven asleep on park_word until V wakes it */
    volatile bool kicked;       /* a kick was sent since it was last released */
    bool failed;                /* an early part of the queue could not be carried out */
    bool unanswered;            /* a batch was sent whose answer has not been looked at */
    volatile uint8_t proofs;    /* how many times it has to be found asleep, see stub_mem.c */
    int fd_s, fd_m;             /* pidfds */
    uint32_t pid_s;
    uint32_t seq, nops;
    uint64_t dirty_since; /* order in which stubs became dirty */
    uint32_t park_word;   /* futex that a proven sleeper waits on; S does not know it */
};

extern struct stub stubs[STUB_MAX];

/* ---- stubs.c: the slots ---- */

/* Take what the zygote makes; returns when one stub is ready. 0 or -errno. */
int stubs_init(void);
/* A stub without guest memory, now bound: a clean one, or a dirty one recycled, or a new one.
 * NULL: all slots are bound (put one first), or the zygote does not answer. */
struct stub *stub_get(void);
/* Its program is over. Cleaning begins, and is waited for when the stub is next used. */
void stub_put(struct stub *s);
/* SIGKILL for S and M; the slot is empty then. */
void stub_kill(struct stub *s);

/* ---- stub_mem.c: what is mapped ---- */

/* Queue a change: carried out at the latest before the stub next runs. Bytes. */
void stub_map(struct stub *s, uint64_t va, uint64_t len, uint64_t ram_offset, uint32_t prot);
void stub_unmap(struct stub *s, uint64_t va, uint64_t len);
void stub_unmap_all(struct stub *s);
/* Have the queue carried out now. 0, -EIO: an operation failed and the address space is in an
 * unknown state (unmap all), -ESRCH: the mapper is gone (kill the stub). */
int stub_sync(struct stub *s);
/* Have it begun; stub_sync waits. */
int stub_send(struct stub *s);
/* May stub_run let the mapper carry out the queue and then wake the stub itself? Saves a
 * switch; an error shows at the next stub_sync. */
bool stub_can_chain(const struct stub *s);
int stub_send_chained(struct stub *s);
/* Is a batch still under way? Then nobody else may wake the stub. */
bool stub_is_chained(const struct stub *s);
/* Queued operations take rights away: on return the stub cannot use them. As stub_sync. */
int stub_revoke(struct stub *s);
/* Does the kernel say that the stub sleeps? Then it does until V wakes it. */
bool stub_prove_parked(struct stub *s);
/* Give a stub that has (it says) stopped time to fall asleep. Proven? */
bool stub_settle(struct stub *s);

/* ---- stub_run.c ---- */

/* How many CPUs this process may use, as found at the start. */
void stub_run_init(unsigned int nr_cpus);
/* Let the stub go on from x->regs until it stops. The queue must be empty, or one that may be
 * chained. */
enum stub_outcome stub_run(struct stub *s);
/* Make a stub of unknown doings stop in its own code, provably asleep, whatever its program
 * did to it: begin, and wait until it is so. Its memory must be unmapped by then. 0, or -1: kill
 * it. */
int stub_subdue(struct stub *s);
int stub_subdue_finish(struct stub *s);
/* Wait until a new stub has come up. 0, or -1: kill it. */
int stub_await_start(struct stub *s);

/* Async-signal-safe: the stub in stub_run is to stop; stays pending until cleared. */
void stubs_kick(void);
bool stubs_kick_pending(void);
void stubs_kick_clear(void);

/* pidfd_send_signal; 0 or -errno (-ESRCH: the process is gone). Signal 0 only asks. */
int stub_signal(int pidfd, int sig);
#define STUB_SIGUSR1 10
#define STUB_SIGKILL 9
