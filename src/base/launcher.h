/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * launcher.h - starts processes for a process that may not fork or exec any more: before it
 * goes to jail it makes a launcher, a small process that has seen nothing hostile and knows a
 * fixed list of things that it can be told to become. Who has made none (tests) forks itself.
 *
 * What is started is killed when the launcher, or else the starting thread, ends; the launcher
 * ends with the thread that made it.
 */
#pragma once

#include "base/err.h"

#define LAUNCHER_MAX_FDS 64

/* The new process, with copies of the descriptors that were given, close-on-exec. Must not
 * return. Async-signal-safe calls only: it may come from a process with threads. */
typedef void launcher_fn(const int *fds, unsigned int nr_fds);

/* Make the launcher of this process, once, while it has one thread. `programs` is kept. */
int launcher_start(launcher_fn *const *programs, unsigned int nr_programs, struct err *err);

/* Start one of the programs. Borrows the descriptors. *ret_pidfd is the caller's, to be given
 * to launcher_reap(). One caller at a time. 0 or -errno. */
int launcher_spawn(launcher_fn *program, const int *fds, unsigned int nr_fds, int *ret_pidfd,
                   struct err *err);

/* Wait for the end of what launcher_spawn() started and close the descriptor. */
void launcher_reap(int pidfd);
