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

/* What can be said without a look at the host: name, uuid, sizes, command line and actions
 * are checked and put into a new document. 0, or -EINVAL with a sentence that names the option
 * and its place. */
int domain_config_check(struct config *c, json_t **ret, struct err *err) MUST_CHECK;

/* The same of disks, interfaces and display: is each well said? 0, or -errno as above. */
int domain_config_check_devices(struct config *c, struct err *err) MUST_CHECK;

/* The whole document: *ret is a new reference without what the caller has to add, domid and
 * the paths of logs and sockets. Options without effect yet become warnings of the config.
 * `saved`: of a guest that runs already, so that its kernel may have gone. 0, or -errno as above.
 */
int domain_config_make(struct config *c, bool saved, json_t **ret, struct err *err) MUST_CHECK;

bool domain_config_is_hvm(const struct config *c);
/* on_poweroff, on_reboot, on_crash or on_watchdog as set or by default. */
const char *domain_config_action(const struct config *c, const char *option);
