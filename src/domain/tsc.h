/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tsc.h - the host's TSC frequency, measured against CLOCK_MONOTONIC_RAW. Two samples at
 * least TSC_BASELINE_NS apart give it; what lies between them is other start-up work.
 */
#pragma once

#include "base/types.h"

#define TSC_BASELINE_NS 15000000ull

struct tsc_sample {
    uint64_t tsc;
    uint64_t ns;
};

uint64_t tsc_now(void);
struct tsc_sample tsc_sample(void);

/* Frequency in kHz between an earlier sample and now; sleeps when the baseline is too short. */
uint32_t tsc_khz_since(const struct tsc_sample *start);
