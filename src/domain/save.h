/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * save.h - saving a running guest to a file (docs/internals/save.md). The guest is asked to suspend
 * itself, stands still then, and a thread writes what it is. It stays so until somebody says
 * whether it is to go on here: so there is always exactly one that may. Main thread, without the
 * domain's lock.
 */
#pragma once

#include "base/err.h"

struct process;
struct save;

/* Called once, when the file is complete and on the disk (rc 0: the guest still stands still), or
 * when it is not (the guest goes on). */
typedef void save_fn(void *arg, int rc, const struct err *err);

/* Begin to write to `fd`, a regular file, at its offset (taken, also on failure). 0 or -errno. */
int save_begin(struct process *p, int fd, save_fn *done, void *arg, struct err *err) MUST_CHECK;
/* To be called in each turn of the main loop. Milliseconds until it is needed again, -1 = when
 * woken. */
int save_tick(struct process *p);
/* After done(0): this life is over. -EINVAL if nothing is saved. */
int save_end_life(struct process *p, struct err *err) MUST_CHECK;
/* Nobody needs the file: the guest goes on, whatever has been done. Nothing happens if none is
 * being saved. */
void save_cancel(struct process *p);
