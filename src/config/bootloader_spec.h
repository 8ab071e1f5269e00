/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bootloader_spec.h - bootloader, bootargs and what else of a config says how the kernel is
 * found in the guest's first disk (docs/internals/domain-config.md: `bootloader`).
 */
#pragma once

#include <jansson.h>

#include "config/config.h"

/* Is the kernel to be found by a boot loader? So it is when one is named, and for guests with
 * disks and no kernel. */
bool bootloader_spec_wanted(const struct config *c);

/* Add `bootloader` to the document, whose disks and command line are there. 0 or -errno with a
 * sentence. */
int bootloader_spec_add(struct config *c, json_t *doc, struct err *err) MUST_CHECK;

/* Somebody will be at the console (create -c): the boot menu is shown, unless bootargs say
 * otherwise. */
void bootloader_spec_interactive(const struct config *c, json_t *doc);
