/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vif_spec.h - one entry of vif=[...]: key=value, separated by commas, as xm and xl have them,
 * and two of our own: type=user and hostfwd.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"

/* What a generated MAC address is derived from, so that an interface keeps it. */
struct vif_identity {
    const char *name, *uuid; /* uuid "": only the name counts */
};

/* *ret is a new object as docs/internals/domain-config.md describes it ("vifs"). *unused is
 * a key that was accepted and has no effect, or NULL. 0, or -EINVAL with a sentence that does
 * not name the place. */
int vif_spec_parse(const char *text, unsigned int devid, const struct vif_identity *identity,
                   json_t **ret, const char **unused, struct err *err) MUST_CHECK;

/* "vifs" of a domain's document, from the options `vif` and `nics`. 0, or -errno with place. */
int vif_spec_add_all(struct config *c, json_t *doc, struct err *err) MUST_CHECK;
