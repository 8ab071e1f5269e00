/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hvm_config.h - the half of a config that is for fully virtualized guests only.
 */
#pragma once

#include <jansson.h>

#include "config/config.h"

/* "type", "hvm" and, for a kernel that is started directly, "kernel" and "ramdisk" of a domain's
 * document (docs/internals/domain-config.md). Chooses the guest's CPU. 0, or -errno with
 * place. */
int hvm_config_add(struct config *c, json_t *doc, struct err *err) MUST_CHECK;

/* Has this option, with the value it has, its effect for these guests, whatever options.def says of
 * others? */
bool hvm_config_uses(const struct config *c, const char *option);
