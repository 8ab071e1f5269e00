/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * link.c - see link.h.
 */
#include "backend/net/link.h"

void net_link_flush(struct net_link *l)
{
    if (l->ops->flush)
        l->ops->flush(l);
    else
        l->blocked = false;
}

void net_link_destroy(struct net_link *l)
{
    if (l)
        l->ops->destroy(l);
}
