/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bls.h - the boot loader specification: one file for each entry in loader/entries.
 */
#pragma once

#include "bootloader/script.h"

#define BLS_DIR "/loader/entries"

/* Add the entries in `dir`, newest version first; variables in them are the script's. Returns
 * how many there are. */
unsigned int bls_load(struct script *s, const char *dir);
/* A menu of nothing else. */
void bls_parse(struct boot_menu *menu, const struct boot_reader *reader, const char *dir);
