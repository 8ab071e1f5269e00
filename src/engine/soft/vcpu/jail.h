/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * jail.h - the system calls that the vCPU process keeps.
 */
#pragma once

/* No way back: from here on only what the table in jail.c allows. Everything else must be set
 * up before: memory, timers, handlers. 0 or -errno. */
int jail_enter(void);
