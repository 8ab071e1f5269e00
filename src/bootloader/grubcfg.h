/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * grubcfg.h - grub.cfg, the language of GRUB 2: a shell whose commands build the menu.
 */
#pragma once

#include "bootloader/entry.h"

/* Run the config and fill the menu. What goes wrong in it costs the entries behind; loops and
 * recursion are limited. `saved_entry` and other variables come from the environment block
 * beside the config if the config loads it. */
void grubcfg_parse(struct boot_menu *menu, const char *text, const struct boot_reader *reader);
