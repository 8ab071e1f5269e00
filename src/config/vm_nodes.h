/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vm_nodes.h - what xend kept of a domain's config in xenstore, below /vm/UUID.
 */
#pragma once

#include <jansson.h>

#include "config/config.h"

/* "vm" of a domain's document: path below /vm/UUID -> text. 0, or -ENOMEM. */
int vm_nodes_add(const struct config *c, json_t *doc, struct err *err) MUST_CHECK;
