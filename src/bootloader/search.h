/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * search.h - which volume of a disk has a boot menu, and where the files are that it names.
 */
#pragma once

#include "bootloader/entry.h"
#include "bootloader/image.h"

/* Where a menu was found. */
struct boot_place {
    const char *volume;
    const char *prefix; /* of the subvolume that holds the system: "", "/@" */
};

/* Read the first menu with an entry that boots a kernel, in the order of docs/internals/
 * pygrub.md. 0, or -ENOENT with a sentence, or what the image failed with. */
int search_menu(struct image *image, struct boot_menu *menu, struct boot_place *place,
                struct err *err) MUST_CHECK;

/* Parse a config by what it is called and what is in it. */
void search_parse(struct boot_menu *menu, const char *path, const char *text,
                  const struct boot_reader *reader);

/* Append a file that an entry names to fd: from the place of the menu, else from any volume.
 * place may be all NULL. */
int search_copy(struct image *image, const struct boot_place *place, const char *path, int fd,
                uint64_t max, uint64_t *size, struct err *err) MUST_CHECK;
