/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * menu.h - lets a person choose and edit an entry, on the terminal.
 */
#pragma once

#include "bootloader/entry.h"

/* Show the menu, with `selected` under the cursor, until an entry is chosen or the menu's
 * timeout is over. The entry returned may be a changed copy (in the menu's arena); NULL: the
 * person left without one. 0, or -ENOTTY with a sentence when there is no usable terminal. */
int menu_choose(struct boot_menu *menu, unsigned int selected, struct boot_entry **ret,
                struct err *err) MUST_CHECK;
