/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rate.c - see rate.h.
 */
#include "backend/net/rate.h"

#define MAX_INTERVAL_US 60000000ull

void net_rate_init(struct net_rate *r, uint64_t bytes, uint64_t interval_us)
{
    if (interval_us < 1)
        interval_us = 1;
    if (interval_us > MAX_INTERVAL_US)
        interval_us = MAX_INTERVAL_US;
    *r = (struct net_rate){.bytes = bytes, .interval_ns = interval_us * 1000, .credit = bytes};
}

uint64_t net_rate_take(struct net_rate *r, uint64_t size, uint64_t now_ns)
{
    if (!r->bytes)
        return 0;
    if (now_ns >= r->next_ns) {
        r->credit = r->bytes;
        r->next_ns = now_ns + r->interval_ns;
    }
    if (size <= r->credit) {
        r->credit -= size;
        return 0;
    }
    if (r->credit == r->bytes) {
        /* It will never fit one interval: let as many pass without any as it costs. */
        r->credit = 0;
        r->next_ns = now_ns + (size + r->bytes - 1) / r->bytes * r->interval_ns;
        return 0;
    }
    return r->next_ns - now_ns;
}
