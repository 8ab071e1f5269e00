/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * lifetime.h - the networks of a domain, and disks that scripts make, from its start to its end,
 * however that comes: a small process waits for the domain's lock to be free, and undoes. Should
 * that process die, too, the next sweep does it.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/types.h"

/* Make the disks and bring the interfaces online that a domain's document has, and leave the
 * waiting process behind. The disks get their paths in the document. On failure all is undone.
 * 0 or -errno with the sentence for who starts the domain. */
int lifetime_begin(json_t *doc, struct err *err) MUST_CHECK;

/* The same for one device more of a running domain, whose lock file is named: a disk if it has
 * a script and a path, else an interface. */
int lifetime_attach(domid_t domid, const char *domain_name, const char *lock_path, json_t *device,
                    struct err *err) MUST_CHECK;
/* One goes; fine if there is none of this class ("vif", "vbd") and number. */
int lifetime_detach(domid_t domid, const char *class, unsigned int devid,
                    struct err *err) MUST_CHECK;

/* In the process that lifetime_begin() leaves behind: return when the domain has ended and all is
 * undone. 0 or -errno. */
int lifetime_wait(domid_t domid, struct err *err) MUST_CHECK;

/* Undo what is left of domains that are dead. */
void lifetime_sweep(void);
