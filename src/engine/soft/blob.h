/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * blob.h - the programs that are embedded in this one, to be executed. Each new process makes its
 * file itself, from what was embedded: who asks for it (base/launcher.h) has no say in what it is.
 */
#pragma once

#include <stdint.h>

/* A file with [start, end), sealed, close-on-exec, ready for fexecve(). Descriptor or -errno.
 * Async-signal-safe. */
int blob_open(const char *name, const uint8_t *start, const uint8_t *end);
