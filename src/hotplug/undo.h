/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * undo.h - what has been done to the host for a domain's devices, on disk, so that whoever comes
 * later can undo it: hotplug/DOMID.json in the run directory. An entry is written before the
 * first thing is done for a device and removed after the last one is undone.
 *
 *   lock   the domain's lock file (toolstack/registry.h): whoever gets it knows the domain dead
 *   devices  objects as in the domain's document, plus class ("vif", "vbd"), name (the domain's)
 *          and script: with its arguments, as it was run; of a vif also ifname and made (the tap
 *          is ours)
 *
 * A list is held by one process at a time (flock on hotplug/DOMID.lck). The process that waits for
 * the domain's end holds hotplug/DOMID.wait.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/types.h"

struct undo_list {
    domid_t domid;
    int dir_fd, lock_fd;
    json_t *doc;
};

/* Hold a domain's list, empty if there is none. `wait` false: -EAGAIN if somebody else has it.
 * 0 or -errno. */
int undo_open(struct undo_list *u, domid_t domid, bool wait, struct err *err) MUST_CHECK;
/* Write the list, or remove its file if it has become empty. 0 or -errno. */
int undo_save(const struct undo_list *u, struct err *err) MUST_CHECK;
void undo_close(struct undo_list *u);

/* The devices; the list's. */
json_t *undo_devices(const struct undo_list *u);
/* The domain's lock file; "" if the list is new. */
const char *undo_domain_lock(const struct undo_list *u);
void undo_set_domain_lock(struct undo_list *u, const char *path);

/* Become the one who waits for the domain's end: a descriptor that says so while it is open, to be
 * handed to who waits. -EAGAIN if somebody does already. */
int undo_claim_wait(const struct undo_list *u, struct err *err) MUST_CHECK;
/* The wait is over. */
void undo_end_wait(const struct undo_list *u);

/* Ids of the domains that have a list. A new array; NULL and 0 when there is none. */
domid_t *undo_domains(size_t *ret_count);

/* The domain whose list has a device with this text, such as "ifname"; 0 if none has. */
domid_t undo_owner(const char *key, const char *value);
