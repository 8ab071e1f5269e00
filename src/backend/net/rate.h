/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rate.h - the limit on what a guest may send: so many bytes in every interval (the "rate"
 * key of a vif: "bytes,microseconds").
 */
#pragma once

#include "base/types.h"

struct net_rate {
    uint64_t bytes, interval_ns; /* bytes 0 = no limit */
    uint64_t credit;             /* what is left of this interval */
    uint64_t next_ns;            /* when the next one begins */
};

void net_rate_init(struct net_rate *r, uint64_t bytes, uint64_t interval_us);
/* May `size` bytes go at time `now_ns`? 0 if so, and they are counted; else the nanoseconds
 * until it is worth asking again. A packet larger than a whole interval's bytes goes when one
 * is full, and the following intervals pay for it. */
uint64_t net_rate_take(struct net_rate *r, uint64_t size, uint64_t now_ns);
