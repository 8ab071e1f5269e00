/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * multicast.h - the groups whose frames a frontend wants to see.
 */
#pragma once

#include "base/types.h"

#define NET_MAX_GROUPS 64

struct net_multicast {
    uint8_t group[NET_MAX_GROUPS][6];
    unsigned int count;
};

/* 0; -EINVAL: no multicast address; -ENOSPC. Adding twice is fine. */
int net_multicast_add(struct net_multicast *m, const uint8_t address[static 6]);
void net_multicast_del(struct net_multicast *m, const uint8_t address[static 6]);
/* May a frame to this address pass? Unicast and broadcast always may. */
bool net_multicast_passes(const struct net_multicast *m, const uint8_t address[static 6]);
