/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * compare.h - are the results of the two machines the same, window pointers apart?
 */
#pragma once

#include "machine.h"

/* Print what differs, at most a few lines; with print = false only tell. */
bool results_differ(const struct result *native_result, const struct result *guest, bool print);
