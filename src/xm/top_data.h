/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * top_data.h - what xm top shows: each domain's figures, and the share of CPU time since the
 * last look.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/types.h"

struct top_domain {
    domid_t domid;
    char name[64];
    char state[7]; /* in xentop's order: dying shutdown blocked crashed paused running */
    double cpu_seconds, cpu_percent;
    long long memory_kib, maxmem_kib; /* maxmem -1: no limit */
    double memory_percent, maxmem_percent;
    long long vcpus, nets, net_tx_kib, net_rx_kib, vbds;
    json_t *disks, *virtual_cpus; /* as its process lists them; NULL: not known */
    long long vbd_oo, vbd_rd, vbd_wr, vbd_rsect, vbd_wsect; /* of its disks together */
};

/* What one of its interfaces has done, as the guest sees it. All 0 where the host has none. */
struct top_net {
    long long rx_bytes, rx_packets, rx_errors, rx_dropped;
    long long tx_bytes, tx_packets, tx_errors, tx_dropped;
};

struct top {
    struct top_domain *domains;
    size_t count;
    double at; /* CLOCK_MONOTONIC, seconds */
    long long total_kib;
};

/* Look again, at virtual CPUs only if they are wanted; the percentages are of the time since the
 * last call with the same object (zeroed at first). 0 or -errno. */
int top_update(struct top *t, bool want_vcpus, struct err *err) MUST_CHECK;
void top_done(struct top *t);

void top_read_net(domid_t domid, long long number, struct top_net *ret);
