/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * record.h - what was known of a domain when it was started: N.config in the run directory,
 * a JSON object beside N.lock. It is written before the domain process exists, and follows what xm
 * changes of the domain (amend.h), so that whoever comes later (a list, a restarted xend) knows the
 * domain without asking it.
 *
 *   name uuid memory maxmem vcpus      of its document, as it was started
 *   created                            seconds since 1970
 *   managed                            boolean: started from the managed domains
 *   sxp                                text: its config, (vm ...), as it is now
 *   succeeded                          it gave way to another (rename-restart), which was started
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/types.h"

/* A new record of a finished document; `sxp` may be NULL. NULL when out of memory. */
json_t *record_make(const json_t *doc, const char *sxp, bool managed);

/* Write or replace that of a domain. `dir_fd` is the run directory. 0 or -errno. */
int record_write(int dir_fd, domid_t domid, const json_t *record, struct err *err) MUST_CHECK;

/* A new object; NULL if there is none that can be read. */
json_t *record_read(int dir_fd, domid_t domid);
