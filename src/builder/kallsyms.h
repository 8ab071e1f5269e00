/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kallsyms.h - reads the compressed symbol table that a Linux kernel (6.1 and later, with
 * CONFIG_KALLSYMS) has in its read-only data. There is no pointer to it, so it is found by its
 * shape. The image is hostile: every index is checked.
 */
#pragma once

#include "base/types.h"

/* Called for each symbol in address order; `name` is the callee's to copy. False stops. */
typedef bool kallsyms_fn(void *opaque, gva_t va, const char *name);

/* Number of symbols reported, 0 if `image` has no table of a known form. */
size_t kallsyms_walk(const uint8_t *image, size_t size, kallsyms_fn *report, void *opaque);
