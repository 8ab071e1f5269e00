/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * syslinux.h - extlinux.conf, isolinux.cfg and syslinux.cfg.
 */
#pragma once

#include "bootloader/entry.h"

/* Fill the menu from a config's text; files that it includes are read, too. */
void syslinux_parse(struct boot_menu *menu, const char *text, const struct boot_reader *reader);
