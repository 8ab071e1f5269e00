/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * checksum.h - a fast 64-bit checksum of large buffers (about 10 GB/s), to notice that a file
 * changed or was damaged. Not cryptographic: it proves nothing against an author of files.
 */
#pragma once

#include "base/types.h"

uint64_t checksum64(const void *data, size_t size);
