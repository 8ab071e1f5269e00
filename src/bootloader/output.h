/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * output.h - what pygrub leaves behind: copies of kernel and ramdisk, and a line for its caller.
 * Files are made and removed by who may write to the directory, and filled by who has them open.
 */
#pragma once

#include "bootloader/search.h"

enum output_format { OUTPUT_SXP, OUTPUT_SIMPLE, OUTPUT_SIMPLE0 };

/* Files of these names belong to the caller once they are printed. */
struct boot_files {
    char kernel[512], ramdisk[512];
    int kernel_fd, ramdisk_fd; /* -1 = none */
};

/* Make both files in `dir`. 0 or -errno; then none is there. */
int output_make(struct boot_files *files, const char *dir, struct err *err) MUST_CHECK;
/* Close them. `keep`: those that have something in them stay. */
void output_done(struct boot_files *files, bool keep);

/* Fill them with what `target` names. */
int output_copy(struct image *image, const struct boot_place *place,
                const struct boot_target *target, const struct boot_files *files,
                struct err *err) MUST_CHECK;

/* Write the result. */
int output_print(int to, enum output_format format, const char *kernel, const char *ramdisk,
                 const char *args, struct err *err) MUST_CHECK;
