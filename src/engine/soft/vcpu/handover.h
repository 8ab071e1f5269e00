/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * handover.h - whether V and a stub spin for a while before they sleep when they wait for each
 * other. One decision for both: one that spins while the other sleeps gains nothing.
 *
 * Spinning is ten times faster on a quiet host, and many times slower where other programs want
 * the CPUs: a spinner uses up the time for which its peer would have been let run. Neither the
 * number of CPUs nor the rate of failed spins tells which; so measure. Now and then some rounds
 * are played the other way, and the way with the shorter waits wins. Times in TSC ticks.
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
};

#define HANDOVER_PROBE 18  /* rounds */
#define HANDOVER_SETTLE 2  /* of them the first do not count: the peer was told too late */
#define HANDOVER_WEIGHT 64 /* rounds that the running mean looks back */
#define HANDOVER_CAP_MS 4  /* longer waits are computations, or as bad as it gets */
#define HANDOVER_FIRST_MS 5
#define HANDOVER_LAST_MS 100

static inline void handover_init(struct handover *h, uint32_t ticks_per_us, uint32_t spin_us)
{
    *h = (struct handover){.budget = ticks_per_us * spin_us,
                           .ms = ticks_per_us * 1000,
                           .spin = spin_us != 0,
                           .interval = (uint64_t)ticks_per_us * 1000 * HANDOVER_FIRST_MS};
    h->mean[0] = (uint64_t)ticks_per_us * 10;
    h->mean[1] = ticks_per_us;
}

/* Ticks to spin in the coming wait, 0 = sleep at once. */
static inline uint32_t handover_budget(const struct handover *h)
{
    return h->spin != (h->probing != 0) ? h->budget : 0;
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
