/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * logfile.h - files that several processes append lines to, each line with one write(2), and that
 * do not grow without end: whoever opens one that is too long moves it aside.
 */
#pragma once

#include <sys/types.h>

#include "base/types.h"

/* Open for appending, made with the mode 0600; no link is followed. One longer than `max` bytes
 * becomes PATH.1, that PATH.2, and so on up to PATH.`old`. The descriptor, or -errno. */
int logfile_open(const char *path, off_t max, unsigned int old) MUST_CHECK;
