/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * choice.h - whether a program runs in a stub or in V, translated (local.h): whatever has taken
 * less time from one stop to the next. Which that is depends on what the program does between two
 * stops, and on what else wants the host's CPUs. So measure: now and then the other way is tried
 * for some stops. Times in TSC ticks.
 */
#pragma once

#include "base/types.h"

enum way { WAY_STUB, WAY_LOCAL };

#define CHOICE_WINDOW 16 /* stops that a median is taken of */

struct choice {
    uint8_t way;      /* enum way: what is better */
    bool probing;     /* the other one is being tried */
    uint32_t left;    /* stops until this probe ends */
    uint32_t count;   /* samples in the window */
    uint32_t failed;  /* runs in V meanwhile that ended in a stub: it computes */
    uint32_t cold;    /* the same, because they met code that is new */
    uint32_t typical; /* median before the last probe, 0 = unknown */
    uint32_t ms;      /* ticks of a millisecond */
    uint64_t spell;   /* ticks for which the better way is not questioned ... */
    uint64_t until;   /* ... now */
    uint64_t cost;    /* ticks that this probe has taken */
    uint32_t sample[CHOICE_WINDOW];
};

#define CHOICE_SETTLE 8                              /* first stops of a probe: they translate */
#define CHOICE_PROBE (CHOICE_SETTLE + CHOICE_WINDOW) /* stops of a probe */
#define CHOICE_LONGEST_MS 64
#define CHOICE_COMPUTE_MS 8 /* at most until what computed is asked whether it still does */
#define CHOICE_SHARE 50     /* a probe may take so little of all time */
#define CHOICE_WORSE 3      /* so many times the median of before: look again */
#define CHOICE_FEW 4        /* samples that tell when it is worse */
#define CHOICE_COLD 48      /* runs of a probe that may meet code that is new */
#define CHOICE_FAILURES 4   /* so many runs of a window that end in a stub are too many */

/* What the program's maker found better is where to begin, and is not questioned before the
 * maker's own choice is: programs that end soon ask nothing. */
static inline void choice_init(struct choice *c, const struct choice *maker, uint32_t ticks_per_ms)
{
    *c = (struct choice){
        .way = maker->way, .ms = ticks_per_ms, .spell = maker->spell, .until = maker->until};
}

static inline enum way choice_now(const struct choice *c)
{
    return c->way != c->probing ? WAY_LOCAL : WAY_STUB;
}

static inline void choice_begin(struct choice *c, bool probing, uint64_t now)
{
    c->probing = probing;
    c->left = CHOICE_PROBE;
    c->until = now + c->spell;
    c->count = c->failed = c->cold = 0;
    c->cost = 0;
}

/* A spell within these limits, in milliseconds. */
static inline uint64_t choice_between(const struct choice *c, uint32_t least, uint64_t spell,
                                      uint32_t most)
{
    uint64_t min = (uint64_t)c->ms * least, max = (uint64_t)c->ms * most;

    return spell < min ? min : spell < max ? spell : max;
}

/* Of the window. What the host's doing adds to single stops does not show in it. */
static inline uint32_t choice_median(struct choice *c)
{
    for (uint32_t i = 1; i < c->count; i++) {
        uint32_t value = c->sample[i], k = i;

        for (; k && c->sample[k - 1] > value; k--)
            c->sample[k] = c->sample[k - 1];
        c->sample[k] = value;
    }
    return c->count ? c->sample[c->count / 2] : 0;
}

static inline void choice_probe_end(struct choice *c, bool better, uint32_t typical, uint64_t now)
{
    uint64_t least = c->cost * CHOICE_SHARE;

    if (better) {
        c->way = !c->way;
        c->typical = typical;
        c->spell = 0;
    } else {
        c->spell = 2 * c->spell > least ? 2 * c->spell : least;
        c->spell = choice_between(c, 0, c->spell, CHOICE_LONGEST_MS);
    }
    choice_begin(c, false, now);
}

static inline void choice_probed(struct choice *c, uint64_t now)
{
    uint32_t median;

    if (c->failed >= CHOICE_FAILURES || c->cold >= CHOICE_COLD ||
        (c->count == CHOICE_FEW && choice_median(c) / CHOICE_WORSE > c->typical)) {
        choice_probe_end(c, false, 0, now);
    } else if (!c->left) {
        median = choice_median(c);
        choice_probe_end(c, median + median / 8 < c->typical, median, now);
    }
}

/* A window is full, outside probes. */
static inline void choice_window(struct choice *c, uint64_t now)
{
    uint32_t median = choice_median(c);

    if (now >= c->until || (c->typical && median / CHOICE_WORSE > c->typical)) {
        c->typical = median;
        choice_begin(c, true, now);
    } else {
        c->count = c->failed = c->cold = 0;
    }
}

enum choice_end { CHOICE_STOPPED, CHOICE_COMPUTES, CHOICE_IS_COLD };

static inline void choice_sample(struct choice *c, uint64_t ticks)
{
    c->sample[c->count++] = ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

/* The program stopped now, so many ticks after it was let run; `end` says why it had to be given
 * to the stub on the way, if it was to run in V. */
static inline void choice_result(struct choice *c, uint64_t now, uint64_t ticks,
                                 enum choice_end end)
{
    c->failed += end == CHOICE_COMPUTES;
    c->cold += end == CHOICE_IS_COLD;
    if (c->probing) {
        c->cost += ticks;
        if (end != CHOICE_IS_COLD && --c->left < CHOICE_WINDOW) /* cold: says nothing of later */
            choice_sample(c, ticks);
        choice_probed(c, now);
        return;
    }
    choice_sample(c, ticks);
    if (c->failed + c->cold >= CHOICE_FAILURES) { /* no need to compare */
        c->way = WAY_STUB;
        c->typical = 0;
        c->spell = choice_between(c, 1, c->spell, CHOICE_COMPUTE_MS);
        choice_begin(c, false, now);
    } else if (c->count == CHOICE_WINDOW) {
        choice_window(c, now);
    }
}
