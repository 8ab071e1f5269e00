/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif.h - a domain's network interface on the host: its tap, its keys in xenstore as scripts
 * expect them, its script.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "hotplug/undo.h"
#include "xenstore/client.h"

/* An interface of a domain's document that is the host's: not type=user. */
bool vif_is_host(const json_t *vif);

/* Make the tap of one, and run its script with `online`. If this fails, it may be in the list
 * nevertheless, to be taken offline; the sentence is the one for "xm create", with the script's
 * own words. 0 or -errno. */
int vif_online(struct undo_list *u, struct xs_client *store, const json_t *vif,
               const char *domain_name, struct err *err) MUST_CHECK;

/* Run the script of an entry with `offline`, and remove tap and keys. What goes wrong is logged
 * (stderr): there is nothing else to be done. */
void vif_offline(struct xs_client *store, domid_t domid, const json_t *vif);
