/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * handover.h - whether to spin before sleeping when waiting for another process.
 *
 * A spin of a few microseconds is far cheaper than a sleep and a wake-up, if the peer runs on
 * another CPU and answers soon. If it does not (one CPU, a busy host, long computations) the
 * spin only takes CPU time from it. So: count how spins end, stop when most fail, and try one
 * now and then.
 */
#pragma once

#include "base/types.h"

struct handover {
    uint32_t score;  /* 0..HANDOVER_ONE: share of spins that were worth it */
    uint32_t tries;  /* waits without a spin since the last one with */
    uint32_t budget; /* TSC ticks; 0 = never spin */
};

#define HANDOVER_ONE 1024u
#define HANDOVER_LOW 300u  /* below: do not spin */
#define HANDOVER_PROBE 32u /* but try once in so many waits */

static inline void handover_init(struct handover *h, uint32_t budget)
{
    h->score = HANDOVER_ONE;
    h->tries = 0;
    h->budget = budget;
}

/* TSC ticks to spin in the coming wait, 0 = sleep at once. */
static inline uint32_t handover_budget(struct handover *h)
{
    if (h->score >= HANDOVER_LOW)
        return h->budget;
    if (++h->tries < HANDOVER_PROBE)
        return 0;
    h->tries = 0;
    return h->budget;
}

/* How a wait that began with a spin ended. */
static inline void handover_result(struct handover *h, bool hit)
{
    h->score = h->score - h->score / 8 + (hit ? HANDOVER_ONE / 8 : 0);
}
