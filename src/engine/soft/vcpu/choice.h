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

struct choice {
    uint8_t way;     /* enum way: what is better */
    bool probing;    /* the other one is being tried */
    uint32_t left;   /* stops until this spell ends */
    uint32_t spell;  /* stops that a spell of the better way has */
    uint32_t failed; /* runs in V, the last ones, that ended in a stub */
    uint32_t count;
    uint64_t sum;  /* of the last `count` stops of this spell */
    uint64_t mean; /* of the last ones before the last probe, 0 = unknown */
};

#define CHOICE_PROBE 24 /* stops of a probe */
#define CHOICE_SETTLE 8 /* of these, the first ones only translate */
#define CHOICE_SPELL 64 /* the first spell, doubled while the choice is right */
#define CHOICE_LONGEST 8192
#define CHOICE_WINDOW 32  /* stops that a mean is taken of */
#define CHOICE_WORSE 3    /* so many times the mean of before: look again */
#define CHOICE_FAILURES 4 /* so many runs in a row that end in a stub are enough */
#define CHOICE_CAP_US 100 /* a longer one is a computation, or the host's doing */

/* The way that the program's maker found better is where to begin. */
static inline void choice_init(struct choice *c, enum way way)
{
    *c = (struct choice){.way = (uint8_t)way, .left = CHOICE_SPELL, .spell = CHOICE_SPELL};
}

static inline enum way choice_now(const struct choice *c)
{
    return c->way != c->probing ? WAY_LOCAL : WAY_STUB;
}

static inline void choice_begin(struct choice *c, bool probing, uint32_t stops)
{
    c->probing = probing;
    c->left = stops;
    c->count = c->failed = 0;
    c->sum = 0;
}

static inline void choice_probe_end(struct choice *c, uint64_t mean)
{
    if (mean + mean / 8 < c->mean) {
        c->way = !c->way;
        c->mean = mean;
        c->spell = CHOICE_SPELL;
    } else if (c->spell < CHOICE_LONGEST) {
        c->spell *= 2;
    }
    choice_begin(c, false, c->spell);
}

static inline void choice_probe_begin(struct choice *c, uint64_t mean)
{
    c->mean = mean;
    choice_begin(c, true, CHOICE_PROBE);
}

static inline void choice_probed(struct choice *c, uint64_t ticks)
{
    if (c->left < CHOICE_PROBE - CHOICE_SETTLE) {
        c->sum += ticks;
        c->count++;
    }
    if (c->failed >= CHOICE_FAILURES)
        choice_probe_end(c, ~0ull / 2);
    else if (!c->left)
        choice_probe_end(c, c->sum / c->count);
}

/* The program stopped so many ticks after it was let run. `failed`: it was to run in V and had to
 * be given to the stub on the way. */
static inline void choice_result(struct choice *c, uint64_t ticks, uint64_t cap, bool failed)
{
    uint64_t mean;

    ticks = ticks < cap ? ticks : cap;
    c->failed = failed ? c->failed + 1 : 0;
    c->left -= c->left != 0;
    if (c->probing) {
        choice_probed(c, ticks);
        return;
    }
    c->sum += ticks;
    c->count++;
    mean = c->sum / c->count;
    if (c->failed >= CHOICE_FAILURES) { /* it computes: no need to compare */
        c->way = WAY_STUB;
        c->mean = 0;
        choice_begin(c, false, c->spell);
    } else if (!c->left ||
               (c->count == CHOICE_WINDOW && c->mean && mean > CHOICE_WORSE * c->mean)) {
        choice_probe_begin(c, mean);
    } else if (c->count == CHOICE_WINDOW) {
        c->sum = c->count = 0;
    }
}
