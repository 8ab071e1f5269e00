/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * peers.c - see peers.h, and docs/internals/smp.md for why it is right.
 *
 * Everything in struct vcpu_link belongs to the guest's kernel, as V does: a wrong value there
 * harms the guest alone. Locks are held for some tens of instructions, never while waiting.
 */
#include "engine/soft/vcpu/peers.h"

#include <asm/unistd.h>

#include "cpu/env.h"
#include "engine/soft/layout.h"
#include "engine/soft/vcpu/program.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/trap.h"
#include "engine/soft/vcpu/user.h"
#include "engine/soft/vcpu/vtlb.h"

#define SPIN_US 15       /* for an answer, where the host has several CPUs */
#define DOZE_NS 10000000 /* the longest sleep before looking again */
#define SIGUSR1 10

/* In this order: who waits for an answer in one box serves that one and those before it. */
enum box { WRITTEN, GUARD, TLB, BOXES };

enum request { FRAME_WRITTEN, FRAME_GUARD, FRAME_SEAL, TLB_FLUSH, TLB_INVLPG, TLB_RELEASE };

_Static_assert(ARRAY_SIZE(((struct vcpu_link *)0)->mail) == BOXES, "run.h");

static uint64_t spin_cycles;

static struct vcpu_link *link_of(unsigned int id)
{
    return &shared->vcpu[id % RUN_MAX_VCPUS];
}

static struct vcpu_link *own_link(void)
{
    return link_of(vcpu.id);
}

static void yield(void)
{
    sys_call(__NR_sched_yield, 0, 0, 0, 0);
}

void peers_init(void)
{
    uint8_t cpus[MAX_CPUS / 8];

    spin_cycles = sys_cpus(cpus, sizeof(cpus)) > 1 ? (uint64_t)shared->tsc_khz * SPIN_US / 1000 : 0;
}

bool peers_exist(void)
{
    return shared->nr_vcpus > 1;
}

/* ---- mail ---- */

static void lock(struct vcpu_link *l)
{
    for (unsigned int n = 1; __atomic_exchange_n(&l->lock, 1, __ATOMIC_ACQUIRE); n++) {
        if (n % 64)
            rt_pause();
        else
            yield();
    }
}

static void unlock(struct vcpu_link *l)
{
    __atomic_store_n(&l->lock, 0, __ATOMIC_RELEASE);
}

/* Count a kick; wake the vCPU if it sleeps. True: it did. */
static bool ring(struct vcpu_link *l)
{
    __atomic_fetch_add(&l->kick, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&l->sleeps, __ATOMIC_SEQ_CST))
        return false;
    sys_futex_wake(&l->kick, 1);
    return true;
}

void peers_kick(unsigned int id)
{
    struct vcpu_link *l = link_of(id);

    /* Who is away and does not sleep on it comes back soon, or is down. */
    if (!ring(l) && __atomic_load_n(&l->presence, __ATOMIC_SEQ_CST) == VCPU_HERE)
        sys_call(__NR_pidfd_send_signal, V_FD_PEERS + (int)id, SIGUSR1, 0, 0);
}

/* Put a request into a vCPU's mail. True: it runs, and is to be waited for. */
static bool post(unsigned int id, enum box box, enum request what, uint64_t arg,
                 uint32_t *ret_number)
{
    struct vcpu_link *l = link_of(id);
    struct vcpu_mail *m = &l->mail[box];
    bool here;

    lock(l);
    here = l->presence == VCPU_HERE;
    if (l->presence != VCPU_ABSENT) {
        if (m->nr < MAIL_MAX) {
            m->item[m->nr].what = what;
            m->item[m->nr].arg = arg;
        }
        if (m->nr <= MAIL_MAX)
            m->nr++;
        *ret_number = __atomic_add_fetch(&m->asked, 1, __ATOMIC_SEQ_CST);
        /* What it keeps is void before it comes back. */
        if (!here && what == FRAME_WRITTEN)
            __atomic_fetch_and(&shared_frames[arg], (uint16_t) ~(1u << id), __ATOMIC_SEQ_CST);
    }
    unlock(l);
    return here;
}

static void act(enum request what, uint64_t arg)
{
    switch (what) {
    case FRAME_WRITTEN:
        if (arg < shared->nr_frames)
            vtlb_forget_frame(arg);
        break;
    case FRAME_GUARD:
        if (arg < shared->nr_frames) {
            vtlb_protect_frame(arg);
            user_guard_frame(arg);
        }
        break;
    case FRAME_SEAL:
        if (arg < shared->nr_frames)
            vtlb_protect_frame(arg);
        break;
    case TLB_FLUSH:
        env_tlb_flush(&vcpu);
        break;
    case TLB_INVLPG:
        env_tlb_invlpg(&vcpu, arg);
        break;
    case TLB_RELEASE:
        program_release(arg);
        break;
    }
}

static void act_on_everything(enum box box)
{
    if (box == TLB)
        env_tlb_flush(&vcpu);
    else
        vtlb_recheck_frames();
}

/* One flush serves all who ask for any. */
static void act_on_mail(const struct vcpu_mail *m)
{
    bool flush = false;

    for (uint32_t i = 0; i < m->nr; i++)
        flush |= m->item[i].what == TLB_FLUSH;
    if (flush)
        act(TLB_FLUSH, 0);
    for (uint32_t i = 0; i < m->nr; i++)
        if (!flush || m->item[i].what == TLB_RELEASE)
            act((enum request)m->item[i].what, m->item[i].arg);
}

static bool has_mail_in(enum box box)
{
    const struct vcpu_mail *m = &own_link()->mail[box];

    return __atomic_load_n(&m->asked, __ATOMIC_SEQ_CST) != m->done;
}

static bool has_mail(enum box last)
{
    bool any = false;

    for (enum box box = 0; box <= last; box++)
        any |= has_mail_in(box);
    return any;
}

static void serve_box(enum box box)
{
    struct vcpu_link *l = own_link();
    struct vcpu_mail *m = &l->mail[box], copy;
    uint32_t waiting;

    if (!has_mail_in(box))
        return;
    lock(l);
    copy = *m;
    m->nr = 0;
    unlock(l);
    if (copy.nr > MAIL_MAX)
        act_on_everything(box);
    else
        act_on_mail(&copy);
    __atomic_store_n(&m->done, copy.asked, __ATOMIC_SEQ_CST);
    waiting = __atomic_exchange_n(&l->waiting, 0, __ATOMIC_SEQ_CST);
    for (unsigned int id = 0; id < RUN_MAX_VCPUS; id++)
        if (waiting >> id & 1)
            ring(link_of(id));
}

static void serve(enum box last)
{
    for (enum box box = 0; box <= last; box++)
        serve_box(box);
}

void peers_serve(void)
{
    serve(TLB);
}

/* ---- asking ---- */

struct question {
    enum box box;
    uint32_t pending; /* bit per vCPU that has not answered */
    uint32_t number[RUN_MAX_VCPUS];
};

static bool is_answered(struct question *q)
{
    for (unsigned int id = 0; id < RUN_MAX_VCPUS; id++) {
        uint32_t done = __atomic_load_n(&link_of(id)->mail[q->box].done, __ATOMIC_SEQ_CST);

        if ((q->pending >> id & 1) && (int32_t)(done - q->number[id]) >= 0)
            q->pending &= ~(1u << id);
    }
    return !q->pending;
}

/* Sleep until somebody answers or asks. Signals may be blocked: kicks wake it by the futex, and
 * are repeated as a timer. */
static void doze(struct question *q)
{
    struct vcpu_link *l = own_link();
    uint32_t seen = __atomic_load_n(&l->kick, __ATOMIC_SEQ_CST);

    for (unsigned int id = 0; id < RUN_MAX_VCPUS; id++)
        if (q->pending >> id & 1)
            __atomic_fetch_or(&link_of(id)->waiting, 1u << vcpu.id, __ATOMIC_SEQ_CST);
    __atomic_store_n(&l->sleeps, 1, __ATOMIC_SEQ_CST);
    if (!is_answered(q) && !has_mail(q->box))
        sys_futex_wait(&l->kick, seen, DOZE_NS);
    __atomic_store_n(&l->sleeps, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&l->kick, __ATOMIC_SEQ_CST) != seen) {
        soft.kicked = 1;
        trap_timer_set(1);
    }
}

/* n requests, of which the last one's answer stands for all. */
static void ask_each(uint64_t mask, enum box box, enum request what, const uint64_t *arg,
                     unsigned int n)
{
    struct question q = {.box = box};
    uint64_t start;

    for (unsigned int id = 0; id < RUN_MAX_VCPUS; id++)
        for (unsigned int i = 0; i < n; i++)
            if ((mask >> id & 1) && id != vcpu.id && id < shared->nr_vcpus &&
                post(id, box, what, arg[i], &q.number[id]))
                q.pending |= 1u << id;
    for (unsigned int id = 0; id < RUN_MAX_VCPUS; id++)
        if (q.pending >> id & 1)
            peers_kick(id);
    start = rt_rdtsc();
    while (!is_answered(&q)) {
        serve(box);
        if (rt_rdtsc() - start < spin_cycles)
            rt_pause();
        else
            doze(&q);
    }
}

static void ask(uint64_t mask, enum box box, enum request what, uint64_t arg)
{
    ask_each(mask, box, what, &arg, 1);
}

void peers_flush(uint64_t mask)
{
    if (peers_exist())
        ask(mask, TLB, TLB_FLUSH, 0);
}

void peers_invlpg(uint64_t mask, gva_t va)
{
    if (peers_exist())
        ask(mask, TLB, TLB_INVLPG, va);
}

void peers_release(mfn_t root)
{
    uint32_t number;

    for (unsigned int id = 0; peers_exist() && id < shared->nr_vcpus; id++)
        if (id != vcpu.id)
            post(id, TLB, TLB_RELEASE, root, &number);
}

void peers_guard_frame(mfn_t mfn)
{
    ask(~0ull, GUARD, FRAME_GUARD, mfn);
}

void peers_seal_frames(const mfn_t *mfn, unsigned int n)
{
    if (peers_exist())
        ask_each(~0ull, GUARD, FRAME_SEAL, mfn, n);
}

void peers_frame_written(mfn_t mfn)
{
    uint32_t watchers;

    if (!peers_exist())
        return;
    watchers = __atomic_fetch_and(&shared_frames[mfn], (uint16_t)~FRAMES_GUARDED, __ATOMIC_SEQ_CST);
    ask(watchers & FRAMES_WATCHERS, WRITTEN, FRAME_WRITTEN, mfn);
}

/* ---- presence ---- */

static void set_presence(enum vcpu_presence presence)
{
    struct vcpu_link *l = own_link();

    lock(l);
    l->presence = presence;
    unlock(l);
}

void peers_start(void)
{
    if (peers_exist())
        set_presence(VCPU_HERE);
}

void peers_leave(void)
{
    struct vcpu_link *l = own_link();

    if (!peers_exist())
        return;
    program_set_root(INVALID_MFN);
    for (;;) {
        peers_serve();
        lock(l);
        if (!has_mail(TLB))
            break;
        unlock(l);
    }
    l->presence = VCPU_AWAY;
    unlock(l);
}

void peers_return(void)
{
    if (!peers_exist())
        return;
    set_presence(VCPU_HERE);
    peers_serve();
}
