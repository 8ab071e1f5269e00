/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rename.h - a domain gets another name, which its lock file tells (toolstack/registry.h). Who
 * asks for it holds the run directory's lock and has made sure that the name is free.
 */
#pragma once

#include "base/err.h"

struct process;

/* 0, or -errno with a sentence: then the old name stays. Main thread, without the lock. */
int process_rename(struct process *p, const char *name, struct err *err) MUST_CHECK;

/* Give way to a successor with our name and uuid (rename-restart): a new uuid, and the name
 * "Domain-UUID". */
int process_step_aside(struct process *p, struct err *err) MUST_CHECK;
