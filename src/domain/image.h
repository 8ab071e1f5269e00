/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * image.h - the file of a saved guest: a sequence of records, each with a checksum and packed by
 * zstd where that makes it smaller. docs/internals/save.md has the format. What is read is hostile
 * input: the checksum finds damage, not malice.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

#define IMAGE_RECORD_MAX (1u << 20) /* bytes of a record's content */

enum image_type {
    IMAGE_DOMAIN = 1,
    IMAGE_VCPU,
    IMAGE_SHARED_INFO,
    IMAGE_FRAMES, /* which frames the guest has: words of the bitmap from `first` on */
    IMAGE_M2P,    /* m2p entries from frame `first` on */
    IMAGE_PAGES,  /* content of frames from `first` on */
    IMAGE_END,
    IMAGE_PINS, /* levels that frames from `first` on are pinned at, a byte each */
};

struct image_writer;
/* Write to fd (borrowed) at its offset. `stop` set by another thread makes the next write fail with
 * -ECANCELED. NULL when out of memory. */
struct image_writer *image_writer_new(int fd, const bool *stop);
void image_writer_free(struct image_writer *w);
/* Add a record of at most IMAGE_RECORD_MAX bytes. 0 or -errno. */
int image_put(struct image_writer *w, enum image_type type, uint64_t first, const void *data,
              size_t size) MUST_CHECK;

struct image_record {
    uint32_t type;
    uint64_t first;
    const void *data; /* the reader's, until the next record; 8-aligned */
    size_t size;
};

struct image_reader;
/* Read from fd (borrowed) at its offset. NULL when out of memory. */
struct image_reader *image_reader_new(int fd);
void image_reader_free(struct image_reader *r);
/* The next record, whole and as it was written. -EINVAL with a sentence for what is none. */
int image_next(struct image_reader *r, struct image_record *ret, struct err *err) MUST_CHECK;
