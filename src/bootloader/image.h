/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * image.h - a guest's disk as seen by GRUB's drivers: its volumes (partitions of any table,
 * logical volumes, the whole disk) and the files in them. The drivers run as grub-fstest in a
 * jail (jail.h), one run for each question.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

struct image;

/* A descriptor of the disk, a file or block device, or -errno with a sentence. */
int image_open_disk(const char *path, struct err *err) MUST_CHECK;

/* Look at the disk and find its volumes. `path` is its name for people, fd (borrowed, as `broker`)
 * the disk; it is opened again through /proc/self/fd, or, where we may not do that, by who answers
 * at `broker` (privsep.h; -1 = nobody). -ENOENT when grub-fstest is not installed. */
int image_open(struct image **ret, const char *path, int fd, int broker,
               struct err *err) MUST_CHECK;
void image_close(struct image *image); /* NULL is fine */

/* Names of volumes as GRUB calls them, in the order in which a kernel is looked for: the
 * active partition, other partitions, logical volumes, the whole disk. NULL behind the last. */
const char *image_volume(const struct image *image, size_t i);

/* A file's content, up to max bytes, newly allocated with a NUL behind it. -ENOENT: there is no
 * such file, or the volume cannot be read; -EFBIG, -ETIMEDOUT and others with a sentence. */
int image_read(struct image *image, const char *volume, const char *path, size_t max, char **ret,
               size_t *ret_len, struct err *err) MUST_CHECK;

/* Names in a directory, separated by blanks, directories with a slash behind. Else as above. */
int image_list(struct image *image, const char *volume, const char *path, char **ret,
               struct err *err) MUST_CHECK;

/* Append a file to fd; *size counts on, up to max. */
int image_copy(struct image *image, const char *volume, const char *path, int fd, uint64_t max,
               uint64_t *size, struct err *err) MUST_CHECK;
