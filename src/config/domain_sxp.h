/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain_sxp.h - a domain's config as the S-expression that xm sent to xend: `(vm (name ...)
 * ...)`, which `xm create --dryrun` prints and `xm create -F` reads.
 */
#pragma once

#include "config/config.h"
#include "config/sxp.h"

/* name and uuid: as domain_config_check() settled them. console: the bootloader may show its
 * menu. *ret lives as long as the config. 0, or -EINVAL with place. */
int domain_sxp_make(struct config *c, const char *name, const char *uuid, bool console,
                    struct sxp **ret, struct err *err) MUST_CHECK;

/* As config_load for a file that holds `(vm ...)` or `(domain ...)`. 0, or -errno with one
 * sentence. What is not understood becomes warnings. */
int domain_sxp_load(struct config *c, const char *path, struct err *err) MUST_CHECK;
int domain_sxp_load_text(struct config *c, const char *name, const char *text, size_t len,
                         struct err *err) MUST_CHECK;
