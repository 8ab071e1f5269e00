/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * prepare.h - what a domain's process can do on the host for as long as it lives is fixed here,
 * before it has seen anything of a guest.
 */
#pragma once

#include "base/err.h"

struct process;

/* Fix which files, programs and services the domain of p->options will have, and make the launcher
 * (base/launcher.h), which keeps to that. Once, while there is one thread. Sets p->bootloader,
 * which the caller destroys also if this fails. 0 or -errno. */
int prepare(struct process *p, struct err *err) MUST_CHECK;
