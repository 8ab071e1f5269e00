/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vcpu_spec.h - the options about virtual CPUs: how many, which are online at boot, where they
 * run, and their share of the host's time.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"

/* vcpus, vcpu_avail, cpus, cpu_weight and cpu_cap of a domain's document
 * (docs/internals/domain-config.md). At most `max` virtual CPUs. 0, or -EINVAL with place. */
int vcpu_spec_add(struct config *c, json_t *doc, int64_t max, struct err *err) MUST_CHECK;
