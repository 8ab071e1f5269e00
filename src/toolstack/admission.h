/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * admission.h - may this domain start beside those that are there? Called with the run
 * directory's lock held, so that two who start at the same time count each other.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "toolstack/registry.h"

/* Name, uuid and memory of `record` against the living domains. `keep_kib` is what the host
 * keeps for itself (dom0-min-mem). 0, or -EEXIST or -ENOMEM with xend's sentence. */
int admission_check(const json_t *record, int dir_fd, const struct registry_entry *entries,
                    size_t count, uint64_t host_kib, uint64_t keep_kib, struct err *err) MUST_CHECK;

/* Memory of this host in KiB. */
uint64_t admission_host_kib(void);
