/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console_pty.h - the console as a pseudo terminal, for programs that want one (minicom, screen,
 * Xen's own xenconsole): it exists as long as the domain process, and whoever opens it becomes
 * a client of the console until the last one has closed it. Those who have it open at the same
 * time share one client: each byte goes to one of them, as with any terminal.
 *
 * Made before the domain process goes to jail. Internal to the console.
 */
#pragma once

#include "backend/console.h"
#include "backend/console_out.h"

struct console_pty;

/* Clients are given to `out`, which must outlive the terminal. 0 or -errno. */
int console_pty_create(struct console_pty **ret, const struct console_config *config,
                       struct console_out *out, struct err *err) MUST_CHECK;
void console_pty_destroy(struct console_pty *p); /* NULL is fine; main thread */
const char *console_pty_path(const struct console_pty *p);
