/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stub_mem.c - a stub's memory, changed through its mapper M (see stubs.h and mapper.S).
 *
 * A batch of operations goes into Q, its number into Q.seq. M answers by a store that only the
 * kernel can make on its behalf (page R). V never numbers a new batch before the old one is
 * acknowledged: S could otherwise not forge, but V could misread, an answer.
 */
#include <asm/unistd.h>
#include <linux/futex.h>

#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/user.h"

#define EIO 5
#define ESRCH 3
#define SEQ_ERROR 0x80000000u

#define MS 1000000ull
#define WATCH_NS (100 * MS) /* how often a waiting V looks whether M lives */
#define WATCH_LIMIT 100     /* so many times before it is given up */
#define MERGE_MAX 16        /* queued operations looked through for merging */
#define PROOF_TRIES 8       /* half a microsecond each */
#define YIELD_TRIES 8

static int batch_finish(struct stub *s);

/* The queue is the page that M reads: nothing is put there while a batch is under way. */
static struct stub_op *op_new(struct stub *s)
{
    if (batch_finish(s) || (s->nops == Q_MAX_OPS && stub_sync(s)))
        s->failed = true;
    return &s->q->ops[s->nops++];
}

/* A mapping replaces what is there: unmappings queued for the same pages are moot. */
static void drop_covered(struct stub *s, uint64_t va, uint64_t len)
{
    if (s->nops > MERGE_MAX)
        return;
    for (uint32_t i = s->nops; i-- > 0;) {
        const struct stub_op *o = &s->q->ops[i];

        if (o->op != STUB_OP_UNMAP || o->addr < va || o->addr + o->len > va + len)
            continue;
        s->nops--;
        for (uint32_t j = i; j < s->nops; j++)
            s->q->ops[j] = s->q->ops[j + 1];
    }
}

void stub_map(struct stub *s, uint64_t va, uint64_t len, uint64_t ram_offset, uint32_t prot)
{
    struct stub_op *o = s->nops ? &s->q->ops[s->nops - 1] : NULL;

    if (o && o->op == STUB_OP_MAP && o->prot == prot && o->addr + o->len == va &&
        o->off + o->len == ram_offset) {
        o->len += len;
        return;
    }
    drop_covered(s, va, len);
    o = op_new(s);
    *o = (struct stub_op){STUB_OP_MAP, prot, va, len, ram_offset};
}

void stub_unmap(struct stub *s, uint64_t va, uint64_t len)
{
    struct stub_op *o = s->nops ? &s->q->ops[s->nops - 1] : NULL;

    if (o && o->op == STUB_OP_UNMAP && o->addr + o->len == va) {
        o->len += len;
        return;
    }
    o = op_new(s);
    *o = (struct stub_op){STUB_OP_UNMAP, 0, va, len, 0};
}

void stub_unmap_all(struct stub *s)
{
    s->nops = 0;
    s->failed = false;
    stub_unmap(s, 0, STUB_BASE);
    stub_unmap(s, STUB_END, STUB_USER_END - STUB_END);
}

static int wait_answer(struct stub *s)
{
    uint32_t *word = (uint32_t *)(uintptr_t)s->r;

    for (int i = 0; i < WATCH_LIMIT;) {
        uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);

        if (now == s->seq)
            return 0;
        if (now == (SEQ_ERROR | s->seq))
            return -EIO;
        if (sys_futex_wait(word, now, WATCH_NS) == -110 /* ETIMEDOUT */) {
            if (stub_signal(s->fd_m, 0))
                return -ESRCH;
            i++;
        }
    }
    return -ESRCH;
}

/* Give the queue to M, without waiting. `wake`: M is to wake the stub when it is done. */
static int batch_send(struct stub *s, bool wait, bool wake)
{
    if (s->seq + 1 >= SEQ_ERROR)
        return -ESRCH;
    user_stats.batches++;
    user_stats.ops += s->nops;
    s->q->nops = s->nops;
    s->nops = 0;
    s->seq++;
    s->unanswered = true;
    s->q->err = SEQ_ERROR | s->seq;
    s->q->vwait = wait;
    s->q->wake = wake;
    __atomic_store_n(&s->q->seq, s->seq, __ATOMIC_SEQ_CST);
    sys_futex_wake(&s->q->seq, 1);
    return 0;
}

/* Wait for the answer to a batch that was sent before. */
static int batch_finish(struct stub *s)
{
    int r;

    if (!s->unanswered)
        return 0;
    s->unanswered = false;
    __atomic_store_n(&s->q->vwait, 1, __ATOMIC_SEQ_CST);
    r = wait_answer(s);
    s->q->vwait = 0;
    return r;
}

int stub_sync(struct stub *s)
{
    int r = batch_finish(s);

    if (s->failed)
        r = r ? r : -EIO;
    s->failed = false;
    if (r || !s->nops)
        return r;
    r = batch_send(s, true, false);
    return r ? r : batch_finish(s);
}

int stub_send(struct stub *s)
{
    int r = batch_finish(s);

    return r || !s->nops ? r : batch_send(s, false, false);
}

/* Only for additions: with removals the stub must not run, for whatever reason, before they are
 * done. Only while it seems to sleep where M can wake it. And not behind another batch, whose
 * wake-up would come too early. */
bool stub_can_chain(const struct stub *s)
{
    if (!s->nops || s->unanswered || s->failed || s->parked || !s->x->sleep)
        return false;
    for (uint32_t i = 0; i < s->nops; i++)
        if (s->q->ops[i].op != STUB_OP_MAP)
            return false;
    return true;
}

bool stub_is_chained(const struct stub *s)
{
    uint32_t now = *s->r;

    return s->unanswered && now != s->seq && now != (SEQ_ERROR | s->seq);
}

int stub_send_chained(struct stub *s)
{
    return batch_send(s, false, true);
}

/* A task that a kick has just woken, or is about to get one, is still counted as a waiter for a
 * moment. So after a kick it takes two: when it is found a second time, having been woken in
 * between, it has been through the kick's handler. */
bool stub_prove_parked(struct stub *s)
{
    uint32_t go = s->q->go; /* only V writes it */

    if (s->parked)
        return true;
    if (sys_call6(__NR_futex, (long)&s->q->go, FUTEX_CMP_REQUEUE, 0, 1, (long)&s->park_word, go) !=
        1)
        return false;
    if (s->proofs > 1) {
        s->proofs--;
        sys_futex_wake(&s->park_word, 1);
        return false;
    }
    s->parked = true;
    return true;
}

bool stub_settle(struct stub *s)
{
    s->q->spin = 0;
    for (int i = 0; i < PROOF_TRIES; i++) {
        if (stub_prove_parked(s))
            return true;
        rt_pause();
    }
    /* It may wait for this very CPU. */
    for (int i = 0; i < YIELD_TRIES; i++) {
        sys_call(__NR_sched_yield, 0, 0, 0, 0);
        if (stub_prove_parked(s))
            return true;
    }
    return false;
}

int stub_revoke(struct stub *s)
{
    if (!s->nops && !s->failed)
        return 0;
    s->q->spin = 0; /* cheaper to let it fall asleep than to run the mapper */
    for (int i = 0; i < PROOF_TRIES; i++) {
        if (stub_prove_parked(s))
            return 0;
        rt_pause();
    }
    return stub_sync(s);
}
