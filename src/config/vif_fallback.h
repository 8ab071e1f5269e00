/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_fallback.h - who may not make tap devices gets the network that needs no privilege.
 */
#pragma once

#include <jansson.h>

#include "base/types.h"

#define VIF_FALLBACK_SENTENCE                                                                      \
    "without root the host's bridges and routes are out of reach: the guest gets the user-mode "   \
    "network instead (type=user)"

/* True if this process may connect the interface `ifname` ("": a new one) to the host: it has
 * CAP_NET_ADMIN, or the tap is there and this user's. */
bool vif_may_tap(const char *ifname);

/* Make a user-mode interface of one on the host's networks ("vifs" of a domain's document). */
void vif_fall_back(json_t *vif);
