/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * detail.h - all that is known of one domain as an S-expression, the form of `xm list -l`.
 */
#pragma once

#include "base/json.h"
#include "config/sxp.h"

/* (domain (domid N) ...) of an object of domains.h, in an arena. Elements come in xend's order;
 * those that `xm create -F` would take back are as the config had them. */
struct sxp *detail_make(struct arena *a, const json_t *info);
