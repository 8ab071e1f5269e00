/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * local_translate.h - translating programs' code (local.h), a region inside one page at a time.
 */
#pragma once

#include "cpu/vcpu.h"

/* Translate what is at pc, in `frame`, which is watched (FRAME_CODE), up to the end of the page.
 * May throw all translations away first. cache_lookup_local() finds the result. */
void local_translate(gva_t pc, mfn_t frame);
