/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * signals.h - signals of a child process between fork and exec.
 */
#pragma once

/* Default actions and an empty mask: what this process ignores or blocks would be inherited by
 * the program. Async-signal-safe. */
void signals_reset(void);
