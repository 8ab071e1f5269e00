/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * menu_priv.h - shared by menu.c (the list) and menu_edit.c (lines, entries, command line).
 */
#pragma once

#include <curses.h>

#include "bootloader/menu.h"

#define MENU_TOP 3 /* first row of the box */
#define MENU_ROWS 10
#define MENU_WIDTH 74
#define MENU_HELP (MENU_TOP + MENU_ROWS + 3)
#define KEY_ESCAPE 27
#define CTRL(c) ((c)&0x1f)

/* The frame of all screens: title, box, help text. */
void menu_draw_frame(const char *help);
/* Lines in the box, the one at `selected` highlighted; scrolls so that it is seen. */
void menu_draw_lines(const char *const *lines, unsigned int count, unsigned int selected);

/* Edit one line; the new text (in the arena), or NULL when it was left by Esc. `secret`: dots. */
char *menu_edit_line(struct arena *a, const char *prompt, const char *text, bool secret);
/* Edit a copy of an entry. Returns it when it shall be booted, else NULL. */
struct boot_entry *menu_edit_entry(struct boot_menu *menu, const struct boot_entry *entry);
/* "a": edit the arguments of the kernel, then boot. */
struct boot_entry *menu_edit_kernel(struct boot_menu *menu, const struct boot_entry *entry);
/* "c": an entry typed line by line. */
struct boot_entry *menu_command_line(struct boot_menu *menu);
