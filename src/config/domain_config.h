/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain_config.h - from a loaded config to the document that a domain process takes
 * (docs/internals/domain-config.md), with everything checked that can be checked before.
 */
#pragma once

#include <jansson.h>

#include "config/config.h"

#define DOMAIN_CONFIG_MAX_VCPUS 8
#define DOMAIN_CONFIG_MAX_MEMORY (256 * 1024) /* MiB */
#define DOMAIN_CONFIG_MAX_NAME 63

/* *ret is a new reference without what the caller has to add: domid and the paths of logs and
 * sockets. Options without effect yet become warnings of the config. 0, or -EINVAL with a
 * sentence that names the option and its place. */
int domain_config_make(struct config *c, json_t **ret, struct err *err) MUST_CHECK;
