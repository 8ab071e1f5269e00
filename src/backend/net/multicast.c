/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * multicast.c - see multicast.h.
 */
#include "backend/net/multicast.h"

#include <errno.h>
#include <string.h>

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Its index, or count. */
static unsigned int find(const struct net_multicast *m, const uint8_t address[static 6])
{
    unsigned int i = 0;

    while (i < m->count && memcmp(m->group[i], address, 6) != 0)
        i++;
    return i;
}

int net_multicast_add(struct net_multicast *m, const uint8_t address[static 6])
{
    if (!(address[0] & 1))
        return -EINVAL;
    if (find(m, address) < m->count)
        return 0;
    if (m->count == NET_MAX_GROUPS)
        return -ENOSPC;
    memcpy(m->group[m->count++], address, 6);
    return 0;
}

void net_multicast_del(struct net_multicast *m, const uint8_t address[static 6])
{
    unsigned int i = find(m, address);

    if (i < m->count)
        memmove(m->group[i], m->group[--m->count], 6);
}

bool net_multicast_passes(const struct net_multicast *m, const uint8_t address[static 6])
{
    return !(address[0] & 1) || memcmp(address, broadcast, 6) == 0 || find(m, address) < m->count;
}
