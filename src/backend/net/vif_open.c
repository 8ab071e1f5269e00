/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_open.c - see vif_open.h.
 */
#include "backend/net/vif_open.h"

#include <stdio.h>

#include "backend/net/passt.h"
#include "backend/net/tap.h"

void vif_tap_name(const struct vif_config *c, domid_t domid, char to[static VIF_NAME_MAX])
{
    if (c->ifname[0])
        snprintf(to, VIF_NAME_MAX, "%s", c->ifname);
    else
        snprintf(to, VIF_NAME_MAX, "vif%u.%u", domid, c->devid);
}

int vif_open(const struct vif_config *c, domid_t domid, bool *local, struct err *err)
{
    char name[VIF_NAME_MAX];

    *local = false;
    if (c->type == VIF_USER)
        return passt_start(c, local, err);
    vif_tap_name(c, domid, name);
    return tap_open(name, err);
}
