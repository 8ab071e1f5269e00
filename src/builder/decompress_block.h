/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * decompress_block.h - the two kernel compression formats whose container no library parses:
 * lz4's legacy frame and lzop files. Private to decompress.c.
 *
 * Same contract as the decoders there: 0 with *done set, -ENOSPC if the output does not fit,
 * -EBADMSG for damaged input. NULL pointers (macros) if the library was not there at build.
 */
#pragma once

#include "base/types.h"

#ifdef HAVE_LZ4
int decompress_lz4_legacy(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in,
                          size_t in_size);
#else
#define decompress_lz4_legacy NULL
#endif

#ifdef HAVE_LZO
int decompress_lzop(uint8_t *out, size_t out_size, size_t *done, const uint8_t *in, size_t in_size);
#else
#define decompress_lzop NULL
#endif
