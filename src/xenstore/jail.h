/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.h - gives up, for good, all that xenstored does not need once it listens: what guests write
 * to their rings is about to be read.
 */
#pragma once

#include "base/err.h"

/* All that is left of files afterwards is to remove those in the directory `dir_fd`, the run
 * directory, and only where the kernel has Landlock is it no others. 0 or -errno. A build with a
 * sanitizer has no jail: its library needs other calls. */
int jail_enter(int dir_fd, struct err *err) MUST_CHECK;
