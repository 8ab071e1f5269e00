/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rights.c - see rights.h.
 */
#include "xenstore/rights.h"

static bool domain_allowed(const struct node *n, domid_t id, bool write)
{
    char mode = n->perms[0].mode;

    if (n->perms[0].id == id)
        return true;
    for (unsigned int i = 1; i < n->nr_perms; i++) {
        if (n->perms[i].id == id) {
            mode = n->perms[i].mode;
            break;
        }
    }
    return mode == 'b' || mode == (write ? 'w' : 'r');
}

bool rights_allow(const struct conn *c, const struct node *n, bool write)
{
    if (!c->domid || domain_allowed(n, c->domid, write))
        return true;
    return c->domain->target && domain_allowed(n, c->domain->target, write);
}
