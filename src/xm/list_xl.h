/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * list_xl.h - what `xl list -l` prints.
 */
#pragma once

#include "base/json.h"

/* A JSON list of {"domid": N, "config": {...}}, of domains as domains.h describes them. */
void list_xl_print(const json_t *list);
