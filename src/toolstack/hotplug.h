/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hotplug.h - have xenolith-hotplug (src/hotplug) run the script of a device that comes to a
 * running domain, or goes. Waits for the script.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "toolstack/registry.h"

/* An interface on the host's networks ("vifs" of a domain's document), or a disk that a script
 * makes ("disks"): others need none of this. */
bool hotplug_is_for(const json_t *device);

/* Before the domain process is told of the device; a disk gets its path. 0, or -errno with the
 * script's own sentence; then nothing is left of it. */
int hotplug_attach(const struct registry_entry *domain, json_t *device, struct err *err) MUST_CHECK;
/* When the domain process has let it go; fine for one that never was. `class`: "vif", "vbd".
 * 0 or -errno. */
int hotplug_detach(domid_t domid, const char *class, unsigned int devid,
                   struct err *err) MUST_CHECK;
/* On standard error: what the scripts of a domain's interfaces, or of one, had to say although they
 * did their work. */
#define HOTPLUG_ALL (-1)
void hotplug_print_warnings(domid_t domid, int devid);
/* Scripts have run for devices that this domain has. */
bool hotplug_has_any(domid_t domid);
