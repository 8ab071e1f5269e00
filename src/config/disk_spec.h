/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * disk_spec.h - one entry of disk=[...]: xm's UNAME,VDEV,MODE and xl's positional and
 * key=value forms.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "config/config.h"

/* *ret is a new object as docs/internals/domain-config.md describes it ("disks"). The image is
 * looked for; relative names are relative to the current directory. 0, or -errno with a
 * sentence that does not name the place. */
int disk_spec_parse(const char *text, json_t **ret, struct err *err) MUST_CHECK;

/* "disks" of a domain's document, from the option `disk`. 0, or -errno with place. */
int disk_spec_add_all(const struct config *c, json_t *doc, struct err *err) MUST_CHECK;
/* Is each entry of `disk` well said? Nothing of the host is looked at. 0, or -errno with place. */
int disk_spec_check_all(const struct config *c, struct err *err) MUST_CHECK;
