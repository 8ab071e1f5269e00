/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xend_log.h - the log that `xm log` prints: what happened to the domains of this instance.
 * xend writes it and so does whoever starts a domain; lines are those of xend:
 *
 *   [2026-11-25 21:04:05 4711] INFO (xend) domain 'web' started as 3, ...
 */
#pragma once

#include "base/err.h"
#include "base/paths.h"

/* As xend-config.sxp names them (loglevel). */
enum xend_level { XEND_DEBUG, XEND_INFO, XEND_WARNING, XEND_ERROR, XEND_CRITICAL };

/* Where it is: xend-config's logfile, else /var/log/xen/xend.log for the system's instance and
 * xend.log in the log directory otherwise. 0 or -errno. */
int xend_log_path(char buf[static PATHS_MAX], struct err *err) MUST_CHECK;

/* Append one line; a log that cannot be written is nobody's failure. */
void xend_log(enum xend_level level, const char *fmt, ...) PRINTF_FMT(2, 3);
