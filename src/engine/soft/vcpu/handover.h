/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * handover.h - whether V and a stub spin for a while before they sleep when they wait for each
 * other. One decision for both: one that spins while the other sleeps gains nothing.
 *
 * Spinning is ten times faster on a quiet host, and many times slower where other programs want
 * the CPUs: a spinner uses up the time for which its peer would have been let run. Neither the
 * number of CPUs nor the rate of failed spins tells which; so measure: now and then the other way
 * is played for a while, and the way with the shorter rounds wins. On a busy host a spinner does
 * well for some milliseconds and then loses its CPU for some, so only means over several such
 * spells say anything.
 *
 * Where they spin, each tells the other at once that it has seen a request. As long as that has
 * not come, spin for a moment only: the other one does not run. Who had to be woken takes longer:
 * some microseconds, or a hundred where its CPU was idle; whether waiting awake for that pays is
 * known from the last times. Times in TSC ticks.
 */
#pragma once

#include "base/credit.h"
#include "base/types.h"

struct handover {
    uint32_t budget;        /* how long to spin; 0 = only one CPU, never */
    uint32_t ms;            /* ticks of a millisecond */
    bool spin;              /* the way that is better now */
    bool probing;           /* the other one is being played */
    uint64_t sum, count;    /* of the rounds since this spell began */
    uint64_t mean;          /* round in the last spell of the better way */
    uint64_t end, interval; /* of this spell; length of one of the better way */
    uint32_t settle;        /* rounds that do not count */
    struct credit wake;     /* waiting awake for who was woken */
};

#define HANDOVER_PROBE_MS 10
#define HANDOVER_FIRST_MS 30
#define HANDOVER_LAST_MS 400
#define HANDOVER_SETTLE 8  /* rounds of a probe until both sides and the host know */
#define HANDOVER_ROUNDS 16 /* that a spell has at least */
#define HANDOVER_CLEAR 64  /* rounds after which a probe of sleeping may be broken off */
#define HANDOVER_CAP_MS 4  /* longer waits are computations, or as bad as it gets */
#define HANDOVER_NOTICE 10 /* a running peer sees a request in this part of the budget */
#define HANDOVER_WAKE 5    /* a sleeping one in so many budgets */

static inline void handover_init(struct handover *h, uint32_t ticks_per_us, uint32_t spin_us)
{
    *h = (struct handover){.budget = ticks_per_us * spin_us,
                           .ms = ticks_per_us * 1000,
                           .spin = spin_us != 0,
                           .interval = (uint64_t)ticks_per_us * 1000 * HANDOVER_FIRST_MS,
                           .wake = CREDIT_INIT};
}

/* Ticks to spin in the coming wait, once the peer has seen the request; 0 = sleep at once. */
static inline uint32_t handover_budget(const struct handover *h)
{
    return h->spin != h->probing ? h->budget : 0;
}

/* Ticks to spin until a running peer has seen it. */
static inline uint32_t handover_notice(const struct handover *h)
{
    return handover_budget(h) / HANDOVER_NOTICE;
}

/* The same for one that slept. */
static inline uint32_t handover_wake(const struct handover *h)
{
    return credit_left(&h->wake) ? handover_budget(h) * HANDOVER_WAKE : 0;
}

/* A peer was woken, and seen to begin within handover_wake() or not. */
static inline void handover_woken(struct handover *h, bool in_time)
{
    credit_note(&h->wake, in_time);
}

static inline void handover_spell(struct handover *h, uint64_t now, uint64_t length)
{
    h->sum = h->count = 0;
    h->end = now + length;
}

static inline void handover_probe_end(struct handover *h, uint64_t now, uint64_t mean)
{
    uint64_t longest = (uint64_t)h->ms * HANDOVER_LAST_MS;

    h->probing = false;
    if (mean + mean / 4 < h->mean) {
        h->spin = !h->spin;
        h->interval = (uint64_t)h->ms * HANDOVER_FIRST_MS;
    } else {
        h->interval = h->interval * 2 < longest ? h->interval * 2 : longest;
    }
    handover_spell(h, now, h->interval);
}

/* Has the better way become much worse than it was? Not over a single stall. */
static inline bool handover_has_changed(const struct handover *h, uint64_t now)
{
    uint64_t left = h->end - now, spell = (uint64_t)h->ms * HANDOVER_PROBE_MS;

    return !h->probing && h->mean && h->count >= HANDOVER_CLEAR && now < h->end &&
           left + spell < h->interval && h->sum > 4 * h->mean * h->count;
}

/* A round has ended, so many ticks after the one before: V's work, which suffers as well where V
 * spins its time away, and the wait. */
static inline void handover_result(struct handover *h, uint64_t now, uint64_t ticks)
{
    uint64_t cap = (uint64_t)h->ms * HANDOVER_CAP_MS;

    if (!h->budget)
        return;
    if (!h->end)
        handover_spell(h, now, h->interval);
    if (h->settle) {
        h->settle--;
        return;
    }
    h->sum += ticks < cap ? ticks : cap;
    h->count++;
    if (h->probing && h->spin && h->count >= HANDOVER_CLEAR && h->sum > 2 * h->mean * h->count) {
        handover_probe_end(h, now, h->sum / h->count);
    } else if ((now >= h->end && h->count >= HANDOVER_ROUNDS) || handover_has_changed(h, now)) {
        uint64_t mean = h->sum / h->count;

        if (h->probing) {
            handover_probe_end(h, now, mean);
        } else {
            h->mean = mean;
            h->probing = true;
            h->settle = HANDOVER_SETTLE;
            handover_spell(h, now, (uint64_t)h->ms * HANDOVER_PROBE_MS);
        }
    }
}
