/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vfb_spec.h - the display of a paravirtualized guest: an entry of vfb=[...], key=value separated
 * by commas, or xl's options vnc, vnclisten and so on beside it.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"

/* "vfb" of a domain's document, as docs/internals/domain-config.md describes it, if the config
 * asks for a display. 0, or -errno with place. */
int vfb_spec_add(struct config *c, json_t *doc, struct err *err) MUST_CHECK;
