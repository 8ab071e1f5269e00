/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hotplug.h - have xenolith-hotplug (src/hotplug) connect an interface of a running domain to the
 * host's networks, or take it away. Waits for the script.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "toolstack/registry.h"

/* An interface on the host's networks, of a domain's document ("vifs"): others need none of this.
 */
bool hotplug_is_for(const json_t *vif);

/* Before the domain process is told of the interface. 0, or -errno with the script's own
 * sentence; then nothing is left of it. */
int hotplug_attach(const struct registry_entry *domain, const json_t *vif,
                   struct err *err) MUST_CHECK;
/* When the domain process has let it go; fine for one that never was. 0 or -errno. */
int hotplug_detach(domid_t domid, unsigned int devid, struct err *err) MUST_CHECK;
