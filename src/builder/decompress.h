/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * decompress.h - the compression formats that Linux kernels come in.
 *
 * All decoders write straight into one anonymous mapping, never more than DECOMPRESS_MAX, and
 * stop where the compressed stream says that it ends: what follows it (the four length bytes
 * of a bzImage payload) is no error.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define DECOMPRESS_MAX (1ull << 30)

struct decompressed {
    uint8_t *data; /* mmap'ed, release with decompressed_done() */
    size_t size;   /* bytes of content */
    size_t mapped; /* bytes mapped, >= size */
};

/* Name of the format that `data` begins with ("xz", ...), or NULL if it is none that is known.
 * Static storage. */
const char *decompress_format(const uint8_t *data, size_t size);

/* Unpack `data`, of a format that decompress_format() knows. `hint` is the expected size if
 * known, else 0; a wrong one only costs time. 0, or with a sentence: -ENOTSUP (built without
 * that format), -EBADMSG (damaged or truncated), -EFBIG (unpacks to more than
 * DECOMPRESS_MAX), -ENOMEM. */
int decompress(struct decompressed *out, const uint8_t *data, size_t size, size_t hint,
               struct err *err) MUST_CHECK;

void decompressed_done(struct decompressed *out); /* accepts a zeroed struct */
