/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * output.h - what pygrub leaves behind: copies of kernel and ramdisk, and a line for its caller.
 */
#pragma once

#include "bootloader/search.h"

enum output_format { OUTPUT_SXP, OUTPUT_SIMPLE, OUTPUT_SIMPLE0 };

/* Files of these names belong to the caller once they are printed. */
struct boot_files {
    char kernel[512], ramdisk[512]; /* "" = none */
};

/* Copy what `target` names into new files in `dir`. On failure none is left. */
int output_copy(struct image *image, const struct boot_place *place,
                const struct boot_target *target, const char *dir, struct boot_files *files,
                struct err *err) MUST_CHECK;
void output_remove(struct boot_files *files);

/* Write the result to a path, "-" = standard output. */
int output_print(const char *to, enum output_format format, const char *kernel, const char *ramdisk,
                 const char *args, struct err *err) MUST_CHECK;
