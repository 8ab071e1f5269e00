/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stub_run.c - giving a stub the CPU and getting it back (see stubs.h, and entry.S for the
 * other side).
 *
 * Release: X is filled, X.turn = 0, Q.go changes. Stop: the stub sets X.turn. A kick is sent
 * only after the release, at most one at a time, and repeated from here while it goes
 * unanswered; a stub that uses CPU time without answering is killed.
 */
#include <asm/unistd.h>
#include <linux/time_types.h>

#include "engine/soft/layout.h"
#include "engine/soft/run.h"
#include "engine/soft/vcpu/handover.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/user.h"

#define CLOCK_MONOTONIC 1
#define ETIMEDOUT 110

#define MS 1000000ull
#define WATCH_NS (50 * MS)       /* how often a waiting V looks whether the stub lives */
#define KICKED_NS (2 * MS)       /* same while a kick is unanswered */
#define KICK_CPU_NS (20 * MS)    /* CPU time a kicked stub may use without stopping */
#define KICK_WALL_NS (2000 * MS) /* where its CPU time can't be read */
#define START_NS (10000 * MS)
#define SUBDUE_NS (50 * MS)
#define SPIN_US 20

static struct stub *volatile running; /* released and not yet stopped */
static volatile bool kick_pending;
static struct handover handover;

int stub_signal(int pidfd, int sig)
{
    return (int)sys_call(__NR_pidfd_send_signal, pidfd, sig, 0, 0);
}

static int clock_read(int clock, uint64_t *ret_ns)
{
    struct __kernel_timespec ts;

    if (sys_call(__NR_clock_gettime, clock, &ts, 0, 0))
        return -1;
    *ret_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
    return 0;
}

static uint64_t now_ns(void)
{
    uint64_t ns = 0;

    clock_read(CLOCK_MONOTONIC, &ns);
    return ns;
}

/* CPU clock of another process, as clock_getcpuclockid() builds it. */
static int cpu_clock(uint32_t pid)
{
    return (int)(~pid << 3 | 2);
}

void stub_run_init(unsigned int nr_cpus)
{
    const struct dom_shared *shared = (const struct dom_shared *)V_SHARED;

    handover_init(&handover, shared->tsc_khz / 1000, nr_cpus > 1 ? SPIN_US : 0);
}

/* ---- kick ---- */

void stubs_kick(void)
{
    struct stub *s = running;

    kick_pending = true;
    if (!s || s->kicked)
        return;
    s->kicked = true;
    s->proofs = 2;
    user_stats.kicks++;
    stub_signal(s->fd_s, STUB_SIGUSR1);
}

bool stubs_kick_pending(void)
{
    return kick_pending;
}

void stubs_kick_clear(void)
{
    kick_pending = false;
}

/* ---- waiting for the stub ---- */

static bool has_stopped(struct stub *s)
{
    return __atomic_load_n(&s->x->turn, __ATOMIC_ACQUIRE) != 0;
}

static bool spin_for_stop(struct stub *s, uint64_t start, uint32_t budget)
{
    while (!has_stopped(s)) {
        if (rt_rdtsc() - start > budget)
            return false;
        rt_pause();
    }
    return true;
}

/* How long a kick has gone unanswered. */
struct patience {
    bool started, has_cpu;
    uint64_t wall, cpu;
};

/* The stub did not stop for a while. Is it dead, or past all patience? */
static bool is_lost(struct stub *s, struct patience *p)
{
    uint64_t cpu = 0, wall;

    if (stub_signal(s->fd_s, 0))
        return true;
    /* In case it lied about being awake, or its mapper, which was to wake it, is dead. */
    if (!stub_is_chained(s) || stub_signal(s->fd_m, 0))
        sys_futex_wake(&s->q->go, 1);
    if (!s->kicked)
        return false;
    wall = now_ns();
    if (!p->started) {
        p->started = true;
        p->wall = wall;
        p->has_cpu = !clock_read(cpu_clock(s->pid_s), &p->cpu);
        return false;
    }
    if (!p->has_cpu || clock_read(cpu_clock(s->pid_s), &cpu))
        return wall - p->wall > KICK_WALL_NS;
    if (cpu - p->cpu > KICK_CPU_NS)
        return true;
    stub_signal(s->fd_s, STUB_SIGUSR1);
    return false;
}

static bool sleep_for_stop(struct stub *s)
{
    struct patience p = {0};

    __atomic_store_n(&s->q->hwait, 1, __ATOMIC_SEQ_CST);
    while (!has_stopped(s)) {
        long r = sys_futex_wait(&s->x->turn, 0, s->kicked ? KICKED_NS : WATCH_NS);

        if (r == -ETIMEDOUT && !has_stopped(s) && is_lost(s, &p))
            return false;
    }
    s->q->hwait = 0;
    return true;
}

static bool wait_for_stop(struct stub *s)
{
    uint64_t start = rt_rdtsc(), end;
    bool ok = spin_for_stop(s, start, handover_budget(&handover)) || sleep_for_stop(s);

    end = rt_rdtsc();
    handover_result(&handover, end, end - start);
    return ok;
}

/* ---- run ---- */

/* Let it go on. With operations queued M does the waking. 0, or -errno of the mapper. */
static int release(struct stub *s)
{
    bool chain = s->nops != 0, asleep = false;
    int r = 0;

    s->q->spin = handover_budget(&handover);
    s->q->reset = 0;
    s->kicked = false;
    s->proofs = 1;
    __atomic_store_n(&s->x->turn, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->q->go, 1, __ATOMIC_SEQ_CST);
    running = s;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (chain)
        r = stub_send_chained(s);
    if (!s->parked || sys_futex_wake(&s->park_word, 1) != 1)
        asleep = __atomic_load_n(&s->x->sleep, __ATOMIC_SEQ_CST) != 0;
    s->parked = false;
    /* Asleep on Q.go itself, or put back there by a SIGSTOP while parked. */
    if (asleep && (!chain || r))
        sys_futex_wake(&s->q->go, 1);
    return r;
}

enum stub_outcome stub_run(struct stub *s)
{
    bool ok = !release(s);

    if (kick_pending)
        stubs_kick();
    ok = ok && wait_for_stop(s);
    running = NULL;
    return ok ? STUB_HAS_STOPPED : STUB_HAS_DIED;
}

int stub_await_start(struct stub *s)
{
    uint64_t end = now_ns() + START_NS;

    s->q->hwait = 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    while (!has_stopped(s)) {
        sys_futex_wait(&s->x->turn, 0, WATCH_NS);
        if (!has_stopped(s) && (stub_signal(s->fd_s, 0) || now_ns() > end))
            return -1;
    }
    s->q->hwait = 0;
    return 0;
}

int stub_subdue(struct stub *s)
{
    bool parked = stub_prove_parked(s);

    s->q->spin = 0;
    __atomic_store_n(&s->q->reset, 1, __ATOMIC_SEQ_CST);
    /* Who was asleep before is out of the way: what is found next began after the kick. */
    s->proofs = parked ? 1 : 2;
    s->parked = false;
    return stub_signal(s->fd_s, STUB_SIGUSR1) ? -1 : 0;
}

int stub_subdue_finish(struct stub *s)
{
    uint64_t end = 0;

    while (!stub_prove_parked(s)) {
        if (!end)
            end = now_ns() + SUBDUE_NS;
        else if (now_ns() > end)
            return -1;
        sys_call(__NR_sched_yield, 0, 0, 0, 0);
    }
    return 0;
}
