/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * seccomp.h - enters a filter of system calls that is one table of rules (bpf.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bpf.h"
#include "base/types.h"

/* From now on this thread, and those that it makes, may do what the rules say; else `otherwise`
 * (SECCOMP_RET_...). It must have given up new privileges. 0 or -errno. */
int seccomp_enter(const struct bpf_rule *rules, size_t nr_rules, uint32_t otherwise) MUST_CHECK;
