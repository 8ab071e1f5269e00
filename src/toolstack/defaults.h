/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * defaults.h - what xend-config.sxp says for domains whose config does not: vnc-listen, vncpasswd,
 * keymap, enable-dump.
 */
#pragma once

#include "base/json.h"
#include "config/config.h"
#include "toolstack/xend_config.h"

/* Options that a loaded config leaves out. 0 or -errno. */
int defaults_for_config(struct config *c, const struct xend_config *xend,
                        struct err *err) MUST_CHECK;
/* Members that its document leaves out. */
void defaults_for_document(json_t *doc, const struct xend_config *xend);
