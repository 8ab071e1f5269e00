/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tsc.c - see tsc.h.
 */
#define _GNU_SOURCE
#include "domain/tsc.h"

#include <time.h>
#include <x86intrin.h>

#define TRIES 8

uint64_t tsc_now(void)
{
    unsigned int aux;

    return __rdtscp(&aux);
}

static uint64_t raw_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* The pair that was read in the shortest time, so that an interruption between the two
 * clocks does not spoil it. */
struct tsc_sample tsc_sample(void)
{
    struct tsc_sample best = {0};
    uint64_t best_width = UINT64_MAX;

    for (int i = 0; i < TRIES; i++) {
        uint64_t before = tsc_now();
        uint64_t ns = raw_ns();
        uint64_t width = tsc_now() - before;

        if (width < best_width) {
            best_width = width;
            best = (struct tsc_sample){.tsc = before + width / 2, .ns = ns};
        }
    }
    return best;
}

uint32_t tsc_khz_since(const struct tsc_sample *start)
{
    uint64_t passed = raw_ns() - start->ns;
    struct tsc_sample end;

    if (passed < TSC_BASELINE_NS) {
        struct timespec rest = {.tv_nsec = (long)(TSC_BASELINE_NS - passed)};

        while (nanosleep(&rest, &rest) < 0)
            continue;
    }
    end = tsc_sample();
    return (uint32_t)((unsigned __int128)(end.tsc - start->tsc) * 1000000 / (end.ns - start->ns));
}
