/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * log.h - the domain process's log: one line per entry, "time level category: text", to
 * the file that log_open() was given (stderr before that). The category is the name of the
 * source folder, so that a line leads to the code. Guest-triggered lines are rate-limited
 * by log_guest(). Not for the freestanding blobs (they have their own ring).
 */
#pragma once

#include "base/types.h"
#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Append to `path` from now on (created 0600). 0 or -errno. */
int log_open(const char *path, struct err *err);
/* The descriptor in use, for jails that must keep it open. */
int log_fd(void);
void log_set_level(enum log_level level);
void log_msg(enum log_level level, const char *category, const char *fmt, ...) PRINTF_FMT(3, 4);
/* As log_msg, for what a guest can provoke: at most 400 lines at once, and one each five seconds in
 * the long run. A line tells how many were left out. */
void log_guest(enum log_level level, const char *category, const char *fmt, ...) PRINTF_FMT(3, 4);
/* Control characters but tabs become '?': a guest may have put them there, for the terminal of
 * whoever reads the text, or as lines of their own. The log's lines are clean. */
void log_clean(char *text);
