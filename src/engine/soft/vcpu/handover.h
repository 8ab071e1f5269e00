/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * handover.h - whether V and a stub spin for a while before they sleep when they wait for each
 * other. One decision for both: one that spins while the other sleeps gains nothing.
 *
 * Spinning is ten times faster on a quiet host, and many times slower where other programs want
 * the CPUs: a spinner uses up the time for which its peer would have been let run. Neither the
 * number of CPUs nor the rate of failed spins tells which; so measure. Now and then some rounds
 * are played the other way, and the way with the shorter waits wins.
 *
 * Where they spin, each tells the other at once that it has seen a request. As long as that has
 * not come, spin for a moment only: the other one does not run. Who had to be woken takes longer:
 * some microseconds, or a hundred where its CPU was idle; whether waiting awake for that pays is
 * known from the last times. Times in TSC ticks.
 */
#pragma once

#include "base/types.h"

struct handover {
    uint32_t budget;         /* how long to spin; 0 = only one CPU, never */
    uint32_t ms;             /* ticks of a millisecond */
    bool spin;               /* the way that is better now */
    uint32_t probing;        /* rounds left of the other way, 0 = none */
    uint64_t probed;         /* sum of the waits of this probe */
    uint64_t mean[2];        /* recent wait, sleeping and spinning */
    uint64_t next, interval; /* of probes */
    int credit;              /* > 0: who was woken came in time, lately */
    uint32_t idle;           /* wake-ups since that was last tried */
};

#define HANDOVER_PROBE 18  /* rounds */
#define HANDOVER_SETTLE 2  /* of them the first do not count: the peer was told too late */
#define HANDOVER_WEIGHT 64 /* rounds that the running mean looks back */
#define HANDOVER_CAP_MS 4  /* longer waits are computations, or as bad as it gets */
#define HANDOVER_FIRST_MS 5
#define HANDOVER_LAST_MS 100
#define HANDOVER_NOTICE 10 /* a running peer sees a request in this part of the budget */
#define HANDOVER_WAKE 5    /* a sleeping one in so many budgets */
#define HANDOVER_CREDIT 4
#define HANDOVER_RETRY 16 /* wake-ups without waiting awake before it is tried again */

static inline void handover_init(struct handover *h, uint32_t ticks_per_us, uint32_t spin_us)
{
    *h = (struct handover){.budget = ticks_per_us * spin_us,
                           .ms = ticks_per_us * 1000,
                           .spin = spin_us != 0,
                           .interval = (uint64_t)ticks_per_us * 1000 * HANDOVER_FIRST_MS,
                           .credit = HANDOVER_CREDIT};
    h->mean[0] = (uint64_t)ticks_per_us * 10;
    h->mean[1] = ticks_per_us;
}

/* Ticks to spin in the coming wait, once the peer has seen the request; 0 = sleep at once. */
static inline uint32_t handover_budget(const struct handover *h)
{
    return h->spin != (h->probing != 0) ? h->budget : 0;
}

/* Ticks to spin until a running peer has seen it. */
static inline uint32_t handover_notice(const struct handover *h)
{
    return handover_budget(h) / HANDOVER_NOTICE;
}

/* The same for one that slept. */
static inline uint32_t handover_wake(const struct handover *h)
{
    return h->credit > 0 ? handover_budget(h) * HANDOVER_WAKE : 0;
}

/* A peer was woken, and seen to begin within handover_wake() or not. */
static inline void handover_woken(struct handover *h, bool in_time)
{
    if (in_time)
        h->credit += h->credit < HANDOVER_CREDIT;
    else if (h->credit > 0)
        h->credit -= 2;
    else if (++h->idle % HANDOVER_RETRY == 0)
        h->credit = 1;
}

static inline void handover_probe_end(struct handover *h, uint64_t now)
{
    uint64_t other = h->probed / (HANDOVER_PROBE - HANDOVER_SETTLE);
    uint64_t longest = (uint64_t)h->ms * HANDOVER_LAST_MS;

    h->mean[!h->spin] = other;
    if (other + other / 4 < h->mean[h->spin]) {
        h->spin = !h->spin;
        h->interval = (uint64_t)h->ms * HANDOVER_FIRST_MS;
    } else {
        h->interval = h->interval * 2 < longest ? h->interval * 2 : longest;
    }
    h->next = now + h->interval;
}

/* A wait of so many ticks has ended. */
static inline void handover_result(struct handover *h, uint64_t now, uint64_t ticks)
{
    uint64_t cap = (uint64_t)h->ms * HANDOVER_CAP_MS, *mean = &h->mean[h->spin];

    if (!h->budget)
        return;
    if (ticks > cap)
        ticks = cap;
    if (h->probing) {
        if (h->probing <= HANDOVER_PROBE - HANDOVER_SETTLE)
            h->probed += ticks;
        if (!--h->probing)
            handover_probe_end(h, now);
        return;
    }
    *mean = *mean - *mean / HANDOVER_WEIGHT + ticks / HANDOVER_WEIGHT;
    /* Spinning that has become worse than sleeping was is not waited out. */
    if (now >= h->next || (h->spin && *mean > 4 * h->mean[0])) {
        h->probing = HANDOVER_PROBE;
        h->probed = 0;
    }
}
