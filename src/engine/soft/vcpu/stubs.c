/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stubs.c - see stubs.h. One thread; the only concurrency is the signal handler that calls
 * stubs_kick(), and the stubs' side of the shared pages.
 */
#include "engine/soft/vcpu/stubs.h"

#include <asm/unistd.h>
#include <linux/futex.h>

#include "engine/soft/vcpu/handover.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/stub_spawn.h"
#include "engine/soft/vcpu/user.h"

#define EIO 5
#define ESRCH 3
#define SIGKILL 9
#define SIGUSR1 10
#define CLOCK_MONOTONIC 1

#define MS 1000000ull
#define WATCH_NS (50 * MS)     /* how often a waiting V looks whether its peer lives */
#define KICKED_NS (2 * MS)     /* same, when a kick is to be answered */
#define KICK_CPU_NS (20 * MS)  /* CPU time a kicked stub may use without stopping */
#define KICK_WALL_NS (2000 * MS) /* where its CPU time can't be read */
#define PROOF_TRIES 64

struct stub stubs[STUB_SLOTS];

static struct stub *volatile running; /* in stub_run, released */
static volatile bool kick_pending;

static int pidfd_signal(int fd, int sig)
{
    return (int)sys_call(__NR_pidfd_send_signal, fd, sig, 0, 0);
}

/* ---- mapper ---- */

static struct stub_op *op_last(struct stub *s)
{
    return s->nops ? &s->q->ops[s->nops - 1] : NULL;
}

static struct stub_op *op_new(struct stub *s)
{
    if (s->nops == Q_MAX_OPS && stub_sync(s))
        s->q->err = 0; /* remembered by failed, below */
    return &s->q->ops[s->nops++];
}

/* A mapping replaces what is there: unmappings queued for the same pages are moot. */
static void op_drop_covered(struct stub *s, uint64_t va, uint64_t len)
{
    if (s->nops > 16)
        return;
    for (uint32_t i = s->nops; i-- > 0;) {
        struct stub_op *o = &s->q->ops[i];

        if (o->op != STUB_OP_UNMAP || o->addr < va || o->addr + o->len > va + len)
            continue;
        s->nops--;
        for (uint32_t j = i; j < s->nops; j++)
            s->q->ops[j] = s->q->ops[j + 1];
    }
}
