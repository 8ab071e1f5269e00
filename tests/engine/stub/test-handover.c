/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-handover.c - the choice between spinning and sleeping (handover.h), played against hosts
 * made of numbers: how long a wait takes either way.
 */
#include "engine/soft/vcpu/handover.h"

#include <stdarg.h>
#include <stdio.h>

#define TICKS_PER_US 2500u
#define SPIN_US 20u

struct host {
    const char *name;
    uint32_t spin_us_x10, sleep_us_x10; /* usual wait, tenths of a microsecond */
    uint32_t stall_every, stall_us;     /* a spinner now and then loses its CPU for so long */
    uint32_t compute_us;                /* added to each wait: the program computes */
};

static int tests, failures;
static uint64_t now;
static uint32_t seed = 1;

static void PRINTF_FMT(2, 3) ok(bool cond, const char *fmt, ...)
{
    va_list ap;

    printf("%s %d - ", cond ? "ok" : "not ok", ++tests);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    failures += !cond;
}

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* Play for so many milliseconds; returns the share of rounds that spun, in percent. */
static unsigned int play(struct handover *h, const struct host *host, unsigned int ms)
{
    uint64_t end = now + (uint64_t)ms * 1000 * TICKS_PER_US, rounds = 0, spun = 0;

    while (now < end) {
        bool spin = handover_budget(h);
        uint64_t wait = (spin ? host->spin_us_x10 : host->sleep_us_x10) * TICKS_PER_US / 10;

        wait += (uint64_t)host->compute_us * TICKS_PER_US + rnd(TICKS_PER_US / 4);
        if (spin && host->stall_every && !rnd(host->stall_every))
            wait += (uint64_t)host->stall_us * TICKS_PER_US;
        now += wait;
        handover_result(h, now, wait);
        rounds++;
        spun += spin;
    }
    return (unsigned int)(spun * 100 / rounds);
}

/* Wake a sleeper n times; it is there in time or not. Returns how often was waited awake. */
static unsigned int wake(struct handover *h, unsigned int n, bool in_time)
{
    unsigned int spun = 0;

    for (unsigned int i = 0; i < n; i++) {
        bool awake = handover_wake(h) != 0;

        spun += awake;
        handover_woken(h, awake && in_time);
    }
    return spun;
}

int main(void)
{
    unsigned int n;
    static const struct host quiet = {"quiet", 3, 80, 0, 0, 0};
    static const struct host busy = {"busy", 10, 90, 50, 3000, 0};
    static const struct host one_cpu = {"shared CPU", 250, 50, 0, 0, 0};
    static const struct host computing = {"computing", 3, 80, 0, 0, 2000};
    struct handover h;
    unsigned int share;

    handover_init(&h, TICKS_PER_US, SPIN_US);
    share = play(&h, &quiet, 500);
    ok(share > 90, "a quiet host: spins (%u %%)", share);
    share = play(&h, &busy, 2000);
    ok(share < 30, "other programs want the CPUs: sleeps (%u %%)", share);
    share = play(&h, &quiet, 1000);
    ok(share > 60, "they are gone: spins again (%u %%)", share);
    share = play(&h, &one_cpu, 1000);
    ok(share < 30, "both on one CPU: sleeps (%u %%)", share);
    share = play(&h, &quiet, 1000);
    ok(share > 60, "and spins when they are apart again (%u %%)", share);
    play(&h, &computing, 3000);
    share = play(&h, &quiet, 1000);
    ok(share > 60, "a computing program does not spoil it (%u %%)", share);
    handover_init(&h, TICKS_PER_US, 0);
    share = play(&h, &quiet, 100);
    ok(share == 0, "one CPU: never spins");
    handover_init(&h, TICKS_PER_US, SPIN_US);
    ok(wake(&h, 1000, true) == 1000, "woken in time: always waited for awake");
    n = wake(&h, 1600, false);
    ok(n < 1600 / CREDIT_RETRY + 5, "never in time: only tried now and then (%u of 1600)", n);
    n = wake(&h, 1600, true);
    ok(n > 1600 - 2 * CREDIT_RETRY, "in time again: soon awake again (%u of 1600)", n);
    printf("1..%d\n", tests);
    return failures != 0;
}
