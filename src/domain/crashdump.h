/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crashdump.h - what a crashed guest leaves in the domain's log: registers, the top of its
 * stack, the way it came, and the engine's last trace entries.
 */
#pragma once

#include "domain/domain.h"

struct ksyms;

/* Dumps show names from this table from now on (taken; NULL = no names). */
void crashdump_set_symbols(struct ksyms *symbols);

/* Log the state that `run` of vCPU `id` carries. Lock held; run is hostile. */
void crashdump_log(struct domain *d, unsigned int id, const struct run *run);
