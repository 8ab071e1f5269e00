/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stubs.h - the vCPU process's end of its stubs: making, running, stopping, changing their
 * memory, recycling, killing. Knows nothing of guest page tables.
 *
 * A stub is never believed to have stopped because it says so. Rights that are to be gone are
 * gone when the mapper's acknowledgement is here, or while the kernel has shown that the stub
 * sleeps (stub_revoke).
 */
#pragma once

#include "base/types.h"
#include "engine/soft/stub/stub_layout.h"

enum stub_state {
    STUB_ABSENT, /* slot is empty */
    STUB_CLEAN,  /* no guest memory mapped; ready for a program */
    STUB_DIRTY,  /* its program is over; to be cleaned before the next */
    STUB_BOUND,
};

enum stub_outcome {
    STUB_STOPPED_OK,
    STUB_DIED, /* or did not stop when it had to: it has been killed */
};

struct stub {
    struct stub_q *q;          /* V writes */
    const volatile uint32_t *r; /* V reads */
    struct stub_x *x;          /* anybody writes */
    uint8_t state;
    bool parked;  /* proven asleep on park_word until V wakes it */
    bool kicked;  /* a kick was sent since it was last released */
    bool s_spins; /* it was allowed to spin after this run */
    int fd_s, fd_m; /* pidfds */
    uint32_t pid_s;
    uint32_t nops;      /* operations queued in q->ops */
    uint32_t park_word; /* futex that a proven sleeper waits on; S does not know it */
};

#define STUB_SLOTS 64
extern struct stub stubs[STUB_SLOTS];

/* Take what the zygote has ready; at least one. 0 or -errno. */
int stubs_init(void);

/* A clean stub, now bound; recycles a dirty one or waits for a new one. NULL: all slots are
 * bound (release one first) or the zygote is gone (stubs_zygote_gone()). */
struct stub *stub_get(void);
bool stubs_zygote_gone(void);
/* Its program is over. Its memory goes when it is next used. */
void stub_put(struct stub *s);
/* SIGKILL for S and M; the slot is empty then. */
void stub_kill(struct stub *s);

/* Queue a change of the stub's memory: carried out at the latest before it next runs. A full
 * queue is sent; its failure shows at stub_sync. Addresses and lengths in bytes. */
void stub_map(struct stub *s, uint64_t va, uint64_t len, uint64_t ram_offset, uint32_t prot);
void stub_unmap(struct stub *s, uint64_t va, uint64_t len);
void stub_unmap_all(struct stub *s);
/* Have the queue carried out now. 0, -EIO: an operation failed and the address space is in an
 * unknown state (unmap all), -ESRCH: the mapper is gone (kill the stub). */
int stub_sync(struct stub *s);
/* Rights were taken away by queued operations: on return the stub can't use them. As
 * stub_sync. */
int stub_revoke(struct stub *s);

/* Let the stub go on from x->regs until it stops (queue must be empty). */
enum stub_outcome stub_run(struct stub *s);
/* Another stub will run next: this one need not spin, and should sleep provably. */
void stub_rest(struct stub *s);

/* Async-signal-safe: the stub in stub_run is to stop; if there is none, stubs_kick_pending()
 * says so until it is cleared. */
void stubs_kick(void);
bool stubs_kick_pending(void);
void stubs_kick_clear(void);
