/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * exits.c - see exits.h. A turn changes hands by a store and, if the other side said that
 * it sleeps, a futex wake.
 */
#include "engine/soft/vcpu/exits.h"

#include "base/credit.h"
#include "cpu/env.h"
#include "engine/soft/vcpu/peers.h"
#include "engine/soft/vcpu/rt.h"
#include "engine/soft/vcpu/soft.h"
#include "engine/soft/vcpu/stubs.h"
#include "engine/soft/vcpu/trap.h"

#define AWAKE_NS 50000 /* about what it takes the host to wake somebody */

static uint32_t kick_seen;
static uint64_t deadline, armed;

static struct vcpu_link *own_link(void)
{
    return &shared->vcpu[vcpu.id % RUN_MAX_VCPUS];
}

void exit_to_domain(enum exit_reason reason)
{
    run->exit_reason = reason;
    __atomic_store_n(&run->turn, TURN_D, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&run->d_waits, __ATOMIC_SEQ_CST))
        sys_futex_wake(&run->turn, 1);
    __atomic_store_n(&run->v_waits, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&run->turn, __ATOMIC_SEQ_CST) & TURN_D) {
        if (soft.kicked && !soft.away && reason == EXIT_HYPERCALL)
            peers_serve();
        sys_futex_wait(&run->turn, TURN_D, 0);
    }
    __atomic_store_n(&run->v_waits, 0, __ATOMIC_RELAXED);
    if (__atomic_load_n(&run->request, __ATOMIC_ACQUIRE))
        soft.kicked = 1;
}

void exit_to_domain_away(enum exit_reason reason)
{
    peers_leave();
    soft.away = 1;
    exit_to_domain(reason);
    soft.away = 0;
    soft.kicked = 1;
    peers_return();
}

void exit_note_kicks(void)
{
    kick_seen = __atomic_load_n(&own_link()->kick, __ATOMIC_ACQUIRE);
}

static bool is_kicked(const struct vcpu_link *l)
{
    return __atomic_load_n(&l->kick, __ATOMIC_ACQUIRE) != kick_seen;
}

/* An idle vCPU often waits for an answer of the network or a disk. It saves being woken, and lets
 * those who work at the answer take turns on another CPU, which the host else has to wake for each.
 */
static void wait_awake(const struct vcpu_link *l, uint64_t until)
{
    static struct credit credit = CREDIT_INIT;
    uint64_t now = env_now(), end = now + AWAKE_NS;
    bool in_time = false;

    if (stub_run_nr_cpus() <= shared->nr_vcpus)
        return;
    if (until && until < end)
        end = until;
    while (credit_left(&credit) && !in_time && now < end) {
        rt_pause();
        now = env_now();
        in_time = is_kicked(l) || (until && now >= until);
    }
    credit_note(&credit, in_time);
}

void exit_wait_kick(uint64_t until)
{
    struct vcpu_link *l = own_link();
    uint64_t now;

    peers_leave();
    soft.away = 1;
    __atomic_store_n(&l->sleeps, 1, __ATOMIC_SEQ_CST);
    wait_awake(l, until);
    now = env_now();
    if (!until || until > now)
        sys_futex_wait(&l->kick, kick_seen, until ? until - now : 0);
    __atomic_store_n(&l->sleeps, 0, __ATOMIC_RELAXED);
    soft.away = 0;
    peers_return();
    /* Nobody sends a signal to a sleeper: let the main loop look at its requests. */
    if (is_kicked(l))
        soft.kicked = 1;
    exit_note_kicks();
}

void exit_set_deadline(uint64_t d)
{
    deadline = d;
}

bool exit_deadline_passed(void)
{
    return deadline && env_now() >= deadline;
}

void exit_timer_fired(void)
{
    armed = 0;
}

void exit_arm_timer(void)
{
    uint64_t now;

    if (!deadline || (armed && armed <= deadline))
        return;
    now = env_now();
    trap_timer_set(deadline > now ? deadline - now : 1);
    armed = deadline;
}
