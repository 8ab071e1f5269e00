/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * legacy.h - menu.lst and grub.conf, the language of GRUB's first version.
 */
#pragma once

#include "bootloader/entry.h"

/* Fill the menu from a config's text. What is not understood is skipped. */
void legacy_parse(struct boot_menu *menu, const char *text, const struct boot_reader *reader);
