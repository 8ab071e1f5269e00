/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relocation.h - xend's relocation server: the port at which other hosts' domains arrive.
 */
#pragma once

#include "xend/xend.h"

/* Listen as xend-config.sxp says now, or not at all; what was open before is closed. A port that
 * cannot be had is logged, and xend runs without. */
void relocation_open(struct xend *x);
void relocation_close(struct xend *x);
