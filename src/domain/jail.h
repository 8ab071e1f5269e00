/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.h - the domain process gives up what it will not need: no_new_privs and a seccomp
 * filter on all its threads, see jail_policy.h and docs/security.md.
 */
#pragma once

#include "base/err.h"

/* Enter it, for good. A call that is refused ends the process after a line in the log. 0 or
 * -errno. Does nothing in builds with a sanitizer, whose library needs other calls. */
int jail_enter(struct err *err);

/* Is this such a build? */
bool jail_is_empty(void);
