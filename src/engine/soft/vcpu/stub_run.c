/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * stub_run.c - giving a stub the CPU and getting it back (see stubs.h, and entry.S for the
 * other side).
 *
 * Release: X is filled, operations are copied to Q, X.turn = 0, Q.go changes. Stop: the stub
 * sets X.turn. A kick is sent at most one at a time, and repeated from here while the stub runs
 * code of its own and does not answer; one that goes on so is killed.
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
#define CPU_USER 1 /* which of a process's CPU clocks */
#define CPU_ALL 2
#define ETIMEDOUT 110

#define MS 1000000ul
#define WATCH_NS (50 * MS)       /* how often a waiting V looks whether the stub lives */
#define KICKED_NS (2 * MS)       /* same while a kick is unanswered */
#define KICK_USER_NS (60 * MS)   /* CPU time that a kicked stub may spend in its own code ... */
#define KICK_CPU_NS (500 * MS)   /* ... and in all without stopping, see docs */
#define KICK_AGAIN_NS (20 * MS)  /* of the first, after which a kick was taken and had no effect */
#define UNMAP_PAGE_NS 10000      /* and more, a page that it has been told to unmap ... */
#define UNMAP_MAX_NS (1000 * MS) /* ... but not for ever */
#define KICK_WALL_NS (2000 * MS) /* where its CPU time can't be read */
#define SPIN_US 20
#define ESRCH 3
#define PARK_SPIN 400 /* looks at R before V sleeps */

static struct stub *volatile running; /* released and not yet stopped */
static struct stub *awake;            /* released last; it may still spin */
static volatile bool kick_pending;
static struct handover handover;
static uint8_t all_cpus[Q_CPUS_SIZE];
static unsigned int nr_cpus; /* of them */

_Static_assert(RUN_CPUS / 8 == Q_CPUS_SIZE, "run.h");

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
static int cpu_clock(uint32_t pid, uint32_t which)
{
    return (int)(~pid << 3 | which);
}

void stub_run_init(void)
{
    const struct dom_shared *shared = (const struct dom_shared *)V_SHARED;
    uint8_t cpus[MAX_CPUS / 8];

    nr_cpus = sys_cpus(cpus, sizeof(cpus));
    memcpy(all_cpus, cpus, sizeof(all_cpus));
    handover_init(&handover, shared->tsc_khz / 1000, nr_cpus > 1 ? SPIN_US : 0);
}

void stub_run_set_cpus(const uint8_t *cpus)
{
    const struct dom_shared *shared = (const struct dom_shared *)V_SHARED;

    nr_cpus = 0;
    memcpy(all_cpus, cpus, sizeof(all_cpus));
    for (unsigned int cpu = 0; cpu < 8 * sizeof(all_cpus); cpu++)
        nr_cpus += all_cpus[cpu / 8] >> (cpu % 8) & 1;
    handover_init(&handover, shared->tsc_khz / 1000, nr_cpus > 1 ? SPIN_US : 0);
    for (unsigned int i = 0; i < STUB_MAX; i++)
        stubs[i].beside = STUB_MISPLACED;
}

unsigned int stub_run_nr_cpus(void)
{
    return nr_cpus;
}

/* ---- kick ---- */

bool stubs_kick(void)
{
    struct stub *s = running;

    kick_pending = true;
    if (!s || s->kicked)
        return s;
    s->kicked = true;
    user_stats.kicks++;
    stub_signal(s->fd, STUB_SIGUSR1);
    return true;
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

static bool is_proven(const struct stub *s)
{
    return __atomic_load_n(s->r, __ATOMIC_ACQUIRE) == s->q->go;
}

static void wake(struct stub *s)
{
    sys_futex_wake((uint32_t *)&s->q->go, 1);
}

/* It waits without having said that it stopped: either its program jumped to the gate, or it
 * was on the way there when it was released (see entry.S, `stopped`) and has to be released
 * again. */
static bool waits_by_mistake(struct stub *s)
{
    if (s->x->go == s->q->go)
        return false;
    __atomic_fetch_add(&s->q->go, 1, __ATOMIC_SEQ_CST);
    wake(s);
    return true;
}

static bool has_stopped(struct stub *s)
{
    if (__atomic_load_n(&s->x->turn, __ATOMIC_ACQUIRE))
        return true;
    return is_proven(s) && !waits_by_mistake(s);
}

/* It was just released; `woken`: it slept. */
static bool spin_for_stop(struct stub *s, bool woken)
{
    uint32_t limit = woken ? handover_wake(&handover) : handover_notice(&handover);
    uint64_t start = rt_rdtsc();
    bool seen = false;

    while (!has_stopped(s)) {
        uint64_t now = rt_rdtsc();

        if (!seen && __atomic_load_n(&s->x->ack, __ATOMIC_RELAXED) == s->q->go) {
            seen = true;
            start = now;
            limit = handover_budget(&handover);
        }
        if (now - start > limit)
            break;
        rt_pause();
    }
    if (woken && handover_budget(&handover))
        handover_woken(&handover, seen || has_stopped(s));
    return has_stopped(s);
}

/* How long a kick has gone unanswered. */
struct patience {
    bool started, has_cpu;
    uint64_t wall, user, cpu;
    uint64_t again; /* time in its own code since the first kick after which there is another */
};

static bool cpu_read(const struct stub *s, uint64_t *ret_user, uint64_t *ret_cpu)
{
    return !clock_read(cpu_clock(s->pid, CPU_USER), ret_user) &&
           !clock_read(cpu_clock(s->pid, CPU_ALL), ret_cpu);
}

/* A stub is lost that has used so much CPU time since its kick; none: it was dead. The log hears
 * of it more and more rarely: a hostile guest must not fill it. */
static bool give_up(const struct stub *s, uint64_t user, uint64_t cpu)
{
    uint64_t n = ++user_stats.lost;

    if (n & (n - 1))
        return true;
    if (cpu)
        env_log("stub %u of a guest program does not stop: killed after %lu ms of CPU time, %lu in "
                "its own code (stubs lost: %lu)",
                s->pid, cpu / MS, user / MS, n);
    else
        env_log("stub %u of a guest program has died (stubs lost: %lu)", s->pid, n);
    return true;
}

/* One that ran no code of its own since the last kick has it still before it: it may be about to
 * execute its handler's first instruction. On a busy host it loses the CPU there, or while the
 * host's kernel makes pages for the signal's frame; another kick puts one more frame on it, until
 * the signal stack is full and the host kills the stub. */
static void kick_again(struct stub *s, struct patience *p, uint64_t user)
{
    if (user < p->again)
        return;
    p->again = user + KICK_AGAIN_NS;
    user_stats.kicks++;
    stub_signal(s->fd, STUB_SIGUSR1);
}

/* The stub did not stop for a while. Is it dead, or past all patience? */
static bool is_lost(struct stub *s, struct patience *p)
{
    uint64_t user = 0, cpu = 0, wall;

    if (stub_signal(s->fd, 0))
        return give_up(s, 0, 0);
    wake(s); /* in case it lied about being awake */
    if (!s->kicked)
        return false;
    wall = now_ns();
    if (!p->started) {
        p->started = true;
        p->wall = wall;
        p->has_cpu = cpu_read(s, &p->user, &p->cpu);
        p->again = KICK_AGAIN_NS;
        return false;
    }
    if (!p->has_cpu || !cpu_read(s, &user, &cpu))
        return wall - p->wall > KICK_WALL_NS && give_up(s, 0, wall - p->wall);
    user -= p->user;
    cpu -= p->cpu;
    if (user > KICK_USER_NS || cpu > KICK_CPU_NS + s->unmap_ns)
        return give_up(s, user, cpu);
    kick_again(s, p, user);
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

static bool wait_for_stop(struct stub *s, bool woken)
{
    static uint64_t last; /* end of the round before: V, too, may lose its CPU for spinning */
    bool ok = spin_for_stop(s, woken) || sleep_for_stop(s);
    uint64_t end = rt_rdtsc();

    s->q->seen = s->q->go;
    handover_result(&handover, end, end - last);
    last = end;
    return ok;
}

/* ---- run ---- */

/* Returns whether it had to be woken. */
static bool release(struct stub *s, uint32_t nops, uint32_t stay)
{
    struct stub_q *q = s->q;

    q->nops = nops;
    q->stay = stay;
    s->kicked = false;
    s->x->kick = 0;
    __atomic_store_n(&s->x->turn, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&q->go, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&s->x->sleep, __ATOMIC_SEQ_CST))
        return false;
    wake(s);
    return true;
}

static bool tsc_is_wrong(const struct stub *s)
{
    return (s->q->tsc == STUB_TSC_TRAP) != s->tsc_traps;
}

/* The host's kernel may copy a proof byte by byte, and the number changes while a program makes
 * one: half of either is a run that is still to come. So the stub is parked when more than a byte
 * changes. */
static bool go_carries(const struct stub *s)
{
    return (uint8_t)s->q->go == 0xff;
}

/* Copy the queue to Q. The stub is parked, but may look at the time still, before it sleeps.
 * Returns the number of operations. */
static uint32_t ops_give(struct stub *s)
{
    uint32_t n = s->nops, first = tsc_is_wrong(s);

    s->unmap_ns = 0;
    for (uint32_t i = 0; i < n; i++)
        if (s->ops[i].op == STUB_OP_UNMAP && s->unmap_ns < UNMAP_MAX_NS)
            s->unmap_ns += s->ops[i].len / PAGE_SIZE < UNMAP_MAX_NS / UNMAP_PAGE_NS
                               ? s->ops[i].len / PAGE_SIZE * UNMAP_PAGE_NS
                               : UNMAP_MAX_NS;
    s->q->blind |= s->tsc_traps;
    s->q->tsc = s->tsc_traps ? STUB_TSC_TRAP : STUB_TSC_READ;
    s->q->ops[0] = (struct stub_op){.op = STUB_OP_TSC}; /* unless another is the first */
    memcpy(s->q->ops + first, s->ops, n * sizeof(s->ops[0]));
    s->nops = s->maps = 0;
    user_stats.batches++;
    user_stats.ops += n;
    return n + first;
}

/* The host likes to wake a process where its waker runs: right if that goes to sleep, wrong if
 * it is going to spin there. */
static void choose_cpus(struct stub *s)
{
    bool spin = handover_budget(&handover) != 0;
    uint32_t cpu = 0, beside = 0;

    if (spin && !sys_call(__NR_getcpu, &cpu, 0, 0, 0) && cpu < 8 * Q_CPUS_SIZE)
        beside = cpu + 1;
    if (s->beside == beside)
        return;
    memcpy(s->q->cpus, all_cpus, sizeof(all_cpus));
    if (beside)
        s->q->cpus[cpu / 8] &= (uint8_t) ~(1u << cpu % 8);
    s->beside = (uint16_t)beside;
    stub_place(s);
}

/* One stub takes over from another. Where that spins is where this one is to run: it is told to
 * stop only now, so that its CPU goes from one to the other and is not idle in between, from which
 * the host takes long to wake it. */
static void take_over(struct stub *s)
{
    if (awake && awake != s)
        awake->q->spin = 0;
    awake = s;
}

void stub_run_rest(void)
{
    if (awake)
        awake->q->spin = 0;
    awake = NULL;
}

void stub_run_forget(const struct stub *s)
{
    if (awake == s)
        awake = NULL;
}

enum stub_outcome stub_run(struct stub *s)
{
    bool ok, woken;
    uint32_t n = 0;

    if ((handover.budget && s->x->sleep) || s->beside == STUB_MISPLACED)
        choose_cpus(s);
    if (s->q->blind && s->q->tsc != STUB_TSC_TRAP)
        s->q->blind = 0;
    if (s->nops || tsc_is_wrong(s) || go_carries(s)) {
        if (stub_park(s))
            return STUB_DIED_BEFORE;
        n = ops_give(s);
    }
    s->q->spin = handover_budget(&handover);
    s->q->notice = handover_notice(&handover);
    s->q->wake = handover_wake(&handover);
    woken = release(s, n, 0);
    take_over(s);
    running = s;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (kick_pending)
        (void)stubs_kick();
    ok = wait_for_stop(s, woken);
    running = NULL;
    if (ok)
        return STUB_HAS_STOPPED;
    /* A program that forges this begins again where it was, to its own loss. */
    return s->x->ack == s->q->go ? STUB_HAS_DIED : STUB_DIED_BEFORE;
}

void stub_sync_begin(struct stub *s, bool reset)
{
    uint32_t n = ops_give(s);

    s->q->spin = 0;
    s->x->why = 0;
    release(s, n, reset ? STUB_STAY_RESET : STUB_STAY_KEEP);
}

bool stub_is_parked(struct stub *s)
{
    if (is_proven(s))
        return true;
    __atomic_store_n(&s->q->ask, s->q->go, __ATOMIC_SEQ_CST);
    return false;
}

/* Its program goes on in spite of having stopped, or it gets no CPU. Signals of our own may end
 * each sleep, so look at the clock. */
static int park_slowly(struct stub *s)
{
    uint64_t next = now_ns() + KICKED_NS;
    uint32_t *word = (uint32_t *)(uintptr_t)s->r;
    struct patience p = {0};
    int r = 0;

    __atomic_store_n(&s->q->rwait, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        uint32_t was = *word;

        if (is_proven(s))
            break;
        sys_futex_wait(word, was, KICKED_NS);
        if (now_ns() < next)
            continue;
        next = now_ns() + KICKED_NS;
        if (!is_proven(s) && is_lost(s, &p)) {
            r = -ESRCH;
            break;
        }
        if (!s->kicked) {
            s->kicked = true;
            stub_signal(s->fd, STUB_SIGUSR1);
        }
    }
    s->q->rwait = 0;
    return r;
}

int stub_park(struct stub *s)
{
    if (stub_is_parked(s))
        return 0;
    for (int i = 0; handover.budget && i < PARK_SPIN; i++) {
        if (is_proven(s))
            return 0;
        rt_pause();
    }
    return park_slowly(s);
}
