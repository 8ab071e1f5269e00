/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk.h - disks that a script of the administrator's makes, block-NAME: network block devices,
 * replicated or encrypted ones, what there may be.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "hotplug/undo.h"
#include "xenstore/client.h"

/* A disk of a domain's document that needs it. */
bool disk_has_script(const json_t *disk);

/* Run its script with `add`, and put what it made into the object as `path`. It is in the list
 * from then on, also if this fails: the sentence is the one for "xm create", with the script's
 * own words. 0 or -errno. */
int disk_add(struct undo_list *u, struct xs_client *store, json_t *disk, const char *domain_name,
             struct err *err) MUST_CHECK;

/* Run the script of an entry with `remove`. What goes wrong is logged (stderr). */
void disk_remove(struct xs_client *store, domid_t domid, const json_t *disk);
