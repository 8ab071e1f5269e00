/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start.h - the vCPU process's first steps and its last ones.
 */
#pragma once

#include "base/types.h"

/* Start-up failed: say why in the run page (if it is mapped) and exit. */
_Noreturn void start_fail(const char *what, long error);
