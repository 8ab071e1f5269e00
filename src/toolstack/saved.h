/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * saved.h - the file of a saved domain (docs/internals/save.md): a head that says which domain it
 * is, for the tools, and behind it the guest, for the domain process.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "toolstack/registry.h"

/* What becomes of a domain that is saved: it ends, goes on, or stands still where it was saved. */
enum saved_then { SAVED_ENDS, SAVED_GOES_ON, SAVED_STANDS };

/* Save a running domain to `path`, which is replaced in one step once the file is complete and on
 * the disk. On failure the domain goes on, and what `path` was it is. 0, or -errno with a sentence.
 */
int saved_make(const struct registry_entry *entry, const char *path, enum saved_then then,
               struct err *err) MUST_CHECK;

/* May this domain be saved? 0, or -EPERM with a sentence if its config has nomigrate. */
int saved_may_leave(const struct registry_entry *entry, struct err *err) MUST_CHECK;

/* Asked when the file is complete and the guest still stands still: is somebody else to go on with
 * it? If not (-errno with a sentence) the guest goes on here. */
typedef int saved_agree_fn(void *arg, const char *path, struct err *err);
/* As saved_make() of one that ends, with that question. *ret_left says whether the guest may have
 * ended here, also if this fails then: `path` is what there is of it. Else nothing is left of it.
 */
int saved_hand_over(const struct registry_entry *entry, const char *path, saved_agree_fn *agree,
                    void *arg, bool *ret_left, struct err *err) MUST_CHECK;

/* Open such a file. *ret is its head, a new object with the members of the domain's record
 * (record.h) and `memory`, `maxmem` (MiB) as they were. Returns a descriptor that stands at the
 * guest, or -errno with a sentence. */
int saved_open(const char *path, json_t **ret, struct err *err) MUST_CHECK;
/* The same of a file that is open and stands at its start; `path` is for sentences. 0 or -errno. */
int saved_read(int fd, const char *path, json_t **ret, struct err *err) MUST_CHECK;
